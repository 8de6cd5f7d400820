"""A template played through on paper: which requests follow one another, and an answer to each that satisfies it.

The answers still hold marks (:mod:`.marks`) for what only a real visit will show.
"""

import random
import re
import zlib
from collections.abc import Iterator, Mapping
from itertools import islice, product
from typing import Final, TypeAlias
from typing import Literal as Choice

import msgspec

from propolis.flaws.scanners import describe, dsl, formula, satisfy
from propolis.flaws.scanners.dsl import Call, Expr, Literal, Name, Value
from propolis.flaws.scanners.extractors import Shown, named_header, show, together, wanted_text
from propolis.flaws.scanners.formula import Context, Resolve, Way
from propolis.flaws.scanners.functions import compare_versions
from propolis.flaws.scanners.issued import forms
from propolis.flaws.scanners.marks import Marks, names_of
from propolis.flaws.scanners.response import Response
from propolis.flaws.scanners.satisfy import Task, Unmet
from propolis.flaws.scanners.template import Block, Extractor, Form, Template, suffix
from propolis.flaws.scanners.unknowns import ANYTHING, ELSEWHERE, HOST, Resolver, Unknown, is_number

MAX_CHOICES = 48
"""Combinations of payloads of one block that have answers of their own."""
MAX_WAYS_TRIED = 24

Payloads: TypeAlias = Mapping[str, str | tuple[str, ...]]
Verdict: TypeAlias = Choice["met", "third", "unmet"]

_LOOKS: Final = {
    "md5": "[0-9a-f]{32}",
    "sha1": "[0-9a-f]{40}",
    "sha256": "[0-9a-f]{64}",
    "hexencode": "[0-9a-f]*",
}


_FRONT: Final = re.compile(r"GET\s+(?:\{\{(?:BaseURL|RootURL)\}\})?/?(?:index\.php|index\.html?)?\s")


class Exchange(msgspec.Struct, frozen=True):
    """A request (a resolved text) and its answer; ``block`` and ``index`` count from 0 and 1."""

    block: int
    index: int
    payloads: Payloads
    request: Expr
    form: Form
    response: Response


class Scene(msgspec.Struct, frozen=True):
    """One block with one choice of payloads: its exchanges in order, and whether they satisfy its matchers."""

    exchanges: tuple[Exchange, ...]
    verdict: Verdict
    why: str


class Story(msgspec.Struct, frozen=True):
    """Everything that is known of a template once it has been played: ``issued`` are values that we hand out."""

    template: Template
    resolver: Resolver
    marks: Marks
    issued: dict[str, str]
    scenes: tuple[Scene, ...]


def tell(template: Template) -> Story:
    """Play a template through. What cannot be satisfied has answers too, and says why in its verdict."""
    return _Teller(template).story()


def choices(block: Block) -> Iterator[Payloads]:
    """The payload combinations that have requests of their own.

    Payloads in a request line are put in one by one, as ``attack`` says; others, and lists that we do not have, stay
    open.
    """
    lines = " ".join(request.split("\n", 1)[0] for request in block.requests)
    used = [
        name for name, values in block.payloads.items() if values and f"{{{{{name}" in lines.replace(" ", "")
    ]
    still_open: dict[str, str | tuple[str, ...]] = {
        name: values for name, values in block.payloads.items() if name not in used
    }
    if not used:
        yield still_open
        return
    lists = [block.payloads[name] for name in used]
    rows = product(*lists) if block.attack == "clusterbomb" or len(used) == 1 else zip(*lists, strict=False)
    for row in islice(rows, MAX_CHOICES):
        yield still_open | dict(zip(used, row, strict=True))


def context(
    template: Template, number: int, current: int, resolve: Resolve, unknowns: Mapping[str, Unknown]
) -> Context:
    """How the matchers of block ``number`` are read when its response ``current`` has come."""
    before = sum(len(block.requests) for block in template.blocks[:number])
    return Context(current, len(template.blocks[number].requests), before, resolve, unknowns)


