"""Which flaws a request goes for: all of them at once, at a cost that does not grow with how many there are.

A way of a step (see :mod:`~propolis.flaws.condition`) is found by its path, by a literal, or by both: paths are looked
up in a dictionary, the literals of all ways are sought together by one Hyperscan database (Wang et al., NSDI 2019).
Only a way that has neither is tried on every request; :attr:`Catalogue.unguarded` tells which.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from propolis.flaws import condition
from propolis.flaws.condition import Condition, Groups, Way
from propolis.flaws.file import Conditions, Flaw, FlawError, Step
from propolis.flaws.key import ConditionError
from propolis.flaws.literals import Literals
from propolis.flaws.pattern import rarity
from propolis.flaws.request import Request
from propolis.flaws.session import Session

KNOWN = 4_096
KNOWN_BYTES = 2_048
"""Requests of at most so many bytes of which is remembered what they go for."""
MAX_MATCHES = 16
"""Flaws that one request is said to go for; the less specific ones after them are left out."""
MAX_SCORE = 999
AFTER_POINTS = 100
"""What it adds to a step's score that the source has taken the steps before it."""
GUARD_RARITY = 4
"""A literal that tells less is not worth the look beside an exact path."""


class Match(msgspec.Struct, frozen=True):
    """A flaw that a request goes for: by which step, how specific that is (0 to 999), and what named groups found."""

    flaw: Flaw
    step: Step
    score: int
    groups: Groups


class Prepared(msgspec.Struct, frozen=True):
    """A flaw with its steps compiled, in the order of the file."""

    flaw: Flaw
    steps: tuple["_Prepared", ...]


class _Prepared(msgspec.Struct, frozen=True):
    """One step: ``needs`` are the steps before it, ``ancestors`` those and the ones before them."""

    step: Step
    match: Condition
    unless: Condition | None
    needs: frozenset[str]
    ancestors: frozenset[str]


class _Entry:
    """One way in the index: where it leads, and the literals that guard it.

    ``is_personal``: whether it holds depends on what the source did before, too.
    """

    __slots__ = ("guards", "is_personal", "order", "place", "prepared", "step", "way")

    def __init__(self, order: int, prepared: Prepared, place: int, way: Way) -> None:
        self.order = order
        self.prepared = prepared
        self.place = place
        self.step = prepared.steps[place]
        self.way = way
        is_guarded = not way.paths or min(map(rarity, way.literals), default=0) >= GUARD_RARITY
        self.guards = way.literals if is_guarded else ()
        step = self.step
        unless = step.unless.ways if step.unless is not None else ()
        self.is_personal = bool(step.needs) or any(each.is_personal for each in (way, *unless))

    def match(self, request: Request, session: Session) -> Match | None:
        """What the request is if this way holds for it."""
        flaw, step = self.prepared.flaw, self.step
        if step.needs and not step.needs <= session.taken(flaw.id):
            return None
        known = session.known(flaw.id)
        groups = self.way.holds(request, known)
        if groups is None or (step.unless is not None and step.unless.holds(request, known) is not None):
            return None
        score = self.way.weight + (AFTER_POINTS if step.needs else 0)
        return Match(flaw, step.step, min(score, MAX_SCORE), groups)


class _Known(msgspec.Struct, frozen=True):
    """What a request goes for, unless the source has a past with one of the ``personal`` flaws."""

    matches: tuple[Match, ...]
    personal: frozenset[str]


class _Bucket:
    """The ways of one path: those to try at once, and those to try only if their literal was seen."""

    __slots__ = ("entries", "guarded")

    def __init__(self) -> None:
        self.entries: list[_Entry] = []
        self.guarded: dict[int, list[_Entry]] = {}


