"""Requests of a template as they go over the wire."""

import re

_ABSOLUTE = re.compile(rb"[A-Za-z][A-Za-z0-9+.\-]*://[^/?#\s]*")
_MULTIPART = re.compile(rb"(?im)^content-type:\s*multipart/")
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})


def wire(message: bytes) -> bytes:
    """A whole message as a scanner sends it: CRLF in the head, its target without scheme and host, its length told.

    ``message`` is the template's text with everything filled in. A target that is no path becomes one.
    """
    head, _, body = message.replace(b"\r\n", b"\n").partition(b"\n\n")
    first, *lines = head.split(b"\n")
    method, target, version = request_line(first)
    body = body.rstrip(b"\n")
    if _MULTIPART.search(head):
        body = body.replace(b"\n", b"\r\n") + b"\r\n"
    kept = [
        line.strip()
        for line in lines
        if line.partition(b":")[0].strip().lower() not in _FRAMING and line.strip()
    ]
    if body or method not in {b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"DELETE"}:
        kept.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([b" ".join((method, target, version)), *kept, b"", body])


def request_line(line: bytes) -> tuple[bytes, bytes, bytes]:
    """Method, target and version of a template's request line; the target may hold spaces."""
    method, _, rest = line.strip().partition(b" ")
    target, mark, minor = rest.strip().rpartition(b" HTTP/")
    if not mark:
        target, minor = rest.strip(), b"1.1"
    return method or b"GET", origin_form(target.strip()), b"HTTP/" + minor.strip()


def origin_form(target: bytes) -> bytes:
    """A target as a path and query (RFC 9112, 3.2.1), without a fragment."""
    target = _ABSOLUTE.sub(b"", target, count=1)
    target = target.partition(b"#")[0] if b"?" not in target.partition(b"#")[0] else target
    if not target.startswith(b"/"):
        target = b"/" + target
    return target.replace(b" ", b"%20")
