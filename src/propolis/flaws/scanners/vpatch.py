"""A CrowdSec AppSec rule ("virtual patch") as a lure file.

A rule says what a request for a flaw looks like, and nothing of the answer
(https://docs.crowdsec.net/docs/appsec/rules_syntax): the lure recognises what the rule does, and answers as far as the
kind of flaw tells what its target would: the file that is asked for, the command's output, the query's columns.
"""

import contextlib
import html
import random
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from propolis.findings import Grade, Severity
from propolis.flaws.check import check
from propolis.flaws.file import (
    MAX_FILE_BYTES,
    Case,
    Conditions,
    Flaw,
    FlawError,
    Kind,
    Reply,
    Step,
    Tests,
    write,
)
from propolis.flaws.index import prepare
from propolis.flaws.scanners import describe
from propolis.flaws.scanners.assemble import MISS
from propolis.flaws.scanners.attempt import attempt
from propolis.flaws.scanners.document import TemplateError, cves, cwes, mapping, mappings, tags, text, texts
from propolis.flaws.scanners.imported import ANSWERED, RECOGNISED, UNWRITABLE, Study
from propolis.flaws.scanners.zones import FAMILIES, MAX_WAYS, Leaf, UnsaidError, as_sent, both, shouted, ways

MAX_DEPTH = 8
MAX_LEAVES = 64
UNSAID: Final = "asks for what no condition says"

_CONFIDENCE: Final = {"3": 95, "2": 75, "1": 50}
_CALLED: Final = re.compile(r"[A-Za-z][\w.\[\]-]{0,60}")
_TECHNIQUE: Final = re.compile(r"attack\.(T\d{4}(?:\.\d{3})?)")
_SCANNING: Final = "T1595"
"""Active Scanning says nothing of a flaw."""
_ANSWERS: Final[Mapping[Kind, str]] = {
    "command-injection": "shell(value)",
    "file-read": "file(value)",
    "sqli": "sql(value)",
    "template-injection": "calculate(value)",
    "traversal": "file(value)",
    "xss": "value",
}
"""What a flaw of a kind shows of the value that carries it."""
_READS: Final[frozenset[Kind]] = frozenset({"file-read", "information-disclosure", "traversal"})
"""Kinds whose value may be the path itself."""
_SEVERITIES: Final[Mapping[Kind, Severity]] = {
    "code-injection": "critical", "command-injection": "critical", "deserialization": "critical",
    "file-upload": "critical", "information-disclosure": "medium", "open-redirect": "medium", "xss": "medium",
}  # fmt: skip


def is_one(tree: Mapping[str, Any]) -> bool:
    """Whether a file is a rule of CrowdSec's: a list of rules, and labels."""
    return isinstance(tree.get("rules"), list) and isinstance(tree.get("labels"), dict)


def study(tree: Mapping[str, Any], name: str) -> Study:
    """A rule's flaw, and whether anything tells the answer. Raises :class:`TemplateError`."""
    rules = mappings(tree.get("rules"))
    found: list[tuple[list[Conditions], list[Leaf]]] = []
    unsaid = ""
    for number, rule in enumerate(rules):
        try:
            found += _ways(rule, f"rules[{number}]", 0)
        except UnsaidError as error:
            unsaid = unsaid or str(error)
    if not found:
        if unsaid:
            return Study(name, None, UNSAID, unsaid)
        raise TemplateError("has no rule")
    try:
        flaw, is_told = _flaw(tree, name, found[:MAX_WAYS])
    except (FlawError, msgspec.ValidationError) as error:
        return Study(name, None, UNWRITABLE, str(error))
    if flaw is None:
        return Study(name, None, "no request was found that its own lure recognises", "")
    return Study(name, flaw, ANSWERED if is_told else RECOGNISED, unsaid)


_Way = tuple[list[Conditions], list[Leaf]]


def _ways(rule: Mapping[str, Any], key: str, depth: int) -> list[_Way]:
    """The ways in which a rule holds: their conditions, and the tests that they are. Raises :class:`UnsaidError`."""
    if depth > MAX_DEPTH:
        raise UnsaidError(key, f"is nested deeper than {MAX_DEPTH}")
    found: list[_Way] = []
    for word in ("and", "or"):
        parts = [
            _ways(one, f"{key}.{word}[{number}]", depth + 1)
            for number, one in enumerate(mappings(rule.get(word))[:MAX_LEAVES])
        ]
        if parts and word == "and":
            found += _all(parts, key)
        else:
            found += [way for part in parts for way in part]
    if rule.get("zones"):
        leaf = _leaf(rule, key)
        here = (ways(leaf), [leaf])
        found = _all([found, [here]], key) if found else [here]
    if not found:
        raise UnsaidError(key, "says nothing")
    return found


def _all(parts: Sequence[list[_Way]], key: str) -> list[_Way]:
    """One way of every part, together."""
    found: list[_Way] = [([{}], [])]
    for part in parts:
        found = [
            (both(conditions, more, key), [*leaves, *others])
            for conditions, leaves in found
            for more, others in part
        ]
        if len(found) > MAX_WAYS:
            raise UnsaidError(key, f"has more than {MAX_WAYS} ways to hold")
    return found


