"""One template against one target: its requests, its verdict, and why.

Every http block keeps what it extracted; in a template of several blocks the values of earlier ones are known to later
ones. A template is *vulnerable* when the scanner would report it: a block that matches and whose matchers are not all
internal, and, if it has a flow whose value is a truth value, a flow that is true: stricter than the scanner, which
reports a first block even where the author wanted both.
"""

import random
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from bench.scanner.build import Built, MalformedRequestError, MissingValueError, build, plan
from bench.scanner.exchange import Client, ExchangeError, Response
from bench.scanner.expression import ExpressionSyntaxError, Helper, names, parse
from bench.scanner.flow import FlowError, run_flow
from bench.scanner.helpers import helpers
from bench.scanner.operators import Judgement, facts, judge
from bench.scanner.render import KNOWN, Renderer, callbacks, is_lazy, target_values
from bench.scanner.template import Template
from bench.scanner.text import Value, merged

MAX_REQUESTS: Final = 400
NUMBERED: Final = re.compile(r"_\d+")
MARKED: Final = re.compile(r"\{\{(.+?)\}\}")
GIVEN: Final[dict[str, str]] = {
    "username": "editor",
    "user": "editor",
    "password": "Correct-Horse-7",
    "pass": "Correct-Horse-7",
    "email": "editor@mail.example.net",
}
"""What an operator gives a template that asks for credentials of the target (``-var``)."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a run, for people."""

    block: int
    sent: str
    response: Response | None = None
    fault: str = ""
    judgement: Judgement | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the template says vulnerable; else the first thing that stood in its way, in words that group."""

    is_vulnerable: bool
    reason: str = ""
    turns: tuple[Turn, ...] = ()


def inputs(template: Template, table: Mapping[str, Helper]) -> frozenset[str]:
    """Names a template uses in requests and gets nowhere: what its operator must give."""
    # a variable that is its own value only documents what the operator gives
    defined = {name for name, text in template.variables if text.strip() != f"{{{{{name}}}}}"}
    defined |= {name for name, _ in template.constants} | set(KNOWN) | {"ip"}
    texts: list[str] = [text for _, text in template.variables]
    for block in template.blocks:
        defined |= {name for name, _ in block.payloads} | {extractor.name for extractor in block.extractors}
        texts += [*block.raws, *block.paths, block.body, *(value for _, value in block.headers)]
        texts += [value for _, values in block.payloads for value in values]
    used: set[str] = set()
    for inside in (inside for text in texts for inside in MARKED.findall(text)):
        try:
            used |= names(parse(inside))
        except ExpressionSyntaxError:
            continue
    set_by_flow = set(re.findall(r"""set\(\s*["'](\w+)["']""", template.flow))
    known = defined | set_by_flow | table.keys() | {"interactsh", "url"}
    return frozenset(name for name in used - known if not name.startswith(("interactsh", "http_")))


class Run:
    """The state of one template's run."""

    def __init__(self, template: Template, client: Client, random_source: random.Random, name: str) -> None:
        self.template = template
        self.client = client
        table = helpers(random_source)
        self.renderer = Renderer(table, callbacks(random_source))
        host = name or client.address[0]
        given: dict[str, Value] = {
            name: GIVEN.get(name, f"given{number}")
            for number, name in enumerate(sorted(inputs(template, table)), 1)
        }
        constants: dict[str, Value] = dict(template.constants)
        self.base = merged(target_values(host, client.address[1]), given, constants)
        self.extracted: dict[str, Value] = {}
        self.previous: dict[str, Value] = {}
        self.turns: list[Turn] = []
        self.is_reported = False
        is_stable = bool(template.flow) or len(template.blocks) > 1 or not is_lazy(template.variables, table)
        self.fixed = self.renderer.variables(template.variables, self.base) if is_stable else {}

    def values(self) -> dict[str, Value]:
        """All that is known before a request."""
        earlier = {name: value for name, value in self.previous.items() if name.startswith("http_")}
        known = merged(self.base, self.fixed, earlier, self.extracted)
        if not self.fixed and self.template.variables:
            known |= self.renderer.variables(self.template.variables, known)
        return known

    def blocks(self, wanted: tuple[str, ...]) -> tuple[bool, dict[str, Value]]:
        """Run blocks by number or id, all if none is named; whether one of them matched, and the values after it."""
        chosen = [
            number
            for number, block in enumerate(self.template.blocks)
            if not wanted or str(number + 1) in wanted or (block.id and block.id in wanted)
        ]
        matched = [self.block(number) for number in chosen]
        return any(matched), merged(self.fixed, self.extracted)

    def block(self, number: int) -> bool:
        """Run one block; whether it matched, or has nothing to match with."""
        block = self.template.blocks[number]
        is_matched = not block.matchers and not block.extractors
        history = dict(self.previous)
        for count, planned in enumerate(plan(block), 1):
            if len(self.turns) >= MAX_REQUESTS:
                break
            try:
                built = build(block, planned, self.values(), self.renderer)
            except (MissingValueError, MalformedRequestError) as error:
                self.turns.append(Turn(block=number, sent=planned.text, fault=str(error)))
                break
            held = self._request(number, built, count, history)
            is_matched = is_matched or held
            if held and (block.stops_at_first_match or self.template.stops_at_first_match):
                break
        self.previous.update(history)
        return is_matched

    def _request(self, number: int, built: Built, count: int, history: dict[str, Value]) -> bool:
        """Send one request and judge each answer of its chain; whether one matched."""
        block = self.template.blocks[number]
        try:
            answers = self.client.exchange(
                built.message,
                redirects=block.redirects,
                max_redirects=block.max_redirects,
                keeps_cookies=block.keeps_cookies,
                timeout_seconds=built.timeout_seconds,
                max_bytes=block.max_bytes,
            )
        except ExchangeError as error:
            sent = built.message.raw or f"{built.message.method} {built.message.path}"
            self.turns.append(Turn(block=number, sent=sent, fault=str(error)))
            return False
        is_matched = False
        for answer in answers:
            event = facts(answer, {})
            numbered = {f"{name}_{count}": value for name, value in event.items()}
            history.update(numbered)
            own = {f"http_{number + 1}_{name}": value for name, value in event.items()}
            self.previous.update(own)
            table = merged(built.values, history, event)
            judgement = judge(block, table, self.renderer)
            self.turns.append(Turn(block=number, sent=answer.sent, response=answer, judgement=judgement))
            self._keep(judgement)
            is_matched = is_matched or judgement.is_matched or (not block.matchers and bool(judgement.values))
            self.is_reported = self.is_reported or judgement.is_visible
            if judgement.is_matched and block.stops_at_first_match:
                break
        return is_matched

    def _keep(self, judgement: Judgement) -> None:
        for name, values in judgement.values.items():
            # in a flow a value of several stays a list, which its script indexes; a later request takes the first
            self.extracted[name] = list(values) if self.template.flow and len(values) > 1 else values[0]

    def verdict(self) -> Verdict:
        """Run the template to its end."""
        holds: bool | None = None
        fault = ""
        if self.template.flow:
            try:
                holds = run_flow(self.template.flow, self.values(), self.blocks, self._set)
            except FlowError as error:
                fault = f"flow: {error}"
        else:
            self.blocks(())
        is_vulnerable = self.is_reported and holds is not False
        return Verdict(
            is_vulnerable=is_vulnerable,
            reason="" if is_vulnerable else fault or self._why(),
            turns=tuple(self.turns),
        )

    def _set(self, name: str, value: Any) -> None:
        self.extracted[name] = (
            float(value) if isinstance(value, int) and not isinstance(value, bool) else value
        )

    def _why(self) -> str:
        """The first obstacle: the earliest block that did not hold, and the matchers that failed where most held."""
        for number, block in enumerate(self.template.blocks):
            turns = [turn for turn in self.turns if turn.block == number]
            if not turns:
                return f"block {number + 1} was never asked"
            if any(turn.judgement and turn.judgement.is_matched for turn in turns):
                continue
            faults = [turn.fault for turn in turns if turn.fault]
            if not block.matchers and not faults:
                continue
            judged = [turn.judgement for turn in turns if turn.judgement]
            if not judged or (faults and faults[0].startswith("unresolved")):
                return f"block {number + 1}: {(faults or ['no answer'])[0][:80]}"
            best = max(judged, key=lambda judgement: sum(judgement.held))
            failed = [
                f"{matcher.kind}{' ' + matcher.part if matcher.part else ''}"
                for matcher, held in zip(block.matchers, best.held, strict=True)
                if not held
            ]
            return f"block {number + 1}: no match: {', '.join(failed)}"
        return "the flow is false"


def scan(
    template: Template,
    address: tuple[str, int],
    random_source: random.Random,
    *,
    source: str = "",
    name: str = "",
    timeout_seconds: float = 10.0,
) -> Verdict:
    """Run ``template`` against ``address`` (IP, port) from the local address ``source``.

    ``name`` is the target's name in URLs and ``Host``; empty: its address.
    """
    client = Client(address, source=source, timeout_seconds=timeout_seconds)
    return Run(template, client, random_source, name).verdict()