class Catalogue:
    """Flaws, ready to be matched. ``flaws`` are they by id. Raises :class:`FlawError` for one that cannot be compiled.

    Not for several threads at once: a Hyperscan database has one scratch space. :meth:`replace` may run in another.
    ``unguarded`` are the steps that neither a path nor a literal guards.
    """

    def __init__(self, flaws: Iterable[Flaw] = ()) -> None:
        self._open({flaw.id: prepare(flaw) for flaw in flaws}, None)

    def __len__(self) -> int:
        return len(self._prepared)

    def replace(self, changed: Sequence[Flaw] = (), removed: Collection[str] = ()) -> "Catalogue":
        """A catalogue with these flaws new or in the place of older ones, and without those. This one stays as it is.

        Only what changed is compiled; the index is made anew: about 0.1 s for 5,000 flaws.
        """
        prepared = {name: known for name, known in self._prepared.items() if name not in removed}
        prepared.update((flaw.id, prepare(flaw)) for flaw in changed)
        catalogue = Catalogue()
        catalogue._open(prepared, self._literals)
        return catalogue

    def matches(self, request: Request, session: Session) -> tuple[Match, ...]:
        """The flaws a request goes for, one step of each, best first, at most :data:`MAX_MATCHES`.

        Of a flaw's steps, those are tried first that need an earlier step of this source or a value it was given,
        then the more specific, then the earlier in the file. O(bytes of the request); many scanners send the same, so
        what a request goes for from whoever did nothing before is remembered, for the last :data:`KNOWN` of them.
        """
        sent = request.sent
        remembered = self.remembered(sent, session)
        if remembered is not None:
            return remembered
        entries = self._candidates(request)
        matches = self._matched(entries, request, session) if entries else ()
        if sent not in self._known and sum(map(len, sent)) <= KNOWN_BYTES:
            personal = frozenset(entry.prepared.flaw.id for entry in entries if entry.is_personal)
            if not session.remembers(personal):
                if len(self._known) >= KNOWN:
                    self._known.clear()
                self._known[sent] = _Known(matches, personal)
        return matches

    def remembered(self, sent: tuple[bytes, ...], session: Session) -> tuple[Match, ...] | None:
        """What :meth:`matches` says of a request of which this was sent, if that is remembered."""
        known = self._known.get(sent)
        return None if known is None or session.remembers(known.personal) else known.matches

    def personal(self, sent: tuple[bytes, ...]) -> frozenset[str] | None:
        """The flaws with which a source may have a past that makes this request another; ``None`` if not remembered."""
        known = self._known.get(sent)
        return None if known is None else known.personal

    def _matched(self, entries: Sequence[_Entry], request: Request, session: Session) -> tuple[Match, ...]:
        found = [(entry, match) for entry in entries if (match := entry.match(request, session)) is not None]
        if len(found) < 2:
            return (found[0][1],) if found else ()
        by_flaw: dict[str, list[tuple[_Entry, Match]]] = {}
        for entry, match in found:
            by_flaw.setdefault(match.flaw.id, []).append((entry, match))
        best = [_first(steps, session) for steps in by_flaw.values()]
        best.sort(key=lambda pair: (-pair[1].score, pair[0].order))
        return tuple(match for _, match in best[:MAX_MATCHES])

    def _candidates(self, request: Request) -> Sequence[_Entry]:
        """The ways that could hold, each once."""
        bucket = self._paths.get(request.path.lower())
        seen = self._literals.scan(request.scanned())
        if not seen:
            return (
                self._always + bucket.entries
                if bucket and self._always
                else bucket.entries
                if bucket
                else self._always
            )
        entries = [*self._always, *bucket.entries] if bucket else [*self._always]
        for literal in seen:
            entries += self._loose[literal]
            if bucket and literal in bucket.guarded:
                entries += bucket.guarded[literal]
        return list(dict.fromkeys(entries)) if len(entries) > 1 else entries

    def _open(self, prepared: dict[str, Prepared], older: Literals | None) -> None:
        self._prepared = prepared
        self._known: dict[tuple[bytes, ...], _Known] = {}
        self.flaws: Mapping[str, Flaw] = {name: known.flaw for name, known in prepared.items()}
        entries = [
            _Entry(order, known, place, way)
            for order, known in enumerate(prepared.values())
            for place, step in enumerate(known.steps)
            for way in step.match.ways
        ]
        self._literals = Literals((literal for entry in entries for literal in entry.guards), older)
        self._paths: dict[bytes, _Bucket] = {}
        self._always: list[_Entry] = []
        self._loose: list[list[_Entry]] = [[] for _ in self._literals.numbers]
        for entry in entries:
            self._place(entry, [self._literals.numbers[literal.lower()] for literal in entry.guards])
        self.unguarded = tuple(f"{entry.prepared.flaw.id}/{entry.step.step.id}" for entry in self._always)

    def _place(self, entry: _Entry, numbers: Sequence[int]) -> None:
        if not entry.way.paths:
            for each in [self._loose[number] for number in numbers] or [self._always]:
                each.append(entry)
            return
        for path in entry.way.paths:
            bucket = self._paths.setdefault(path, _Bucket())
            for each in [bucket.guarded.setdefault(number, []) for number in numbers] or [bucket.entries]:
                each.append(entry)


