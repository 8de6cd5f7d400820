"""Matchers: which rules the events of a batch satisfy. No state but a memory of texts already judged."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from propolis.detection.claim import Claim
from propolis.detection.columns import KIND_NAMES, SCAN_BYTES, Rows
from propolis.detection.fields import COLUMNS, Fields
from propolis.detection.files import Scans
from propolis.detection.knowledge import Knowledge
from propolis.detection.precedence import account
from propolis.detection.rules import Rule, RuleSet, Threshold, holds
from propolis.detection.rules.predicate import Predicate, predicate
from propolis.detection.rules.prefilter import Prefilter
from propolis.events.canary import Canary

MEMORY_TEXTS = 1_024
"""How many distinct texts are remembered with their verdict; then all are forgotten."""

MEMORY_BYTES = 4_096
"""A longer text is judged each time."""

_Key: TypeAlias = tuple[int, tuple[bytes, ...], bytes | None]
"""The code of a kind, what an event of it is judged by, and the flaws that a sensor named, None if none looked."""

_REQUEST = KIND_NAMES.index("RequestReceived")
_FILES = {"RequestReceived": "body", "PayloadReceived": "raw", "Malformed": "raw"}
"""Where an event may carry a file."""


class Verdict(msgspec.Struct):
    """What is told of an event: the numbers of rules, ascending, the flaw it goes for, the canaries in it.

    ``alternatives`` are what it could be instead (:mod:`propolis.detection.precedence`); ``files`` what YARA rules say.
    """

    rules: tuple[int, ...]
    flaw: Claim | None = None
    canaries: tuple[Canary, ...] = ()
    alternatives: tuple[str, ...] = ()
    files: tuple[Claim, ...] = ()
    _fields: Fields | None = None
    _summary: str = ""

    @property
    def summary(self) -> str:
        """The decisive bytes for people."""
        if self._fields is not None:
            self._summary = self._fields.summary()
            self._fields = None
        return self._summary


_NOTHING = Verdict(())


class Compiled(NamedTuple):
    """Rules by number, those about single events as predicates, and for each kind what finds candidates."""

    rules: tuple[Rule, ...]
    predicates: dict[int, Predicate]
    prefilters: dict[str, tuple[Prefilter, ...]]


class Matcher:
    """The rules of a set that judge single events, and what else is known of attacks (:meth:`know`).

    A text is scanned once by Hyperscan for candidates, which are then verified on the precise fields; a text met before
    costs one dictionary look-up. Equal to :func:`judge`, the plain evaluator, on every row.

    ``base`` is :attr:`compiled` of another matcher, whose rules these begin with, some of them perhaps replaced: only
    what differs is compiled, milliseconds a rule where all of them take a second.
    """

    def __init__(self, rules: RuleSet, base: Compiled | None = None) -> None:
        self.compiled = _compiled(rules.rules, base)
        self._rules, self._predicates, self._prefilters = self.compiled
        self._judged = np.array([*(bool(self._prefilters.get(name)) for name in KIND_NAMES), False])
        self._memory: dict[_Key, Verdict] = {}
        self._cut = 0
        self._knowledge = Knowledge()
        self._files: Scans | None = None

    def know(self, knowledge: Knowledge) -> None:
        """Judge by these flaws and canaries from now on; texts are looked at anew."""
        self._knowledge = knowledge
        self._memory.clear()

    def scan_with(self, files: Scans) -> None:
        """Look with these for files from now on; texts are looked at anew."""
        self._files = files
        self._memory.clear()

    def __call__(self, rows: Rows, counted: NDArray[np.bool_]) -> list[tuple[int, Verdict]]:
        """The counted rows that satisfy a rule, ascending, each with its verdict. O(rows + bytes of distinct texts)."""
        chosen = np.flatnonzero(self._judged[rows.kind] & counted)
        readers: dict[int, Callable[[int], tuple[bytes, ...]]] = {}
        flaws = rows.texts("flaws")
        hits = []
        for row, kind in zip(chosen.tolist(), rows.kind[chosen].tolist(), strict=True):
            reader = readers.get(kind)
            if reader is None:
                reader = readers[kind] = _reader(rows, kind)
            said = None if kind != _REQUEST or flaws.is_absent(row) else flaws[row]
            key = (kind, reader(row), said)
            verdict = self._memory.get(key)
            if verdict is None:
                verdict = self._judge(key)
            if verdict.rules or verdict.flaw or verdict.canaries or verdict.files:
                hits.append((row, verdict))
        return hits

    def take_cut(self) -> int:
        """How many events had a field too long to be looked at whole, since this was last asked."""
        cut, self._cut = self._cut, 0
        return cut

    def _fitting(self, kind: str, fields: Fields) -> list[int]:
        """The numbers of the rules that hold, ascending; a candidate's rule may have been replaced since."""
        text = fields.scanned()
        candidates = {number for prefilter in self._prefilters[kind] for number in prefilter(text)}
        return sorted(
            number
            for number in candidates
            if kind in self._rules[number].kinds and self._predicates[number](fields)
        )

    def _judge(self, key: _Key) -> Verdict:
        kind, values, said = KIND_NAMES[key[0]], key[1], key[2]
        fields = Fields(kind, values)
        fitting = self._fitting(kind, fields)
        named = self._knowledge.named(said or b"", fields["raw"]) if key[0] == _REQUEST else ()
        canaries = self._knowledge.canaries(fields["raw"])
        files = self._files.scan(fields[_FILES[kind]]) if self._files and kind in _FILES else ()
        verdict = _NOTHING
        if fitting or named or canaries or files:
            told = account(self._rules, fitting, named, is_decoy=said is not None)
            verdict = Verdict(told.rules, told.flaw, canaries, told.alternatives, files, fields)
        self._cut += any(len(value) == SCAN_BYTES for value in values)
        if sum(map(len, values)) <= MEMORY_BYTES:
            if len(self._memory) >= MEMORY_TEXTS:
                self._memory.clear()
            self._memory[key] = verdict
        return verdict