def is_numbered(block: Block) -> bool:
    """Whether matchers name responses by their number, so that all of a block's requests are judged as one."""
    texts = [value for matcher in block.matchers for value in matcher.values if matcher.kind == "dsl"]
    named = [suffix(matcher.part)[1] for matcher in block.matchers]
    called = re.findall(r"\b[a-z_]+_(\d{1,2})\b", re.sub(r"'[^']*'|\"[^\"]*\"", "", " ".join(texts)))
    return any(named) or any(int(number) > 0 for number in called)


def is_one_story(block: Block) -> bool:
    """Whether requests without numbered matchers build on one another, so that only the last can succeed."""
    if len(block.requests) < 2 or block.form == "path":
        return False
    names = {one.name for one in block.extractors if one.name}
    text = "\n".join(block.requests)
    methods = {request.partition(" ")[0] for request in block.requests}
    return len(methods) > 1 or bool(names & names_of(text)) or "{{password}}" in text


class _Teller:
    def __init__(self, template: Template) -> None:
        self._template = template
        self._resolver = Resolver(template)
        unknowns = self._resolver.unknowns
        self._marks = Marks(self._look, lambda term: is_number(term, unknowns))
        self._draws = random.Random(zlib.crc32(template.id.encode()))  # noqa: S311 - a text, not a secret
        self._issued: dict[str, str] = {}
        self._values: dict[str, bytes] = {}
        self._uses = self._used()
        self._stand_for_any_host()

    def _stand_for_any_host(self) -> None:
        """A third party's host that is written out is one that every attacker has another of."""
        texts = [text for block in self._template.blocks for text in block.requests]
        for host in sorted(set(ELSEWHERE.findall("\n".join(texts)))):
            name = f"callback-{len(self._resolver.unknowns)}"
            self._resolver.unknowns[name] = Unknown(name, "callback", HOST, Literal(host.encode()))
            self._marks.set(Name(name), host.encode())

    def story(self) -> Story:
        """The whole story."""
        for block in self._template.blocks:
            for extractor in block.extractors:
                if extractor.name and extractor.name in self._uses and extractor.name not in self._values:
                    self._choose(extractor)
        scenes: list[Scene] = []
        for number, block in enumerate(self._template.blocks):
            scenes += [self._scene(number, block, payloads) for payloads in choices(block)]
        return Story(self._template, self._resolver, self._marks, self._issued, tuple(scenes))

    def _look(self, term: Expr) -> str:
        match term:
            case Name(name):
                return self._resolver.unknowns[name].look
            case Call(function):
                return _LOOKS.get(function, ANYTHING)
            case _:
                return ANYTHING

    def _used(self) -> dict[str, tuple[int, int]]:
        """Where each name is asked for first: block from 0, request from 1; after the last one in a matcher."""
        uses: dict[str, tuple[int, int]] = {}
        variables = {name: names_of(text) for name, text in self._template.variables.items()}
        for number, block in enumerate(self._template.blocks):
            lists = {name: names_of(" ".join(values)) for name, values in block.payloads.items()}
            through = variables | lists
            for index, request in enumerate(block.requests, 1):
                for name in _closure(names_of(request), through):
                    uses.setdefault(name, (number, index))
            last = len(block.requests) + 1
            for matcher in block.matchers:
                for text in matcher.values:
                    for name in _closure(_matcher_names(text, is_dsl=matcher.kind == "dsl"), through):
                        uses.setdefault(name, (number, last))
            if not block.matchers:
                for extractor in block.extractors:
                    uses.setdefault(extractor.name, (number, last))
        for name in re.findall(r"template[.\[][\"']?([A-Za-z_]\w*)", self._template.flow):
            uses.setdefault(name, (len(self._template.blocks), 1))
        return uses

    def _choose(self, extractor: Extractor) -> None:
        """What an extractor will find: a value that is handed out if it can be, otherwise the same for everybody."""
        name = extractor.name
        for issue, value in self._forms(extractor):
            if show(extractor, value, self._draws, self._lookup, 0) is None:
                continue
            self._values[name] = value
            if issue:
                self._issued[name] = issue
                self._marks.set(Name(name), value)
            else:
                self._marks.fix(Name(name), value)
            return

    def _forms(self, extractor: Extractor) -> Iterator[tuple[str, bytes]]:
        index = len(self._values)
        yield from (("", version) for version in self._versions(extractor.name))
        natural = wanted_text(extractor, self._draws, self._lookup)
        if self._is_path(extractor.name):
            yield "'/' + alnum(8)", b"/zX%03dkQj" % index
            yield "'/' + letters(8)", b"/zx%ckqjvw" % (97 + index % 26)
        yield from forms(natural, index)

    def _is_path(self, name: str) -> bool:
        """Whether a value begins a request's target."""
        begins = re.compile(r"\S+ (?:\{\{(?:BaseURL|RootURL)\}\})?\{\{\s*" + re.escape(name) + r"\s*\}\}")
        return any(begins.match(request) for block in self._template.blocks for request in block.requests)

    def _versions(self, name: str) -> Iterator[bytes]:
        """Versions that keep all that matchers ask of one."""
        texts = [text for block in self._template.blocks for one in block.matchers for text in one.values]
        asked = [text for text in texts if "compare_versions" in text and name in text]
        limits = [
            found
            for text in asked
            for found in re.findall(r"['\"]\s*([<>=!]*\s*v?[\d.]+[\w.-]*)\s*['\"]", text)
        ]
        for limit in limits:
            figures = [int(figure) for figure in re.findall(r"\d+", limit)]
            for place in range(len(figures) - 1, -1, -1):
                for step in (0, -1, 1):
                    tried = [*figures[:place], max(0, figures[place] + step), *figures[place + 1 :]]
                    version = ".".join(map(str, tried))
                    if compare_versions(version, limits):
                        yield version.encode()

    def _lookup(self, name: str) -> Value | None:
        return self._values.get(name)

    def _scene(self, number: int, block: Block, payloads: Payloads) -> Scene:
        requests = [
            self._resolver.text(text, payloads, is_literal=block.is_literal) for text in block.requests
        ]
        count = len(requests)
        if count == 0:
            return Scene((), "unmet", "asks nothing")
        if count == 1 or is_numbered(block):
            responses, verdict, why = self._together(number, block, payloads, count)
        else:
            responses, verdict, why = self._apart(number, block, payloads, count)
        exchanges = tuple(
            Exchange(number, index, payloads, request, block.form, responses[index])
            for index, request in enumerate(requests, 1)
        )
        return Scene(exchanges, verdict, why)

    def _together(
        self, number: int, block: Block, payloads: Payloads, count: int
    ) -> tuple[dict[int, Response], Verdict, str]:
        """Answers that satisfy the matchers when all requests have been made."""
        found = formula.ways(formula.formula(block, self._context(number, payloads, count)))
        why = "no way in which the matchers can hold"
        for way in found[:MAX_WAYS_TRIED]:
            try:
                responses = self._responses(number, block, way, count)
            except Unmet as unmet:
                why = str(unmet)
                continue
            return responses, "third" if formula.needs_third(way) else "met", ""
        return self._plain(number, block, count), "unmet", why

    def _apart(
        self, number: int, block: Block, payloads: Payloads, count: int
    ) -> tuple[dict[int, Response], Verdict, str]:
        """Answers of which each that can be is a success of its own; of one story only the last."""
        responses = self._plain(number, block, count)
        verdict: Verdict = "unmet"
        why = "no way in which the matchers can hold"
        for index in range(count, 0, -1):
            for way in formula.ways(formula.formula(block, self._context(number, payloads, index)))[
                :MAX_WAYS_TRIED
            ]:
                try:
                    responses[index] = self._one(number, block, index, way, {})
                except Unmet as unmet:
                    why = str(unmet)
                    continue
                verdict = "third" if formula.needs_third(way) else "met"
                break
            if verdict != "unmet" and is_one_story(block):
                break
        return responses, verdict, "" if verdict != "unmet" else why

    def _context(self, number: int, payloads: Payloads, current: int) -> Context:
        unknowns = self._resolver.unknowns

        def resolve(tree: Expr) -> Expr:
            resolved = self._resolver.expr(tree, payloads, is_matcher=True)
            return self._marks.tree(resolved, unknowns)

        return context(self._template, number, current, resolve, unknowns)

    def _responses(self, number: int, block: Block, way: Way, count: int) -> dict[int, Response]:
        """One answer to each request; later ones may be held against earlier ones. Raises :class:`Unmet`."""
        responses: dict[int, Response] = {}
        for index in range(1, count + 1):
            responses[index] = self._one(number, block, index, way, responses)
        return responses

    def _one(self, number: int, block: Block, index: int, way: Way, others: dict[int, Response]) -> Response:
        wants = tuple(want for want in way if want.at == index and want.kind != "versions")
        why = Unmet("what is to be extracted cannot be shown")
        for branch in range(3):
            shown = self._shown(number, block, index, branch)
            if shown is None:
                continue
            is_front = _FRONT.match(block.requests[index - 1]) is not None
            task = Task(index, wants, shown, dict(others), self._title(), block.is_followed, is_front)
            try:
                return satisfy.satisfy(task, self._lookup, self._draws)
            except Unmet as unmet:
                why = unmet
        raise why

    def _plain(self, number: int, block: Block, count: int) -> dict[int, Response]:
        """Answers that show what is extracted from them, and nothing else."""
        responses: dict[int, Response] = {}
        for index in range(1, count + 1):
            try:
                responses[index] = self._one(number, block, index, (), responses)
            except Unmet:
                task = Task(index, (), (), {}, self._title(), is_followed=False)
                responses[index] = satisfy.satisfy(task, self._lookup, self._draws)
        return responses

    def _shown(self, number: int, block: Block, index: int, branch: int) -> tuple[Shown, ...] | None:
        """What a response must show for the extractors that read it; ``None`` if one of them cannot be served."""
        found: list[Shown] = []
        served, wanted = set[str](), set[str]()
        for extractor in block.extractors:
            if extractor.name not in self._uses or self._place(number, block, extractor) != index:
                continue
            value = self._values.get(extractor.name)
            if value is None:
                value = wanted_text(extractor, self._draws, self._lookup) or b"zx000kqvwj"
            shown = show(extractor, value, self._draws, self._lookup, branch)
            wanted.add(extractor.name)
            if shown is not None or extractor.kind == "dsl":
                served.add(extractor.name)
            if shown is not None:
                found.append(shown)
        if wanted - served:
            return None
        found = together(found, self._draws, self._lookup)
        for name in self._uses:
            told = re.match(r"http_(\d+)_(.+)", name)
            if told and int(told[1]) == number + 1 and index == len(block.requests):
                found.append(Shown(header=named_header(told[2], self._marks.of(self._told(name)))))
        return tuple(found)

    def _told(self, name: str) -> Expr:
        """A value that a later block takes from an earlier one's headers or cookies by its name."""
        if name not in self._issued:
            self._issued[name] = "alnum(24)"
            self._resolver.unknowns[name] = Unknown(name, "dynamic", "[^\\s;]*", Name(name))
        return Name(name)

    def _place(self, number: int, block: Block, extractor: Extractor) -> int:
        """Which response of a block an extractor is served in: the one before its value is first used."""
        numbered = suffix(extractor.part)[1]
        if numbered:
            return numbered
        used_block, used_at = self._uses[extractor.name]
        if used_block == number and used_at <= len(block.requests):
            return max(1, used_at - 1)
        return len(block.requests)

    def _title(self) -> str:
        return describe.title(self._template) or "Welcome"


def _closure(names: frozenset[str], through: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Names and those that variables of these names ask for."""
    found = set(names)
    waiting = list(names)
    while waiting:
        for name in through.get(waiting.pop(), ()):
            if name not in found:
                found.add(name)
                waiting.append(name)
    return frozenset(found)


def _matcher_names(text: str, *, is_dsl: bool) -> frozenset[str]:
    if not is_dsl:
        return names_of(text)
    try:
        return frozenset(dsl.names(dsl.parse(text)))
    except dsl.DslError:
        return frozenset()
