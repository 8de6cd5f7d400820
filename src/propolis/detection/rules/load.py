"""Rule files to a :class:`RuleSet`. This is the only place that knows what a rule file looks like.

A file is shaped like a Sigma rule (title, level, tags, logsource, detection with a condition), so a fuller Sigma can
come in here without any change elsewhere. What Sigma lacks and a decoy needs: ``grade``, ``confidence``, ``examples``.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
import yaml
from msgspec import Meta

from propolis.detection.behaviours import BEHAVIOURS
from propolis.detection.fields import COLUMNS, has_field
from propolis.detection.rules import condition, examples
from propolis.detection.rules.prefilter import refusal
from propolis.detection.rules.rule import LANGUAGES, Every, How, Node, Rule, RuleSet, Some, Test, Threshold
from propolis.errors import RuleError
from propolis.findings import Grade, Severity

BUILT_IN = Path(__file__).parent
"""The folder of the rules that come with Propolis."""

MAX_RULES = 1_024
MAX_FILE_BYTES = 65_536

Scalar: TypeAlias = str | int | bool
_MODIFIERS: Mapping[str, How] = {
    "contains": "contains",
    "startswith": "startswith",
    "endswith": "endswith",
    "re": "re",
    "exists": "exists",
    "is": "is",
}
_CVE = re.compile(r"cve\.(\d{4})\.(\d{4,7})")
_TECHNIQUE = re.compile(r"attack\.(t\d{4}(?:\.\d{3})?)")
_ANCHOR = re.compile(rb"\\[AZbB]|\\.|\[\^?\]?(?:\\.|[^\]])*\]|[\^$]", re.DOTALL)


class _Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: str | tuple[str, ...]


class _Examples(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    match: Annotated[tuple[Any, ...], Meta(min_length=1)]
    miss: Annotated[tuple[Any, ...], Meta(min_length=1)]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file as it stands; ``description``, ``references`` and ``author`` are for its readers."""

    title: Annotated[str, Meta(min_length=1, max_length=120)]
    id: Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
    level: Severity
    grade: Grade
    confidence: Annotated[int, Meta(ge=0, le=100)]
    logsource: _Source
    detection: dict[str, Any]
    examples: _Examples
    tags: tuple[str, ...] = ()
    description: str = ""
    references: tuple[str, ...] = ()
    author: str = ""
    weakness: Annotated[str, Meta(pattern=r"^[a-z0-9]*(-[a-z0-9]+)*$", max_length=40)] = ""
    status: Literal["stable", "test", "experimental"] = "stable"


def load(*folders: Path) -> RuleSet:
    """The built-in rules and every ``*.yaml`` of these folders, each proved by its examples.

    Raises :class:`~propolis.errors.RuleError` that names the file, the place in it and the cure.
    """
    rules: dict[str, Rule] = {}
    for folder in (BUILT_IN, *folders):
        if not folder.is_dir():
            raise RuleError(folder, "", "is not a folder; name one that holds *.yaml rules")
        for path in sorted(folder.glob("*.yaml")):
            rule = read(path)
            if rule.id in rules:
                raise RuleError(
                    path, "id", f"{rule.id!r} is already the id of {rules[rule.id].path}; choose another"
                )
            rules[rule.id] = rule
    if len(rules) > MAX_RULES:
        raise RuleError(
            folders[-1] if folders else BUILT_IN,
            "",
            f"there are {len(rules)} rules; the limit is {MAX_RULES}",
        )
    return RuleSet(tuple(rules[name] for name in sorted(rules)))


def read(path: Path) -> Rule:
    """One rule file to a rule whose examples behave; errors as :func:`load`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RuleError(path, "", f"cannot be read ({error.strerror})") from error
    return parse(data, path)


def parse(data: bytes, path: Path) -> Rule:
    """A rule file's text to a rule; errors as :func:`load`."""
    if len(data) > MAX_FILE_BYTES:
        raise RuleError(path, "", f"is {len(data)} bytes long; the limit is {MAX_FILE_BYTES}")
    try:
        file = msgspec.convert(yaml.load(data, _Loader), _File)  # noqa: S506 - a SafeLoader, see below
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else ""
        raise RuleError(path, where, f"is not YAML: {getattr(error, 'problem', None) or error}") from error
    except (msgspec.ValidationError, RecursionError, ValueError) as error:
        why, _, where = str(error).partition(" - at ")
        raise RuleError(path, where.strip("`").removeprefix("$."), why) from error
    rule = _rule(file, path)
    for side, wanted in (("match", True), ("miss", False)):
        for index, example in enumerate(getattr(file.examples, side)):
            where = f"examples.{side}[{index}]"
            try:
                matched = examples.satisfies(rule, example)
            except ValueError as error:
                raise RuleError(path, where, str(error)) from error
            if matched != wanted:
                raise RuleError(
                    path, where, "must match and does not" if wanted else "must not match and does"
                )
    return rule


