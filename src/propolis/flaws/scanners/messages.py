"""Requests of a template as they go over the wire."""

import re

from propolis.flaws.scanners.template import Form

_ABSOLUTE = re.compile(rb"\A[A-Za-z][A-Za-z0-9+.\-]*://[^/?#\s]*")
_MULTIPART = re.compile(rb"(?im)^content-type:\s*multipart/")
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})
_WITHOUT_BODY = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"DELETE"})


def wire(message: bytes, form: Form) -> bytes:
    """A whole message as a scanner sends it, CRLF in its head.

    ``message`` is the template's text with everything filled in. Unless it is to be sent as it stands, its target loses
    scheme, host and fragment, and its length is told. The line end behind a raw body is the file's; one behind the body
    of a path is sent.
    """
    head, _, body = message.replace(b"\r\n", b"\n").partition(b"\n\n")
    first, *lines = head.split(b"\n")
    if form == "unsafe":
        body = body.rstrip(b"\n")
        return b"\r\n".join([head.replace(b"\n", b"\r\n"), b"", body.replace(b"\n", b"\r\n")])
    method, target, version = request_line(first, form)
    if form == "raw":
        body = body.removesuffix(b"\n")
    if _MULTIPART.search(head):
        body = body.rstrip(b"\n").replace(b"\n", b"\r\n") + b"\r\n"
    kept = [
        line.strip()
        for line in lines
        if line.strip() and line.partition(b":")[0].strip().lower() not in _FRAMING
    ]
    if body or method not in _WITHOUT_BODY:
        kept.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([b" ".join((method, target, version)), *kept, b"", body])


def request_line(line: bytes, form: Form) -> tuple[bytes, bytes, bytes]:
    """Method, target and version of a request line.

    One that is made of a path keeps its spaces, encoded; a raw one ends its target at the first, as its reader does.
    """
    method, _, rest = line.strip().partition(b" ")
    target, mark, minor = rest.strip().rpartition(b" HTTP/")
    if not mark:
        target, minor = rest.strip(), b"1.1"
    if form == "raw":
        target = target.split(b" ", 1)[0]
    return (
        method or b"GET",
        origin_form(target.strip()),
        b"HTTP/1.1" if minor.strip() != b"1.0" else b"HTTP/1.0",
    )


def origin_form(target: bytes) -> bytes:
    """A target as a path and query (RFC 9112, 3.2.1), without a fragment."""
    target = _ABSOLUTE.sub(b"", target, count=1).partition(b"#")[0]
    if not target.startswith(b"/"):
        target = b"/" + target
    return target.replace(b" ", b"%20")
