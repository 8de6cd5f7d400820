"""A template played against the engine that will serve its flaw, to see what its scanner would say.

Every unknown is drawn, the requests go through the catalogue, and the answers through the template's own matchers.
"""

import random
import re
from collections.abc import Mapping
from typing import Final

import msgspec

from propolis.clock import SECOND
from propolis.events.canary import Mint
from propolis.flaws.file import Flaw
from propolis.flaws.index import Catalogue
from propolis.flaws.reply import answer
from propolis.flaws.request import Request
from propolis.flaws.scanners import dsl, formula, functions
from propolis.flaws.scanners.dsl import Call, Expr, Literal, Operation, Value
from propolis.flaws.scanners.extractors import extract
from propolis.flaws.scanners.formula import All, Formula, Some, Want
from propolis.flaws.scanners.messages import wire
from propolis.flaws.scanners.response import Response, holds
from propolis.flaws.scanners.story import Payloads, Story, choices, context, is_numbered
from propolis.flaws.scanners.template import Block, Form
from propolis.flaws.scanners.unknowns import draw
from propolis.flaws.scene import Scene, scene
from propolis.flaws.session import Session

_NOW: Final = 1_750_000_000
_KEY: Final = b"\0" * 32
_HOSTS: Final[Mapping[str, bytes]] = {
    "BaseURL": b"http://192.0.2.7:8080", "DN": b"192", "FQDN": b"192.0.2.7", "File": b"", "Host": b"192.0.2.7",
    "Hostname": b"192.0.2.7:8080", "IP": b"192.0.2.7", "Path": b"", "Port": b"8080", "RDN": b"192.0.2.7",
    "RootURL": b"http://192.0.2.7:8080", "SD": b"", "Scheme": b"http", "TLD": b"",
}  # fmt: skip


class Played(msgspec.Struct, frozen=True):
    """What came of it.

    ``requests`` are the messages that were sent, with the step that answered each (or none), ``values`` what was handed
    out meanwhile.
    """

    is_believed: bool
    why: str
    requests: tuple[tuple[bytes, str], ...]
    values: dict[str, bytes]


def play(story: Story, flaw: Flaw, seed: int, *, is_third_given: bool = False) -> Played:
    """Play a template once. With ``is_third_given`` a third party is taken to have seen what it should."""
    return _Player(story, flaw, seed, is_third_given=is_third_given).play()


