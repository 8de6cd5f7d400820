"""Drafts put into words: the nouns that leave detection."""

from functools import lru_cache

import msgspec

from propolis.detection.claim import Claim, claim_of_rule
from propolis.detection.columns import DIALOGUE, EVIDENCE_CLASSES, KIND_NAMES, Rows
from propolis.detection.draft import Draft
from propolis.detection.fields import COLUMNS, Fields
from propolis.detection.grade import raised
from propolis.detection.match import Verdict, values_of
from propolis.detection.reported import bits
from propolis.detection.rules import RuleSet
from propolis.detection.trail import NOWHERE, Firsts
from propolis.events import unpack
from propolis.findings import Evidence, Finding, finding_id

_SPOKEN = frozenset(KIND_NAMES.index(kind) for kind in COLUMNS)
"""Kinds that are reported only once the client sent bytes."""


class Place(msgspec.Struct, frozen=True):
    """Which message of the stream a batch came in, and when we judge it (UTC nanoseconds)."""

    sequence: int
    now: int


class Reporter:
    """Writes the findings of a rule set, and of flaws and canaries. About 5 µs each."""

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules.rules
        self._claims = tuple(claim_of_rule(rule) for rule in rules.rules)
        self._confidence = lru_cache(maxsize=4_096)(self._raised)

    def write(  # noqa: PLR0917 - a finding has as many sources as it has parts
        self,
        draft: Draft,
        rows: Rows,
        window: int,
        firsts: Firsts | None,
        verdicts: dict[int, Verdict],
        place: Place,
    ) -> Finding:
        """One finding of a rule.

        ``verdicts`` are those of the rows that satisfied a rule; ``firsts`` belongs to a behaviour.
        """
        verdict = verdicts.get(draft.row)
        claim = self._claims[draft.rule]
        if verdict is not None and firsts is None and verdict.alternatives:
            claim = msgspec.structs.replace(claim, alternatives=verdict.alternatives)
        if firsts is None or draft.earlier == NOWHERE:
            return self.claim(claim, draft, rows, window, verdicts, place)
        first = _earlier(firsts, draft.earlier, draft.count)
        opened = firsts.opened.item(draft.earlier)
        return self.claim(claim, draft, rows, window, verdicts, place, first, opened)

    def claim(  # noqa: PLR0917 - the same
        self,
        claim: Claim,
        draft: Draft,
        rows: Rows,
        window: int,
        verdicts: dict[int, Verdict],
        place: Place,
        first: Evidence | None = None,
        opened: int | None = None,
    ) -> Finding:
        """One finding of any claim; ``first`` is evidence before the draft's, ``opened`` when all began (UTC ns)."""
        start, last = draft.rows[0], draft.rows[-1]
        source = unpack(rows.source[draft.row].tobytes())
        evidence = [_evidence(rows, row, verdicts, place.sequence) for row in draft.rows]
        spoken = any(rows.kind.item(row) in _SPOKEN for row in draft.rows)
        evidence_class = DIALOGUE if spoken else max(rows.evidence_class.item(row) for row in draft.rows)
        return Finding(
            id=finding_id(claim.key, source, window),
            rule=claim.name,
            title=claim.title,
            source=source,
            shard=rows.shard.item(draft.row),
            grade=claim.grade,
            severity=claim.severity,
            confidence=self._confidence(claim.technique, claim.confidence, draft.before),
            evidence_class=EVIDENCE_CLASSES[evidence_class],
            first_seen=rows.opened.item(start) if opened is None else opened,
            last_seen=rows.time.item(last),
            found=place.now,
            count=draft.count,
            sensors=_names(rows, "sensor", draft.rows),
            lures=_names(rows, "lure", draft.rows),
            evidence=(*((first,) if first else ()), *evidence),
            technique=claim.technique,
            cve=claim.cve,
            kind=claim.kind,
            alternatives=claim.alternatives,
        )

    def _raised(self, technique: str, confidence: int, before: tuple[int, ...]) -> int:
        others = [(self._rules[other].technique, self._rules[other].confidence) for other in bits(before)]
        return raised((technique, confidence), others)


def uuid_text(identity: bytes) -> str:
    """16 bytes in the text form of RFC 9562, 4."""
    text = identity.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _evidence(rows: Rows, row: int, verdicts: dict[int, Verdict], sequence: int) -> Evidence:
    verdict = verdicts.get(row)
    kind = rows.kind.item(row)
    if verdict is not None:
        summary = verdict.summary
    elif kind in _SPOKEN:
        summary = Fields(KIND_NAMES[kind], values_of(rows, row)).summary()
    else:
        summary = f"port {rows.target_port[row]}"
    return Evidence(uuid_text(rows.id[row].tobytes()), rows.time.item(row), sequence, row, summary)


def _earlier(firsts: Firsts, slot: int, count: int) -> Evidence:
    identity = uuid_text(firsts.id[slot].tobytes())
    return Evidence(
        identity,
        firsts.time.item(slot),
        firsts.sequence.item(slot),
        firsts.row.item(slot),
        f"the first of {count}",
    )


def _names(rows: Rows, column: str, chosen: list[int]) -> tuple[str, ...]:
    texts = rows.texts(column)
    if len(chosen) == 1:
        return (texts[chosen[0]].decode(),)
    return tuple(sorted({texts[row].decode() for row in chosen}))
