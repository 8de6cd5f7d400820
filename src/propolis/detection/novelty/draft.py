"""A rule or a lure from a cluster: what all its examples have in common, as a file that passes its own tests.

No model is asked. What is constant in the examples becomes the condition, an example what must match, and what an
ordinary client would ask for in the same place the near miss. A draft is for somebody to read: its confidence is below
what the default policy blocks for.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from propolis.detection.fields import Fields
from propolis.detection.novelty.novel import Novel
from propolis.detection.novelty.template import CLASSES, TEXT_BYTES, of_request, spans, told_headers
from propolis.detection.rules.examples import request as request_of
from propolis.detection.rules.load import parse as parse_rule
from propolis.errors import PropolisError
from propolis.flaws.check import check
from propolis.flaws.file import Case, Flaw, Reply, Step, Tests, write
from propolis.flaws.request import Request

MAX_LITERALS = 6
MIN_BYTES = 4
"""Of one literal."""
MIN_TOGETHER = 8
"""Bytes of all literals together: less is found everywhere."""
LITERAL_BYTES = 80
CONFIDENCE = 60
"""Out of 100; the default policy blocks an attempt from 70."""

_LETTERS = re.compile(rb"[A-Za-z]{3}")
_PIECE = re.compile(rb"[\s&;|?=]+")


class DraftError(PropolisError):
    """A cluster of which no draft can be made, and why."""


def draft_rule(novel: Novel) -> str:
    """The text of a rule file for a cluster. Raises :class:`DraftError` where examples have too little in common."""
    kind, field = {
        "request": ("RequestReceived", "decoded"),
        "command": ("CommandRun", "command"),
        "payload": ("PayloadReceived", "payload"),
    }[novel.what]
    raws = _sent(novel)
    views = [Fields(kind, _values(kind, raw))[field] for raw in raws]
    literals = _literals(novel, [view.lower() for view in views], is_lower=True)
    miss = _miss(novel, raws, lambda raw: _in_all_of(literals, _view(kind, field, raw)))
    name = f"novel-{novel.id}"
    tree = {
        "title": _title(novel),
        "id": name,
        "description": "Drafted from what new and spreading texts have in common. Read it before you use it.",
        "status": "experimental",
        "level": "medium",
        "grade": "attempt",
        "confidence": CONFIDENCE,
        "tags": ["attack.t1190" if novel.what == "request" else "attack.t1059"],
        "logsource": {"kind": kind},
        "detection": {
            "common": {f"{field}|contains|all": [literal.decode("latin-1") for literal in literals]},
            "condition": "common",
        },
        "examples": {
            "match": [_rule_example(kind, raw) for raw in raws],
            "miss": [_rule_example(kind, miss)],
        },
    }
    text: str = yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    parse_rule(text.encode(), Path(f"{name}.yaml"))
    return text


def draft_lure(novel: Novel) -> str:
    """The text of a lure file for a cluster of requests; errors as :func:`draft_rule`."""
    if novel.what != "request":
        raise DraftError(f"{novel.id}: a lure answers requests; draft a rule for a {novel.what}")
    raws = _sent(novel)
    requests = [Request.parse(raw) for raw in raws]
    literals = _literals(novel, [request["any"] or b"" for request in requests], is_lower=False)
    match: dict[str, Any] = {"any|contains|all": tuple(literal.decode("latin-1") for literal in literals)}
    for field in ("method", "path"):
        held = {request[field] or b"" for request in requests}
        if len(held) == 1 and (text := _printable(held.pop())):
            match = {field: text, **match}
    name = f"novel-{novel.id}"
    step = Step(
        id="request",
        match=match,
        grade="attempt",
        confidence=CONFIDENCE,
        reply=Reply(headers=("Content-Type: text/html",)),
    )
    miss = _miss(novel, raws, lambda raw: _in_all_of(literals, Request.parse(raw)["any"] or b""))
    flaw = Flaw(
        id=name,
        name=_title(novel),
        severity="medium",
        product=name,
        source="drafted from what is new and spreading",
        steps=(step,),
        tests=Tests(
            match=tuple(Case(request=_as_text(raw), step="request") for raw in raws), miss=(_as_text(miss),)
        ),
    )
    text = write(flaw)
    failures = check(flaw, text)
    if failures:
        raise DraftError(f"{novel.id}: line {failures[0].line}: {failures[0].why}")
    return text


def common(texts: Sequence[bytes]) -> list[bytes]:
    """What stands in all texts and varies in none, as stretches of the first, the longest first. O(bytes · texts)."""
    found: dict[bytes, None] = {}
    for stretch in _stretches(texts[0]) if texts else ():
        pieces = [stretch] if _in_all(stretch, texts) else _PIECE.split(stretch)
        for piece in pieces:
            piece = piece.strip()[:LITERAL_BYTES]  # noqa: PLW2901 - the same without its edges
            if len(piece) >= MIN_BYTES and _LETTERS.search(piece) and _in_all(piece, texts):
                found.setdefault(piece)
    return sorted(found, key=lambda piece: (-len(piece), piece))


def _literals(novel: Novel, views: Sequence[bytes], *, is_lower: bool) -> list[bytes]:
    """What all examples have in common and a condition can see, at most :data:`MAX_LITERALS`."""
    told = [of_request(example) if novel.what == "request" else example for example in novel.examples]
    told = [_without_method(text) if novel.what == "request" else text for text in told]
    pieces = [piece.lower() if is_lower else piece for piece in common(told)]
    seen = [piece for piece in pieces if _in_all(piece, views)][:MAX_LITERALS]
    if sum(map(len, seen)) < MIN_TOGETHER:
        raise DraftError(f"{novel.id}: its examples have too little in common for a condition")
    return seen


def _stretches(text: bytes) -> Iterator[bytes]:
    """What stands between the tokens that vary, line by line."""
    start, end = 0, len(text[:TEXT_BYTES])
    for span in spans(text):
        if span.token in CLASSES:
            yield from text[start : span.start].splitlines()
            start = span.end
        end = span.end
    yield from text[start:end].splitlines()


def _in_all_of(literals: Sequence[bytes], text: bytes) -> bool:
    return all(literal in text for literal in literals)


def _in_all(piece: bytes, texts: Sequence[bytes]) -> bool:
    return all(piece in text for text in texts)


def _without_method(text: bytes) -> bytes:
    return text.partition(b" ")[2]


def _sent(novel: Novel) -> tuple[bytes, ...]:
    """The examples, each once; requests without who sent them."""
    sent = map(_cleaned, novel.examples) if novel.what == "request" else novel.examples
    return tuple(dict.fromkeys(sent))


def _cleaned(raw: bytes) -> bytes:
    """A request without who sent it and to whom: a decoy's address is nobody's business."""
    fields = Fields("RequestReceived", (raw, b"", b"", b"", b""))
    lines = [fields["method"] + b" " + fields["path"] + b" HTTP/1.1", b"Host: 192.0.2.1"]
    kind = fields.header(b"content-type") if fields["body"] else b""
    lines += [b"Content-Type: " + kind] if kind else []
    lines += told_headers(fields["headers"])
    return b"\r\n".join((*lines, b"", fields["body"]))


def _miss(novel: Novel, raws: Sequence[bytes], is_like: Callable[[bytes], bool]) -> bytes:
    """What an ordinary client sends in the same place, as near as may be without being like it."""
    for raw in raws:
        if novel.what == "request":
            path = Fields("RequestReceived", (raw, b"", b"", b"", b""))["path"].partition(b"?")[0]
            near = b"GET %s/ HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n" % path.rpartition(b"/")[0]
        else:
            near = raw.split(maxsplit=1)[0][:16] + b" --help"
        if not is_like(near):
            return near
    raise DraftError(f"{novel.id}: what its examples have in common is what everybody sends")


def _values(kind: str, raw: bytes) -> tuple[bytes, ...]:
    return (raw, b"", b"", b"", b"") if kind == "RequestReceived" else (raw,)


def _view(kind: str, field: str, raw: bytes) -> bytes:
    return Fields(kind, _values(kind, raw))[field].lower()


def _rule_example(kind: str, raw: bytes) -> dict[str, str]:
    if kind == "RequestReceived" and request_of(_as_text(raw)) == raw:
        return {"request": _as_text(raw)}
    if kind == "CommandRun":
        return {"kind": kind, "command": raw.decode("utf-8", "replace")}
    return _payload(kind, raw)


def _payload(kind: str, raw: bytes) -> dict[str, str]:
    return {"kind": kind, "payload": raw.decode("latin-1")}


def _as_text(raw: bytes) -> str:
    """A message as files write it: a character a byte, LF for CRLF."""
    return raw.replace(b"\r\n", b"\n").decode("latin-1")


def _printable(value: bytes) -> str:
    text = value.decode("ascii", "replace")
    return text if text.isprintable() and value.isascii() else ""


def _title(novel: Novel) -> str:
    shown = "".join(c if c.isprintable() else "." for c in novel.template[:80])
    return f"New and spreading: {shown}".strip()


class _Dumper(yaml.SafeDumper):
    """Requests as blocks, as people write them."""


def _scalar(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    is_block = "\n" in value and all(
        line.isprintable() and line == line.strip() for line in value.split("\n")
    )
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if is_block else None)


_Dumper.add_representer(str, _scalar)