def prepare(flaw: Flaw) -> Prepared:
    """A flaw compiled. Raises :class:`FlawError` with the key of what cannot be."""
    names = frozenset(name for step in flaw.steps for name in (*step.issue, *step.extract))
    needs = {step.id: frozenset(step.after) for step in flaw.steps}
    steps = tuple(
        _Prepared(
            step=step,
            match=_compiled(flaw, f"steps[{place}].match", step.match, names),
            unless=_compiled(flaw, f"steps[{place}].unless", step.unless, names) if step.unless else None,
            needs=needs[step.id],
            ancestors=_ancestors(step.id, needs),
        )
        for place, step in enumerate(flaw.steps)
    )
    return Prepared(flaw, steps)


def _compiled(
    flaw: Flaw, where: str, conditions: Conditions | tuple[Conditions, ...], names: frozenset[str]
) -> Condition:
    try:
        return condition.compile(conditions, names)
    except ConditionError as error:
        raise FlawError(flaw.id, 0, f"{where}.{error.key}", error.cure) from error


def _ancestors(step: str, needs: Mapping[str, frozenset[str]]) -> frozenset[str]:
    found: set[str] = set()
    waiting = [step]
    while waiting:
        new = needs[waiting.pop()] - found
        found |= new
        waiting += new
    return frozenset(found)


def _first(steps: list[tuple[_Entry, Match]], session: Session) -> tuple[_Entry, Match]:
    """Of the steps of one flaw that match one request, the one that comes first.

    A request that is sent again is answered by the steps in turn: a step already taken since the steps it needs were
    taken gives way to those, if they match as well.
    """
    if len(steps) == 1:
        return steps[0]
    names = {entry.step.step.id for entry, _ in steps}
    waiting = [pair for pair in steps if not _is_spent(pair[0], names, session)] or steps
    return min(
        waiting,
        key=lambda pair: (
            not (pair[0].step.needs or pair[0].way.is_personal),
            -pair[1].score,
            pair[0].place,
        ),
    )


def _is_spent(entry: _Entry, names: Collection[str], session: Session) -> bool:
    step, flaw = entry.step, entry.prepared.flaw.id
    if step.ancestors.isdisjoint(names):
        return False
    latest = max(session.last_taken(flaw, need) for need in step.needs)
    return session.last_taken(flaw, step.step.id) > latest


def reference_matches(
    flaws: Iterable[Flaw], request: Request, session: Session
) -> tuple[tuple[str, str, int], ...]:
    """What :meth:`Catalogue.matches` finds, by trying every way of every step: flaw, step and score. O(flaws)."""
    best = []
    for order, flaw in enumerate(flaws):
        prepared = prepare(flaw)
        entries = [
            _Entry(order, prepared, place, way)
            for place, step in enumerate(prepared.steps)
            for way in step.match.ways
        ]
        found = [(entry, match) for entry in entries if (match := entry.match(request, session)) is not None]
        if found:
            best.append(_first(found, session))
    best.sort(key=lambda pair: (-pair[1].score, pair[0].order))
    return tuple((match.flaw.id, match.step.id, match.score) for _, match in best[:MAX_MATCHES])
