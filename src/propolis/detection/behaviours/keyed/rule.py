"""Rules about counters: one YAML file each in ``rules/``, shaped like every other rule, with examples of its family.

An example is a list of runs of rows of one source: fields of the family (:data:`FIELDS`), of which ``1..40`` means one
row for each number (of two such fields, one row for each pair), ``times`` repeats the run, and ``every`` is the time
between rows, in seconds.
"""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta

from propolis.detection.behaviours.keyed.catalogue import FAMILIES
from propolis.errors import RuleError
from propolis.findings import Grade, Severity

BUILT_IN = Path(__file__).parent / "rules"
"""The folder of the rules that come with Propolis."""

MAX_RULES = 64
"""Of one family: a rule has a bit of each key's word."""
MAX_FILE_BYTES = 65_536
MAX_ROWS = 2_000
"""Rows of one example."""

FIELDS: dict[str, dict[str, str | int]] = {
    "flow": {"target": 1, "port": 443, "outcome": "established", "protocol": 6},
    "login": {"user": "root", "secret": "secret"},
    "name": {"path": "/", "answered": ""},
    "key": {"source": 1, "key": 1},
    "grade": {"grade": "seen"},
}
"""By family: what a row of an example has, and what it is where the example does not say."""

_RANGE = re.compile(r"(.*?)(\d{1,6})\.\.(\d{1,6})")
_TECHNIQUE = re.compile(r"attack\.(t\d{4}(?:\.\d{3})?)", re.IGNORECASE)


class _Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Literal["flow", "login", "name", "key", "grade"]


class _Detection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    behaviour: str
    at_least: int


class _Examples(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    match: Annotated[tuple[list[dict[str, str | int]], ...], Meta(min_length=1)]
    miss: Annotated[tuple[list[dict[str, str | int]], ...], Meta(min_length=1)]


class CountRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A rule file as it stands: a counter of a family, how much of it is too much, and what that means."""

    title: Annotated[str, Meta(min_length=1, max_length=120)]
    id: Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
    level: Severity
    grade: Grade
    confidence: Annotated[int, Meta(ge=0, le=100)]
    logsource: _Source
    detection: _Detection
    examples: _Examples
    tags: tuple[str, ...] = ()
    description: str = ""
    references: tuple[str, ...] = ()

    @property
    def technique(self) -> str:
        """The first of ATT&CK's techniques among the tags, empty if there is none."""
        return next((found[1].upper() for tag in self.tags if (found := _TECHNIQUE.fullmatch(tag))), "")


def load(*folders: Path) -> tuple[CountRule, ...]:
    """The built-in rules and every ``*.yaml`` of these folders, in the order of their ids.

    Raises :class:`~propolis.errors.RuleError` that names the file, the place in it and the cure.
    """
    rules: dict[str, CountRule] = {}
    for path in itertools.chain.from_iterable(
        sorted(folder.glob("*.yaml")) for folder in (BUILT_IN, *folders)
    ):
        rule = read(path)
        if rule.id in rules:
            raise RuleError(path, "id", f"{rule.id!r} is the id of another file; choose another")
        rules[rule.id] = rule
    for family in FAMILIES:
        if sum(rule.logsource.kind == family.name for rule in rules.values()) > MAX_RULES:
            raise RuleError(folders[-1], "", f"there are more than {MAX_RULES} rules about {family.name}")
    return tuple(rules[name] for name in sorted(rules))


def read(path: Path) -> CountRule:
    """One rule file to a rule; errors as :func:`load`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RuleError(path, "", f"cannot be read ({error.strerror})") from error
    return parse(data, path)


def parse(data: bytes, path: Path) -> CountRule:
    """A rule file's text to a rule; errors as :func:`load`."""
    if len(data) > MAX_FILE_BYTES:
        raise RuleError(path, "", f"is {len(data)} bytes long; the limit is {MAX_FILE_BYTES}")
    try:
        rule = msgspec.convert(yaml.load(data, _Loader), CountRule)  # noqa: S506 - a SafeLoader, see below
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else ""
        raise RuleError(path, where, f"is not YAML: {getattr(error, 'problem', None) or error}") from error
    except (msgspec.ValidationError, RecursionError, ValueError) as error:
        why, _, where = str(error).partition(" - at ")
        raise RuleError(path, where.strip("`").removeprefix("$."), why) from error
    family = next(known for known in FAMILIES if known.name == rule.logsource.kind)
    counter = next((known for known in family.counters if known.name == rule.detection.behaviour), None)
    if counter is None:
        names = ", ".join(known.name for known in family.counters)
        raise RuleError(path, "detection.behaviour", f"{family.name} has no such behaviour; it has {names}")
    if not 1 <= rule.detection.at_least <= counter.most:
        raise RuleError(path, "detection.at_least", f"must be 1 to {counter.most}")
    for side in ("match", "miss"):
        for index, example in enumerate(getattr(rule.examples, side)):
            try:
                list(rows(rule, example))
            except ValueError as error:
                raise RuleError(path, f"examples.{side}[{index}]", str(error)) from error
    return rule


def rows(rule: CountRule, example: list[dict[str, str | int]]) -> Iterator[tuple[int, dict[str, str | int]]]:
    """The rows of an example: when, in seconds after the first, and what.

    Raises ``ValueError`` that says what an example must look like.
    """
    fields, now, made = FIELDS[rule.logsource.kind], 0, 0
    for run in example:
        unknown = set(run) - {*fields, "times", "every"}
        if unknown:
            raise ValueError(f"there is no {min(unknown)!r}; a row has {', '.join(fields)}, times and every")
        times, every = run.get("times", 1), run.get("every", 1)
        if not isinstance(times, int) or not isinstance(every, int) or times < 1 or every < 0:
            raise ValueError("times and every are whole numbers")
        choices = [list(_choices(run.get(name, default))) for name, default in fields.items()]
        for _, chosen in itertools.product(range(min(times, MAX_ROWS + 1)), itertools.product(*choices)):
            if made == MAX_ROWS:
                raise ValueError(f"has more than {MAX_ROWS} rows")
            yield now, dict(zip(fields, chosen, strict=True))
            now, made = now + every, made + 1


def _choices(value: Any) -> Iterator[str | int]:
    found = _RANGE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        yield value
        return
    for number in range(int(found[2]), int(found[3]) + 1):
        yield f"{found[1]}{number}" if found[1] else number


class _Loader(yaml.SafeLoader):
    """A safe loader without aliases: a few lines of them can mean more than there is memory for."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # the stubs leave it out
            raise yaml.composer.ComposerError(None, None, "an alias; write it out", mark)
        return super().compose_node(parent, index)