def _leaf(rule: Mapping[str, Any], key: str) -> Leaf:
    match = mapping(rule.get("match"))
    return Leaf(
        key=key,
        zones=tuple(zone.upper() for zone in texts(rule.get("zones"))),
        variables=texts(rule.get("variables")),
        transforms=tuple(name.lower() for name in texts(rule.get("transform"))),
        kind=text(match.get("type")).lower(),
        value=text(match.get("value")),
    )


def _flaw(tree: Mapping[str, Any], name: str, found: Sequence[_Way]) -> tuple[Flaw | None, bool]:
    """The whole file, and whether its answer is told; ``None`` if no test of it holds. Raises :class:`FlawError`."""
    labels = mapping(tree.get("labels"))
    classes = texts(labels.get("classification"))
    label = text(labels.get("label")) or text(tree.get("description")) or name
    wrong = label.rpartition(" - ")[2]
    kind = describe.kind_of((*tags(wrong.replace(" ", "-")), *tags(wrong.replace(" ", ","))), cwes(classes))
    grade: Grade = "scan" if text(labels.get("type")) == "scan" else "attempt"
    conditions = list(_each_once(found))[:MAX_WAYS]
    selector = next(_carriers([leaf for _, leaves in found for leaf in leaves], kind), "")
    reply = _reply(label, kind, has_value=bool(selector))
    techniques = _TECHNIQUE.findall(" ".join(classes))
    identity = describe.identity(name)
    flaw = Flaw(
        id=identity,
        name=" ".join(label.split())[:300],
        cve=cves(classes),
        kind=kind,
        severity=_SEVERITIES.get(kind, "high"),
        technique=next((one for one in techniques if one != _SCANNING), "T1190"),
        product=describe.slug(label.partition(" - ")[0])[:80] or "unknown",
        source=f"crowdsec {name}"[:300],
        steps=(
            Step(
                id="exploit-1" if grade == "attempt" else "probe-1",
                match=conditions[0] if len(conditions) == 1 else tuple(conditions),
                grade=grade,
                confidence=_CONFIDENCE.get(text(labels.get("confidence")), 75),
                extract={"value": selector} if selector else {},
                reply=reply,
            ),
        ),
        tests=Tests(match=(Case(request=MISS),), miss=(MISS,)),
    )
    prepare(flaw)
    draws = random.Random(zlib.crc32(name.encode()))  # noqa: S311 - a text, not a secret
    cases = [Case(request=attempt(leaves, draws)) for _, leaves in found]
    held = tuple(case for case in cases if not check(_with(flaw, case)))
    if not held:
        return None, False
    tested = msgspec.structs.replace(flaw, tests=Tests(match=held, miss=(MISS,)))
    if len(write(tested)) > MAX_FILE_BYTES:
        raise FlawError(flaw.id, 0, "", f"would be longer than {MAX_FILE_BYTES} characters")
    return tested, bool(selector)


def _each_once(found: Sequence[_Way]) -> Iterator[Conditions]:
    """The mappings of all ways, then those of the same with capital names."""
    for several, _ in found:
        yield from map(as_sent, several)
    for _, leaves in found:
        loud = [shouted(leaf) for leaf in leaves]
        same: list[Conditions] = [{}] if loud != leaves else []
        with contextlib.suppress(UnsaidError):  # two names that differ in nothing but their case
            for leaf in loud:
                same = both(same, ways(leaf), leaf.key)
            yield from map(as_sent, same)


def _with(flaw: Flaw, case: Case) -> Flaw:
    return msgspec.structs.replace(flaw, tests=Tests(match=(case,), miss=(MISS,)))


def _carriers(leaves: Sequence[Leaf], kind: Kind) -> Iterator[str]:
    """Selectors of what may carry the attack, the likeliest first: a parameter that is no mere word, or the path."""
    if kind in _ANSWERS:
        for leaf in leaves:
            zone, name = leaf.zones[0], (leaf.variables or ("",))[0]
            if zone not in FAMILIES or leaf.kind == "equals" or not _CALLED.fullmatch(name):
                continue
            if zone == "BODY_ARGS" and name.startswith("json."):
                yield name
            elif "b64decode" in leaf.transforms:
                yield f"{FAMILIES[zone]}.{name}|base64decode"
            else:
                yield f"{FAMILIES[zone]}.{name}"
    if kind in _READS and any(leaf.zones[0] in {"URI", "URI_FULL"} for leaf in leaves):
        yield "raw_path|urldecode"


def _reply(label: str, kind: Kind, *, has_value: bool) -> Reply:
    """A page of the product; in it, or in its place, what a flaw of this kind shows."""
    if has_value and kind in _READS:
        plain = "Content-Type: text/plain; charset=UTF-8"
        return Reply(headers=(plain,), body="{{ file(value) or 'Not found' }}\n")
    product = html.escape(label.partition(" - ")[0].strip()[:80].replace("{", "("))
    shown = "{{ " + _ANSWERS[kind] + " }}" if has_value else f"<h1>{product}</h1>"
    return Reply(
        headers=("Content-Type: text/html; charset=UTF-8",),
        body=f"<!DOCTYPE html>\n<html>\n<head><title>{product}</title></head>\n<body>\n{shown}\n</body>\n</html>\n",
    )
