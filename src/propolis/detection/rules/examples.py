"""The examples of a rule, judged by the plain evaluator: what must match, and the near miss that must not."""

from typing import Any

from propolis.detection.behaviours import BEHAVIOURS, Step
from propolis.detection.columns import KIND_NAMES
from propolis.detection.fields import COLUMNS, Fields
from propolis.detection.rules.rule import Rule, Threshold, holds

MAX_EVENTS = 256
"""How many events one example of a behaviour may list."""


def satisfies(rule: Rule, example: Any) -> bool:
    """Whether the rule matches the example. Raises ``ValueError`` that says what an example must look like.

    For a rule about single events an example is one event: ``{kind, <columns>}``, or ``{request: raw HTTP}``.
    For a behaviour it is the list of one source's events in one window: ``{kind, port, times}``.
    """
    if not isinstance(rule.logic, Threshold):
        kind, values = event(example)
        return kind in rule.kinds and holds(rule.logic, Fields(kind, values))
    steps = behaviour_steps(example)
    behaviour = next(known for known in BEHAVIOURS if known.name == rule.logic.behaviour)
    return rule.logic.at_least in behaviour.plain(steps)


def event(example: Any) -> tuple[str, tuple[bytes, ...]]:
    """One event's kind and the bytes of ``COLUMNS[kind]``; errors as :func:`satisfies`."""
    if not isinstance(example, dict):
        raise ValueError("must be a mapping: {kind: ..., <fields>} or {request: ...}")  # noqa: TRY004 - the author's mistake, not a type error
    if set(example) == {"request"}:
        return "RequestReceived", (request(str(example["request"])), b"", b"", b"", b"")
    kind = str(example.get("kind"))
    if kind not in KIND_NAMES:
        raise ValueError(f"no such kind {kind!r}; there are {', '.join(KIND_NAMES)}")
    columns = COLUMNS.get(kind, ())
    unknown = set(example) - {"kind", *columns}
    if unknown:
        raise ValueError(
            f"{kind} has no column {min(map(str, unknown))!r}; it has {', '.join(columns) or 'none'}"
        )
    return kind, tuple(_column(name, str(example.get(name, ""))) for name in columns)


def request(text: str) -> bytes:
    """A request as YAML writes it to the bytes of RFC 9112: lines of the head end in CRLF, the body is as it stands."""
    head, _, body = text.rstrip("\n").partition("\n\n")
    return "\r\n".join([*head.split("\n"), "", body]).encode("latin-1")


def behaviour_steps(example: Any) -> list[Step]:
    """The events of a behaviour's example as its plain reference takes them; errors as :func:`satisfies`."""
    if not isinstance(example, list) or not all(isinstance(entry, dict) for entry in example):
        raise ValueError("must be a list of events: [{kind: ..., port: ..., times: ...}]")
    steps: list[Step] = []
    for entry in example:
        unknown = set(entry) - {"kind", "port", "times"}
        if unknown or entry.get("kind") not in KIND_NAMES:
            raise ValueError(f"an event has kind (one of {', '.join(KIND_NAMES)}), port and times")
        times, port = entry.get("times", 1), entry.get("port", 0)
        if not isinstance(times, int) or not isinstance(port, int) or not 0 <= port <= 65_535:
            raise ValueError("port (0 to 65535) and times are whole numbers")
        if len(steps) + times > MAX_EVENTS:
            raise ValueError(f"lists more than {MAX_EVENTS} events")
        steps += [Step(slot=0, turned=False, kind=KIND_NAMES.index(entry["kind"]), port=port)] * times
    return steps


def _column(name: str, value: str) -> bytes:
    return value.encode("latin-1") if name == "payload" else value.encode("utf-8", "replace")
