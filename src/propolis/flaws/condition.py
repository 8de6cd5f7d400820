"""The conditions of a lure file, compiled: ``field|modifier: value`` against a request and what its source knows.

A condition is a list of ways, one of which must hold; a way is a list of tests, all of which must. Each way says by
which exact paths or by which literals it can be found, and how specific it is, so that an index need not try them all.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeAlias

import msgspec

from propolis.flaws.file import Conditions, Scalar
from propolis.flaws.key import COMPARISONS, NUMBER, ORDERS, Compare, ConditionError, Key, parse_key
from propolis.flaws.pattern import Found, Pattern, compile_pattern, rarest, rarity
from propolis.flaws.request import Request
from propolis.flaws.unwrap import locate

Known: TypeAlias = Mapping[str, bytes]
"""What was issued to a source or extracted from its requests, by name."""
Groups: TypeAlias = dict[str, bytes]
"""What named groups of patterns found."""
Test: TypeAlias = Callable[[Request, Known, Groups], bool]

MAX_VALUES = 512
"""Values of one key."""
MAX_SCORE = 800
"""Of a way by itself; what a source has done before can add to it."""

_REFERENCE = re.compile(r"\{\{\s*([a-z_][a-z0-9_]{0,31})\s*\}\}")
_CLOSE = frozenset({"path", "raw_path", "target"})
_DECODED_ONCE = frozenset({"body", "query", "raw_path", "target"})
"""Fields whose decoded form is a view of its own (:meth:`Request.scanned`)."""
_UNSEEN = frozenset({"header_names", "ja3", "ja4", "method", "sni", "version"})
"""Fields that the scanned views do not hold, or that tell nothing."""
_POINTS = {"": 60, "contains": 30, "startswith": 40, "endswith": 40, "re": 40, "exists": 15}
_PATH_POINTS = {"": 300, "contains": 100, "startswith": 160, "endswith": 140, "re": 120, "exists": 0}


class Way(msgspec.Struct, frozen=True):
    """Tests that all hold. ``paths`` are the only ones it holds for, in lower case; empty for any.

    ``literals``: one of them, in some case, is in what :meth:`Request.scanned` gives of every request it holds for;
    empty if none is known. ``weight`` is how specific it is, 0 to :data:`MAX_SCORE`; ``is_personal`` whether it asks
    for something that only this source was told.
    """

    tests: tuple[Test, ...]
    paths: tuple[bytes, ...]
    literals: tuple[bytes, ...]
    weight: int
    is_personal: bool

    def holds(self, request: Request, known: Known) -> Groups | None:
        """What named groups found if all tests hold, ``None`` if one does not."""
        groups: Groups = {}
        for test in self.tests:
            if not test(request, known, groups):
                return None
        return groups


class Condition(msgspec.Struct, frozen=True):
    """Ways, one of which must hold."""

    ways: tuple[Way, ...]

    def holds(self, request: Request, known: Known) -> Groups | None:
        """What named groups found in the first way that holds, ``None`` if none does."""
        for way in self.ways:
            groups = way.holds(request, known)
            if groups is not None:
                return groups
        return None

    @property
    def weight(self) -> int:
        """How specific its loosest way is."""
        return min((way.weight for way in self.ways), default=0)

    @property
    def literals(self) -> tuple[bytes, ...]:
        """One of these is in every request it holds for; empty if none is known."""
        ways = [way.literals for way in self.ways]
        return tuple(literal for literals in ways for literal in literals) if all(ways) else ()

    @property
    def exact_paths(self) -> tuple[bytes, ...]:
        """The only paths it holds for, in lower case; empty for any."""
        ways = [way.paths for way in self.ways]
        return tuple(path for paths in ways for path in paths) if all(ways) else ()


class _Term(msgspec.Struct, frozen=True):
    """One compiled key; ``order`` is what it costs, cheapest first."""

    test: Test
    paths: tuple[bytes, ...] = ()
    literals: tuple[bytes, ...] = ()
    weight: int = 0
    is_personal: bool = False
    order: int = 1


def compile(  # noqa: A001 - condition.compile, as re.compile
    condition: Conditions | Sequence[Conditions], names: Collection[str] = ()
) -> Condition:
    """The condition that a mapping (all hold) or a list of mappings (one holds) of a lure file says.

    ``names`` are those of the values that a source can know: ``{{name}}`` of another name is text like any other.
    Raises :class:`ConditionError`.
    """
    mappings = (condition,) if isinstance(condition, Mapping) else tuple(condition)
    return Condition(tuple(_way(mapping, names) for mapping in mappings))


def _way(mapping: Conditions, names: Collection[str]) -> Way:
    terms = sorted((_term(key, value, names) for key, value in mapping.items()), key=lambda term: term.order)
    paths = [frozenset(term.paths) for term in terms if term.paths]
    return Way(
        tests=tuple(term.test for term in terms),
        paths=tuple(sorted(frozenset.intersection(*paths))) if paths else (),
        literals=rarest(term.literals for term in terms if not term.paths),
        weight=min(MAX_SCORE, sum(term.weight for term in terms)),
        is_personal=any(term.is_personal for term in terms),
    )


def _term(text: str, value: Scalar | Sequence[Scalar], names: Collection[str]) -> _Term:
    key = parse_key(text)
    scalars = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    if not scalars or len(scalars) > MAX_VALUES:
        raise ConditionError(text, f"has {len(scalars)} values; give 1 to {MAX_VALUES}")
    if key.how == "exists":
        return _existing(key, scalars)
    if key.how in ORDERS:
        return _ordered(key, scalars)
    values = [_written(scalar) for scalar in scalars]
    if any(name in names for written in values for name in _REFERENCE.findall(written)):
        return _personal(key, values, names)
    return _static(key, [encode(written) for written in values])


def _existing(key: Key, scalars: Sequence[Scalar]) -> _Term:
    if len(scalars) != 1 or not isinstance(scalars[0], bool):
        raise ConditionError(key.text, "exists is true or false")
    wanted, field = scalars[0], key.field
    literals = _literals(key, b"") if wanted else ()
    return _Term(
        lambda request, _known, _groups: (request[field] is not None) is wanted,
        literals=literals,
        weight=_POINTS["exists"],
    )


def _ordered(key: Key, scalars: Sequence[Scalar]) -> _Term:
    if len(scalars) != 1 or not NUMBER.fullmatch(encode(_written(scalars[0]))):
        raise ConditionError(key.text, f"{key.how} takes one number")
    order, bound, read = ORDERS[key.how], float(scalars[0]), key.reader()

    def test(request: Request, _known: Known, _groups: Groups) -> bool:
        held = read(request)
        return held is not None and NUMBER.fullmatch(held) is not None and order(float(held), bound)

    return _Term(test, weight=_POINTS["exists"], order=2)


def _static(key: Key, values: Sequence[bytes]) -> _Term:
    if key.how == "re":
        return _sought(key, values)
    if key.is_caseless:
        values = [value.lower() for value in values]
    if key.how == "" and len(values) > 1 and key.is_every:
        raise ConditionError(key.text, "a field cannot equal several values at once; drop |all")
    if key.how and not all(values):
        raise ConditionError(key.text, "an empty value is found in everything; use exists")
    literals = [_literals(key, value) for value in values]
    return _Term(
        _comparing(key, values),
        paths=_paths(key, values),
        literals=_choice(literals, is_every=key.is_every),
        weight=_points(key, min(map(len, values))),
        order=0 if key.field in {"method", "path"} else 1,
    )


def _paths(key: Key, values: Sequence[bytes]) -> tuple[bytes, ...]:
    """The paths, in lower case, of all requests that a test for equality holds for; empty for another test."""
    if key.how or key.field not in _CLOSE or set(key.transforms) - {"lower"}:
        return ()
    place = bytes if key.field == "path" else locate
    return tuple({place(value).lower() for value in values})


def _comparing(key: Key, values: Sequence[bytes]) -> Test:
    """The test of a field against values that are known now."""
    field, how = key.field, key.how
    if how == "" and not key.transforms and not key.is_caseless:
        if len(values) == 1:
            (only,) = values
            return lambda request, _known, _groups: request[field] == only
        several = frozenset(values)
        return lambda request, _known, _groups: request[field] in several
    read, passes = key.reader(), _passing(COMPARISONS[how], values, is_every=key.is_every)

    def test(request: Request, _known: Known, _groups: Groups) -> bool:
        held = read(request)
        return held is not None and passes(held)

    return test


def _passing(compare: Compare, values: Sequence[bytes], *, is_every: bool) -> Callable[[bytes], bool]:
    if len(values) == 1:
        (only,) = values
        return lambda held: compare(held, only)

    def passes(held: bytes) -> bool:
        for value in values:  # a plain loop: a generator inside any() costs as much as the comparisons
            if compare(held, value) is not is_every:
                return not is_every
        return is_every

    return passes


def _sought(key: Key, values: Sequence[bytes]) -> _Term:
    patterns = [_pattern(key, value) for value in values]
    literals = [_each(key, pattern.literals) for pattern in patterns]
    read, is_every = key.reader(fold=False), key.is_every

    def test(request: Request, _known: Known, groups: Groups) -> bool:
        held = read(request)
        return held is not None and _search(patterns, held, groups, is_every=is_every)

    return _Term(
        test,
        literals=_choice(literals, is_every=is_every),
        weight=_points(key, min(max(map(len, pattern.literals), default=0) for pattern in patterns)),
        order=3,
    )


def _search(patterns: Sequence[Pattern], held: bytes, groups: Groups, *, is_every: bool) -> bool:
    for pattern in patterns:
        found = pattern.search(held)
        if found is None:
            if is_every:
                return False
            continue
        _collect(pattern, found, groups)
        if not is_every:
            return True
    return is_every


def _collect(pattern: Pattern, found: Found, groups: Groups) -> None:
    if pattern.names:
        for name, value in found.groupdict().items():
            if value is not None:
                groups[name.decode("latin-1")] = value


def _pattern(key: Key, source: bytes) -> Pattern:
    try:
        return compile_pattern(b"(?i)" + source if key.is_caseless else source)
    except ValueError as error:
        raise ConditionError(key.text, str(error)) from error


def _personal(key: Key, values: Sequence[str], names: Collection[str]) -> _Term:
    """A test against values that are filled in for each source."""
    templates = [_template(value, names) for value in values]
    read = key.reader(fold=key.how != "re")

    def test(request: Request, known: Known, groups: Groups) -> bool:
        held = read(request)
        if held is None:
            return False
        filled = [_fill(template, known, is_pattern=key.how == "re") for template in templates]
        wanted = [value for value in filled if value]
        if not wanted or (key.is_every and len(wanted) < len(filled)):
            return False
        if key.how == "re":
            return _search([_pattern(key, value) for value in wanted], held, groups, is_every=key.is_every)
        if key.is_caseless:
            wanted = [value.lower() for value in wanted]
        return _passing(COMPARISONS[key.how], wanted, is_every=key.is_every)(held)

    if key.how == "re":
        for template in templates:
            _pattern(key, b"".join(part if isinstance(part, bytes) else b"a" for part in template))
    # the fixed parts of a pattern are patterns: they say nothing of literals
    pieces = (
        [()]
        if key.how == "re"
        else [
            rarest(_literals(key, part) for part in template if isinstance(part, bytes) and part)
            for template in templates
        ]
    )
    return _Term(
        test,
        literals=_choice(pieces, is_every=key.is_every),
        weight=_points(key, 16) + 100,
        is_personal=True,
        order=2,
    )


def _template(text: str, names: Collection[str]) -> tuple[bytes | str, ...]:
    """Literal bytes and names of values, in turn."""
    parts: list[bytes | str] = []
    at = 0
    for found in _REFERENCE.finditer(text):
        if found[1] in names:
            parts += (encode(text[at : found.start()]), found[1])
            at = found.end()
    return (*parts, encode(text[at:]))


def _fill(template: Sequence[bytes | str], known: Known, *, is_pattern: bool) -> bytes | None:
    filled = []
    for part in template:
        if isinstance(part, bytes):
            filled.append(part)
            continue
        value = known.get(part)
        if not value:
            return None
        filled.append(re.escape(value) if is_pattern else value)
    return b"".join(filled)


def _is_seen(key: Key) -> bool:
    """Whether what this key compares is part of a scanned view, but for its case."""
    undone = [name for name in key.transforms if name not in {"lower", "trim"}]
    if key.field in _UNSEEN:
        return False
    return not undone or (undone == ["urldecode"] and key.field in _DECODED_ONCE)


def _literals(key: Key, value: bytes) -> tuple[bytes, ...]:
    """The part of a value, or the name, that must be in a scanned view wherever the key holds; none if neither must."""
    family, dot, _ = key.field.partition(".")
    name = _name_of(key.field) if dot else b""
    if family == "xml" or not _is_seen(key):
        value = b""  # text of XML can be written in many ways, a tag in one
    # spaces between the texts of an array and line breaks between views were never sent
    joint = {"json": b" ", "any": b"\n"}.get(family)
    part = max(value.split(joint), key=len) if joint else value
    found = max(part, name, key=lambda literal: (rarity(literal), len(literal)))
    return (found,) if found else ()


def _each(key: Key, values: Sequence[bytes]) -> tuple[bytes, ...]:
    """Literals one of which must be in a scanned view if one of these values is in the field; none if one has none."""
    parts = [_literals(key, value) for value in values or (b"",)]
    return tuple(part for found in parts for part in found) if all(parts) else ()


def _choice(literals: Sequence[tuple[bytes, ...]], *, is_every: bool) -> tuple[bytes, ...]:
    if is_every:
        return rarest(filter(None, literals))
    return tuple(literal for each in literals for literal in each) if all(literals) else ()


def _points(key: Key, length: int) -> int:
    """How specific one test is: what it is about, how it compares, and how many bytes it fixes."""
    fixed = 2 * min(length, 48)
    if key.field == "method":
        return 20
    if key.field in _CLOSE:
        return _PATH_POINTS[key.how] + fixed
    points = _POINTS[key.how] + fixed
    return points // 2 if key.field in {"any", "raw"} else points


def _name_of(field: str) -> bytes:
    """What must be written in a request that has this field; empty for names that can be written in other ways."""
    family, _, name = field.partition(".")
    return b"" if family == "json" and ("." in name or name.isdigit()) else name.encode()


def _written(scalar: Scalar) -> str:
    return str(scalar).lower() if isinstance(scalar, bool) else str(scalar)


def encode(text: str) -> bytes:
    r"""A character is a byte where all of them can be (``\xac\xed``), otherwise UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode(errors="surrogatepass")