def _rule(file: _File, path: Path) -> Rule:
    kinds = (file.logsource.kind,) if isinstance(file.logsource.kind, str) else file.logsource.kind
    if kinds == ("behaviour",):
        logic: Node | Threshold = _threshold(file.detection, path)
    else:
        for kind in kinds:
            if kind not in COLUMNS:
                raise RuleError(
                    path,
                    "logsource.kind",
                    f"no such kind {kind!r}; there are {', '.join(COLUMNS)}, behaviour",
                )
        logic = _logic(file.detection, kinds, path)
    tags = [tag.lower() for tag in file.tags]
    return Rule(
        id=file.id,
        title=file.title,
        severity=file.level,
        grade=file.grade,
        confidence=file.confidence,
        technique=next((found[1].upper() for tag in tags if (found := _TECHNIQUE.fullmatch(tag))), ""),
        cve=tuple(f"CVE-{found[1]}-{found[2]}" for tag in tags if (found := _CVE.fullmatch(tag))),
        kinds=kinds,
        logic=logic,
        path=str(path),
        weakness=file.weakness,
    )


def _threshold(detection: dict[str, Any], path: Path) -> Threshold:
    try:
        threshold = msgspec.convert(detection, Threshold)
    except msgspec.ValidationError as error:
        raise RuleError(path, "detection", str(error)) from error
    behaviour = next((known for known in BEHAVIOURS if known.name == threshold.behaviour), None)
    if behaviour is None:
        names = ", ".join(known.name for known in BEHAVIOURS)
        raise RuleError(
            path, "detection.behaviour", f"no such behaviour {threshold.behaviour!r}; there are {names}"
        )
    if not 1 <= threshold.at_least <= behaviour.most:
        raise RuleError(path, "detection.at_least", f"must be 1 to {behaviour.most}")
    return threshold


def _logic(detection: dict[str, Any], kinds: tuple[str, ...], path: Path) -> Node:
    selections = {
        name: _selection(value, kinds, path, f"detection.{name}")
        for name, value in detection.items()
        if name != "condition"
    }
    text = detection.get("condition")
    if not isinstance(text, str):
        raise RuleError(
            path, "detection.condition", "is missing; write one such as 'selection and not filter'"
        )
    try:
        return condition.parse(text, selections)
    except ValueError as error:
        raise RuleError(path, "detection.condition", str(error)) from error


def _selection(value: Any, kinds: tuple[str, ...], path: Path, where: str) -> Node:
    if isinstance(value, list) and value:
        return Some(
            tuple(_selection(one, kinds, path, f"{where}[{index}]") for index, one in enumerate(value))
        )
    if not isinstance(value, dict) or not value:
        raise RuleError(path, where, "must be a mapping of field to value, or a list of such mappings")
    tests = tuple(_test(str(key), sought, kinds, path, f"{where}.{key}") for key, sought in value.items())
    return tests[0] if len(tests) == 1 else Every(tests)


def _test(key: str, sought: Any, kinds: tuple[str, ...], path: Path, where: str) -> Test:
    field, *modifiers = key.split("|")
    for kind in kinds:
        if not has_field(kind, field):
            raise RuleError(path, where, f"{kind} has no field {field!r}")
    every = modifiers[-1:] == ["all"]
    modifiers = modifiers[: len(modifiers) - every]
    if len(modifiers) > 1 or not set(modifiers) <= set(_MODIFIERS):
        raise RuleError(
            path, where, f"no such modifier; there are {', '.join(_MODIFIERS)}, and |all at the end"
        )
    how = _MODIFIERS[modifiers[0]] if modifiers else "equals"
    values = sought if isinstance(sought, list) else [sought]
    if not values or not all(isinstance(one, Scalar) for one in values):
        raise RuleError(path, where, "must be a text or a list of texts")
    try:
        literals = tuple(
            (str(one).lower() if isinstance(one, bool) else str(one)).encode("latin-1") for one in values
        )
    except UnicodeEncodeError as error:
        raise RuleError(
            path, where, f"{error.object[error.start]!r} is not one byte (latin-1); write the bytes as sent"
        ) from error
    if how == "is" and not LANGUAGES.keys() >= set(literals):
        known = ", ".join(sorted(name.decode() for name in LANGUAGES))
        raise RuleError(path, where, f"no such language; there are {known}")
    if how != "re":
        return Test(field, how, tuple(literal.lower() for literal in literals), every)
    return Test(field, how, literals, every, tuple(_pattern(literal, path, where) for literal in literals))


def _pattern(source: bytes, path: Path, where: str) -> re.Pattern[bytes]:
    try:
        pattern = re.compile(source)
    except (re.error, RecursionError, OverflowError) as error:
        raise RuleError(path, where, f"is not a regular expression: {error}") from error
    if any(token in {b"^", b"$", rb"\A", rb"\Z"} for token in _ANCHOR.findall(source)):
        raise RuleError(
            path, where, "has an anchor (^ $ \\A \\Z); use |startswith or |endswith, or name a narrower field"
        )
    why = refusal(source)
    if why:
        raise RuleError(path, where, f"Hyperscan does not take it: {why}")
    return pattern


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice: the first would silently mean nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", node.value[index][0].start_mark
                )
        return super().construct_mapping(node, deep)