class _Player:
    def __init__(self, story: Story, flaw: Flaw, seed: int, *, is_third_given: bool) -> None:
        self._story = story
        self._flaw = flaw
        self._catalogue = Catalogue((flaw,))
        self._draws = random.Random(seed)  # noqa: S311 - what a scanner would draw
        self._session = Session()
        self._scene = _stage(flaw, seed)
        self._is_third_given = is_third_given
        self._values: dict[str, bytes] = {}
        self._taken: dict[str, bytes] = {}
        self._last: dict[int, Response] = {}
        self._sent: list[tuple[bytes, str]] = []
        self._why = ""

    def play(self) -> Played:
        """The blocks in order; in a flow each must succeed, otherwise one is enough."""
        results = [self._block(block) for block in self._story.template.blocks]
        is_believed = self._is_reported(results)
        known = self._session.known(self._flaw.id)
        values = {name: known[name] for step in self._flaw.steps for name in step.issue if name in known}
        return Played(is_believed, "" if is_believed else self._why, tuple(self._sent), values)

    def _is_reported(self, results: list[bool]) -> bool:
        """Whether the flow over the blocks holds; one that is a program is taken for all of them unless it chooses."""
        flow = self._story.template.flow.strip().rstrip(";")
        if not flow:
            return any(results)
        try:
            return self._flows(dsl.parse(flow), results)
        except dsl.DslError:
            return any(results) if "||" in flow or "else" in flow else all(results)

    def _flows(self, tree: Expr, results: list[bool]) -> bool:
        match tree:
            case Operation("&&", parts):
                return all(self._flows(part, results) for part in parts)
            case Operation("||", parts):
                return any(self._flows(part, results) for part in parts)
            case Operation("!", (part,)):
                return not self._flows(part, results)
            case Call("http", arguments):
                named = [functions.text(one.value) for one in arguments if isinstance(one, Literal)]
                blocks = enumerate(self._story.template.blocks, 1)
                asked = {block.id.encode(): number for number, block in blocks if block.id}
                word = named[0] if named else b""
                number = asked.get(word) or (int(word) if word.isdigit() else 0)
                return results[number - 1] if 0 < number <= len(results) else any(results)
            case _:
                return self._is_true(tree)

    def _is_true(self, tree: Expr) -> bool:
        """What else a flow asks for; what cannot be computed is false."""
        resolved = self._story.resolver.expr(tree, {}, is_matcher=True)
        try:
            return functions.truth(functions.evaluate(resolved, self._lookup))
        except functions.NotComputedError as error:
            self._why = f"the flow: {error}"
            return False

    def _block(self, block: Block) -> bool:
        is_matched = False
        for payloads in choices(block):
            is_matched |= self._once(block, payloads)
        return is_matched

    def _once(self, block: Block, payloads: Payloads) -> bool:
        """One round of a block's requests; whether its matchers held at some time."""
        responses: dict[int, Response] = {}
        is_matched = False
        for index, text in enumerate(block.requests, 1):
            request = self._story.resolver.text(text, payloads, is_literal=block.is_literal)
            unknown = self._unanswered(request)
            if unknown and not block.is_literal:
                self._why = f"request {index} of {block.id or 'the block'} lacks {', '.join(unknown)}"
                return is_matched
            response = self._ask(request, block.form)
            if response is None:
                self._why = f"request {index} is not recognised"
                response = Response(404, (), b"")
            responses[index] = self._last[self._story.template.blocks.index(block) + 1] = response
            for extractor in block.extractors:
                value = extract(extractor, responses, index, self._lookup)
                if value is not None and extractor.name:
                    self._taken[extractor.name] = value
            if index == len(block.requests) or not is_numbered(block):
                is_matched |= self._is_matched(block, payloads, index, responses)
        return is_matched

    def _unanswered(self, request: Expr) -> list[str]:
        """Values that no answer has given yet: a scanner does not send what it cannot fill in."""
        return [name for name in dsl.names(request) if self._lookup(name) is None]

    def _ask(self, request: Expr, form: Form) -> Response | None:
        try:
            raw = wire(functions.render(request, self._lookup), form)
        except functions.NotComputedError as error:  # a scanner would not send it either
            self._why = str(error)
            return None
        asked = Request.parse(raw)
        found = self._catalogue.matches(asked, self._session)
        self._sent.append((raw, found[0].step.id if found else ""))
        if not found:
            return None
        made = answer(found[0], asked, self._session, self._scene)
        return Response(made.status, made.headers, made.body, made.delay_seconds)

    def _lookup(self, name: str) -> Value | None:
        """What the scanner puts in for a name."""
        if name in self._taken:
            return self._taken[name]
        if name in self._values:
            return self._values[name]
        told = re.fullmatch(r"http_(\d+)_(.+)", name)
        if told and (earlier := self._last.get(int(told[1]))) is not None:
            return earlier.part(told[2].lower())
        unknown = self._story.resolver.unknowns.get(name)
        if unknown is None or unknown.kind == "dynamic":
            return None
        if unknown.kind == "host":
            return _HOSTS.get(name, b"")
        if unknown.kind == "callback":
            value = b"c%012x.oast.fun" % self._draws.getrandbits(48)
        elif unknown.kind == "payload":
            value = unknown.values[0].encode() if unknown.values else b"1"
        elif unknown.kind == "given":
            value = b"admin%d" % self._draws.randint(1, 99)
        else:
            value = draw(unknown, self._draws, _NOW)
        self._values[name] = value
        return value

    def _is_matched(
        self, block: Block, payloads: Payloads, current: int, responses: dict[int, Response]
    ) -> bool:
        resolver = self._story.resolver
        unknowns = resolver.unknowns
        number = self._story.template.blocks.index(block)
        read = context(
            self._story.template,
            number,
            current,
            lambda tree: resolver.expr(tree, payloads, is_matcher=True),
            unknowns,
        )
        return self._holds(formula.formula(block, read), responses)

    def _holds(self, tree: Formula, responses: dict[int, Response]) -> bool:
        match tree:
            case All(parts):
                return all(self._holds(part, responses) for part in parts)
            case Some(parts):
                return any(self._holds(part, responses) for part in parts)
            case Want(kind="third") if self._is_third_given:
                return True
            case Want():
                is_held = holds(tree, responses, self._lookup)
                if not is_held:
                    self._why = f"{tree.kind} {tree.part} of response {tree.at}: {tree.value}"
                return is_held


def _stage(flaw: Flaw, seed: int) -> Scene:
    return scene(
        b"sensor %d" % seed,
        server=flaw.server,
        ip="192.0.2.7",
        source_ip="198.51.100.9",
        now=_NOW * SECOND,
        chance=random.Random(seed),  # noqa: S311 - delays
        mint=Mint(_KEY),
    )