def _compiled(rules: tuple[Rule, ...], base: Compiled | None) -> Compiled:
    """All of the rules, of which those are not compiled again that ``base`` has under the same number."""
    base = base or Compiled((), {}, {})
    kept = {number for number, (old, new) in enumerate(zip(base.rules, rules, strict=False)) if old is new}
    nodes = {number: rule.logic for number, rule in enumerate(rules) if not isinstance(rule.logic, Threshold)}
    predicates = {
        number: base.predicates[number] if number in kept else predicate(node)
        for number, node in nodes.items()
    }
    prefilters = {}
    for kind in COLUMNS:
        chosen = {
            number: node
            for number, node in nodes.items()
            if kind in rules[number].kinds and number not in kept
        }
        prefilters[kind] = base.prefilters.get(kind, ()) + ((Prefilter(chosen),) if chosen else ())
    return Compiled(rules, predicates, prefilters)


def judge(rules: RuleSet, kind: str, values: tuple[bytes, ...]) -> tuple[int, ...]:
    """The numbers of the rules told of one event, by the plain evaluator alone: the reference of :class:`Matcher`."""
    if kind not in COLUMNS:
        return ()
    fields = Fields(kind, values)
    fitting = [
        number
        for number, rule in enumerate(rules.rules)
        if kind in rule.kinds and not isinstance(rule.logic, Threshold) and holds(rule.logic, fields)
    ]
    return account(rules.rules, fitting).rules


def values_of(rows: Rows, row: int) -> tuple[bytes, ...]:
    """What one row is judged by: the bytes of ``COLUMNS[kind]``; empty for a kind that carries none."""
    kind = int(rows.kind[row])
    return _reader(rows, kind)(row) if kind < len(KIND_NAMES) and KIND_NAMES[kind] in COLUMNS else ()


def _reader(rows: Rows, kind: int) -> Callable[[int], tuple[bytes, ...]]:
    texts = [rows.texts(name) for name in COLUMNS[KIND_NAMES[kind]]]
    if kind != _REQUEST:
        return lambda row: tuple([column[row] for column in texts])
    payload = texts[0]

    def request(row: int) -> tuple[bytes, ...]:
        raw = payload[row]
        return (raw, b"", b"", b"", b"") if raw else tuple([column[row] for column in texts])

    return request
