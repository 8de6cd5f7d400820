"""What a careful reader would say of a rule that loads: each remark names the file, the key and the cure."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from propolis.detection.attack import technique_of
from propolis.detection.fields import Fields
from propolis.detection.rules import Every, Node, Not, Rule, Some, Test, Threshold, holds, read
from propolis.detection.rules.examples import event
from propolis.errors import RuleError
from propolis.findings import GRADES

SHORT_BYTES = 3
"""A shorter literal is in every other request."""

_TECHNIQUE = re.compile(r"attack\.(t\d{4}.*)", re.IGNORECASE)
_INSIDE = {
    "equals": frozenset({"equals", "contains", "startswith", "endswith"}),
    "startswith": frozenset({"contains", "startswith"}),
    "endswith": frozenset({"contains", "endswith"}),
    "contains": frozenset({"contains"}),
}
"""By how one test compares: how a test can compare that its literal may satisfy."""


class Remark(msgspec.Struct, frozen=True):
    """``key`` is the place in the file, as ``examples.miss``."""

    path: str
    key: str
    why: str


def lint(files: Iterable[Path], known: Sequence[Rule]) -> list[Remark]:
    """What is to be said of these files, beside each other and the ``known`` rules. O(files * rules)."""
    remarks: list[Remark] = []
    rules: list[Rule] = []
    for path in files:
        try:
            rules.append(read(path))
        except RuleError as error:
            remarks.append(Remark(error.path, error.where, error.why))
    paths = {rule.path for rule in rules}
    others = [*rules, *(rule for rule in known if rule.path not in paths)]
    for rule in rules:
        document = _document(Path(rule.path))
        said = [*_tags(rule, document), *_misses(rule, document), *_short(rule), *_twins(rule, others)]
        remarks += [Remark(rule.path, key, why) for key, why in said]
    return remarks


def implies(narrow: Node, broad: Node) -> bool:
    """Whether every event that satisfies ``narrow`` satisfies ``broad``, as far as their form shows it."""
    if narrow == broad:
        return True
    if isinstance(narrow, Some):
        return all(implies(one, broad) for one in narrow.nodes)
    if isinstance(broad, Every):
        return all(implies(narrow, one) for one in broad.nodes)
    if isinstance(narrow, Every) and any(implies(one, broad) for one in narrow.nodes):
        return True
    if isinstance(broad, Some):
        return any(implies(narrow, one) for one in broad.nodes)
    if isinstance(narrow, Not) and isinstance(broad, Not):
        return implies(broad.node, narrow.node)
    return isinstance(narrow, Test) and isinstance(broad, Test) and _narrower(narrow, broad)


def _narrower(narrow: Test, broad: Test) -> bool:
    if narrow.field != broad.field:
        return False
    enough = any if narrow.every else all
    needed = all if broad.every else any
    return enough(
        needed(_within(narrow.how, value, broad.how, sought) for sought in broad.values)
        for value in narrow.values
    )


def _within(how: str, value: bytes, broader: str, sought: bytes) -> bool:
    """Whether what compares to ``value`` in one way compares to ``sought`` in another."""
    if how == broader and value == sought:
        return True
    if broader not in _INSIDE.get(how, frozenset()):
        return False
    match broader:
        case "startswith":
            return value.startswith(sought)
        case "endswith":
            return value.endswith(sought)
        case "contains":
            return sought in value
        case _:
            return False


def _document(path: Path) -> dict[str, Any]:
    """The file as YAML: what a rule does not keep. It was read a moment ago, so it is a mapping of bounded size."""
    try:
        document = yaml.safe_load(path.read_bytes())
    except (OSError, yaml.YAMLError):
        return {}
    return document if isinstance(document, dict) else {}


def _tags(rule: Rule, document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if not rule.technique:
        yield "tags", "names no technique of ATT&CK; add one such as attack.t1190"
    for index, tag in enumerate(document.get("tags") or ()):
        found = _TECHNIQUE.fullmatch(str(tag))
        if found and technique_of(found[1].upper()) is None:
            yield f"tags[{index}]", f"ATT&CK has no technique {found[1].upper()}"


def _misses(rule: Rule, document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """A miss that has nothing of the rule proves nothing; where all is alternatives, nothing can be near."""
    ours = document.get("propolis")
    examples = document.get("examples") or (ours.get("examples") if isinstance(ours, dict) else None) or {}
    for side in ("match", "miss"):
        if not examples.get(side):
            yield f"examples.{side}", f"has no example that must {side}; write one"
    if isinstance(rule.logic, Threshold) or not _is_joined(rule.logic) or not examples.get("miss"):
        return
    if not any(_is_near(rule, rule.logic, example) for example in examples["miss"]):
        yield (
            "examples.miss",
            "is no near miss: no part of the rule fits any of them; change one thing of a match",
        )


def _is_joined(node: Node) -> bool:
    """Whether more than one thing has to be so."""
    match node:
        case Every() | Not():
            return any(test.how != "exists" for test in _wanted(node))
        case Some(nodes):
            return any(map(_is_joined, nodes))
        case Test(values=values, every=every):
            return every and len(values) > 1


def _wanted(node: Node) -> Iterator[Test]:
    """The tests that are not under a ``not``."""
    match node:
        case Test():
            yield node
        case Every(nodes) | Some(nodes):
            for one in nodes:
                yield from _wanted(one)


def _is_near(rule: Rule, node: Node, example: Any) -> bool:
    kind, values = event(example)
    return kind in rule.kinds and _touches(node, Fields(kind, values))


def _touches(node: Node, fields: Fields) -> bool:
    """Whether one of the tests that ought to hold does."""
    match node:
        case Test(how="exists"):
            return False
        case Test(every=True):
            return any(
                holds(
                    msgspec.structs.replace(node, values=(value,), patterns=node.patterns[place : place + 1]),
                    fields,
                )
                for place, value in enumerate(node.values)
            )
        case Test():
            return holds(node, fields)
        case Every(nodes) | Some(nodes):
            return any(_touches(one, fields) for one in nodes)
        case Not():
            return False


def _short(rule: Rule) -> Iterator[tuple[str, str]]:
    if isinstance(rule.logic, Threshold):
        return
    size, literal = _least(rule.logic)
    if size < SHORT_BYTES:
        yield "detection", f"the literal {literal!r} alone satisfies it; ask for {SHORT_BYTES} bytes and more"


def _least(node: Node) -> tuple[int, str]:
    """How few bytes of literals satisfy a node, and which; what is exact, or no literal, counts as long enough."""
    match node:
        case Test(how="contains" | "startswith" | "endswith", values=values, every=every):
            sizes = [(len(value), value.decode("latin-1")) for value in values]
            return max(sizes) if every else min(sizes)
        case Every(nodes):
            positive = [one for one in nodes if not isinstance(one, Not)]
            return max(map(_least, positive)) if positive else (SHORT_BYTES, "")
        case Some(nodes):
            return min(map(_least, nodes))
        case Test() | Not():
            return SHORT_BYTES, ""


def _twins(rule: Rule, others: Sequence[Rule]) -> Iterator[tuple[str, str]]:
    for other in others:
        if other is rule:
            continue
        if other.id == rule.id:
            yield "id", f"{rule.id!r} is also the id of {other.path}"
        elif other.title.casefold() == rule.title.casefold():
            yield "title", f"is also the title of {other.id}"
        elif _is_subset(rule, other):
            yield (
                "detection",
                f"whatever it finds {other.id} finds, graded {other.grade} and as sure; take it away",
            )


def _is_subset(rule: Rule, other: Rule) -> bool:
    """Whether the other rule finds all of this one's and says as much by it."""
    as_grave = (GRADES.index(other.grade), other.confidence) >= (GRADES.index(rule.grade), rule.confidence)
    if not as_grave or not set(rule.cve) <= set(other.cve) or not set(rule.kinds) <= set(other.kinds):
        return False
    if isinstance(rule.logic, Threshold) or isinstance(other.logic, Threshold):
        return (
            isinstance(rule.logic, Threshold)
            and isinstance(other.logic, Threshold)
            and rule.logic.behaviour == other.logic.behaviour
            and rule.logic.at_least >= other.logic.at_least
        )
    return implies(rule.logic, other.logic)
