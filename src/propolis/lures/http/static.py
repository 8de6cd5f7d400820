"""What a web server with nothing but its index answers to a request that it takes."""

import re

import msgspec

from propolis.lures.http import wire
from propolis.lures.http.reading import Refusal, Request
from propolis.lures.http.site import Asker, Site, from_http_date

_RANGE = re.compile(rb"(?i)bytes= *(\d{0,18}) *- *(\d{0,18}) *")
_CONTINUE = b"100-continue"
_HOST_IS_KNOWN = ("authority", "no host", "path")
"""Why a head is refused whose host was understood."""


class Answered(msgspec.Struct, frozen=True):
    """Bytes to send, the page they are, and whether the server then ends the connection."""

    data: bytes
    page: str
    is_last: bool


def asker(request: Request, *, keep: bool, served: int = 0) -> Asker:
    """What an answer to this request may repeat of it."""
    values = request.fields.values
    asked = b"keep-alive" in values.get(b"connection", b"").lower()
    line = request.line
    expected = values.get(b"expect", b"")
    return Asker(
        line.method, line.target, values.get(b"host", b""), line.minor, keep, asked, served, expected
    )


def keeps(site: Site, request: Request, *, served: int = 0, page: str = "") -> bool:
    """Whether this server keeps the connection after this request (RFC 9112, 9.3); ``served`` were before it.

    ``page`` is what :func:`choose` says, if somebody asked it before.
    """
    persona = site.persona
    framing = request.framing
    has_body = isinstance(framing, wire.Chunked) or framing.length > 0
    if (
        not persona.keeps
        or (persona.closes_after_body and has_body)
        or (persona.requests and served + 1 >= persona.requests)
    ):
        return False
    if (page or choose(site, request)) in persona.closing:
        return False
    minor = request.line.minor
    wish = request.fields.values.get(b"connection", b"").lower()
    if not wish:
        return minor > 0
    return b"close" not in wish and (minor > 0 or b"keep-alive" in wish)


def choose(site: Site, request: Request) -> str:
    """The page that a request gets, before its conditions are looked at."""
    expected = request.fields.values.get(b"expect", _CONTINUE)
    if site.persona.expects and expected.lower() != _CONTINUE:
        return "417"
    framing, limit = request.framing, site.persona.body_bytes
    if limit and isinstance(framing, wire.Sized) and framing.length > limit:
        return "413"
    return site.choose(request.line.method, request.path)


def refuse(site: Site, refusal: Refusal, now: int) -> bytes:
    """What a refused head gets at this time (UTC nanoseconds); empty if the server says nothing."""
    if not refusal.page:
        return b""
    line = refusal.line
    is_host_known = refusal.reason.startswith(_HOST_IS_KNOWN)
    host = refusal.fields.values.get(b"host", b"") if is_host_known else b""
    about = Asker(host=host, detail=refusal.detail, minor=1 if site.persona.version else 0)
    if line is not None:
        target = line.target if is_host_known else line.target.partition(b"://")[2]
        about = Asker(line.method, target, host, line.minor, detail=refusal.detail)
    return site.give(refusal.page, now, about, only_head=line is not None and line.method == b"HEAD")


def answer(site: Site, request: Request, now: int, *, served: int = 0, is_broken: bool = False) -> Answered:
    """What a request gets at this time (UTC nanoseconds); ``served`` requests came before it on the connection.

    ``is_broken``: the body that came with the head cannot be read on. Method, then path, then conditions, then range:
    RFC 9110, 13.2.2.
    """
    page = choose(site, request)
    is_kept = keeps(site, request, served=served, page=page)
    keep = is_kept and (not is_broken or site.persona.broken_hangs)
    if is_broken:
        page = site.persona.broken[page != "200"] or page
    about = asker(request, keep=keep, served=served)
    if request.line.minor == wire.HTTP_09:
        page = "400" if request.line.method != b"GET" or not request.path else page
        return Answered(site.bare(page, about), page, is_last=True)
    only_head = request.line.method == b"HEAD"
    gzip = _gzips(site, request)
    if page == "200":
        page = _condition(site, request.fields.values)
        wanted = request.fields.values.get(b"range", b"")
        if page == "200" and wanted and not gzip and site.persona.has_ranges:
            found = _range(wanted, len(site.body), site.persona.wrong_range)
            if isinstance(found, tuple):
                part = site.part(*found, now, asker=about, only_head=only_head)
                return Answered(part, "206", is_last=not keep)
            page = found
    data = site.give(page, now, about, gzip=gzip, only_head=only_head)
    return Answered(data, page, is_last=not keep or is_broken or page in site.persona.hanging)


def _gzips(site: Site, request: Request) -> bool:
    accepts = request.fields.values.get(b"accept-encoding")
    pattern = site.gzip
    if accepts is None or pattern is None or not pattern.search(accepts):
        return False
    # nginx's gzip_http_version and gzip_proxied
    return not site.persona.gzips_modern or (request.line.minor > 0 and b"via" not in request.fields.values)


def _condition(site: Site, values: dict[bytes, bytes]) -> str:
    """The page that the conditions of a request (RFC 9110, 13.1) come to."""
    heeded = {name: values[name.encode()] for name in site.persona.conditions if name.encode() in values}
    before = heeded.get("if-unmodified-since")
    is_date = before is not None and (site.persona.rules is None or from_http_date(before) is not None)
    if before is not None and is_date and site.is_modified_since(before):
        return "412"
    match = heeded.get("if-match")
    if match is not None and match != b"*" and site.etag not in match:
        return "412"
    tags, since = heeded.get("if-none-match"), heeded.get("if-modified-since")
    if tags is None and since is None:
        return "200"
    is_known = tags is None or tags == b"*" or site.etag in tags
    return "304" if is_known and since in (None, site.modified) else "200"


def _range(wanted: bytes, size: int, wrong: str) -> tuple[int, int] | str:
    """The first and last byte of one range; several or none are answered with the whole, a ``wrong`` one as told."""
    match = _RANGE.fullmatch(wanted)
    if match is None or match.groups() == (b"", b""):
        return "200" if b"," in wanted or not wanted.lower().startswith(b"bytes=") else wrong
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last))
    stop = min(int(last), size - 1) if first and last else size - 1
    if start <= stop:
        return start, stop
    return "416" if start >= size else wrong
