"""A recorded web server: its pages, the order of its headers, and how strictly it reads; data, one JSON file each."""

from typing import Literal, TypeAlias

import msgspec

from propolis.lures import persona

SERVERS = (
    "nginx",
    "apache",
    "lighttpd",
    "tomcat",
    "jetty",
    "iis",
    "express",
    "python",
    "busybox",
    "mini_httpd",
    "boa",
    "goahead",
)
"""Every server that a sensor can pretend to be."""

ALIASES = {persona.DEFAULT: "nginx"}
"""What a host persona's web server is."""

PageName: TypeAlias = str
"""The status, and where a server has several pages of one status, a word after it: ``400 field``."""


class Page(msgspec.Struct, frozen=True, omit_defaults=True):
    """One recorded reply: heads, the body, and the body as the server compressed it (base64, chunk sizes included).

    Heads and body hold marks in braces. Known to the site: ``modified``, ``etag`` (without its quotes). Per answer:
    ``date``, ``asctime``, ``connection`` (whole lines), ``length``, ``range``, ``version``, ``host``, ``port``,
    ``path``, ``method``, and ``detail``: what gave offence. ``only_head`` is what ``HEAD`` gets; empty: the same head.
    Some servers send it the body as well (``body_on_head``).
    """

    head: str
    body: str = ""
    gzip_head: str = ""
    gzip: str = ""
    only_head: str = ""
    body_on_head: bool = False


class Connection(msgspec.Struct, frozen=True, omit_defaults=True):
    """The lines that say how the connection goes on; ``{left}`` is how many requests it may still serve.

    ``keep`` where the client said nothing (HTTP/1.1) and ``asked`` where it wished to keep it; ``_10`` to HTTP/1.0.
    """

    close: str = ""
    close_10: str = ""
    keep: str = ""
    asked: str = ""
    keep_10: str = ""


class Rules(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a server reads a head. Patterns are over bytes as Latin-1; a figure of 0 is no limit.

    ``line`` is a whole request line (groups ``method``, ``target`` and, unless it is HTTP/0.9, ``minor``);
    ``line_faults`` says of a line that it does not match why: a pattern and a reason, the first that is found; a group
    in the pattern is what a page repeats. ``field_faults`` does so for a header that ``field`` does not match.
    ``begins`` is what an unfinished line may look like; empty: the server waits for its end. ``refusals`` is reason
    to page, where it is not ``400``; an empty page is silence. ``paths`` says what becomes of an odd path
    (``escape``, ``nul``, ``climb``, ``slash``, ``double``, ``absolute``, ``fragment``, ``star``): ``refuse``, ``miss``
    (there is no such file), ``keep`` or, the default, made plain.
    """

    line: str
    line_faults: tuple[tuple[str, str], ...] = ()
    begins: str = ""
    knows_http_09: bool = False
    needs_crlf: bool = False
    waits_for_head: bool = False
    line_bytes: int = 0
    field_bytes: int = 0
    field_count: int = 0
    head_bytes: int = 0
    field: str = r"[^\x00]*"
    field_faults: tuple[tuple[str, str], ...] = ()
    host: str = r"[^\x00]*"
    host_faults: tuple[tuple[str, str], ...] = ()
    needs_host: bool = True
    empty_host_is_none: bool = False
    unique: tuple[str, ...] = ("host", "content-length")
    coding: str = r"(?i)chunked"
    is_strict: bool = True
    needs_length: tuple[str, ...] = ()
    refusals: dict[str, PageName] = {}
    paths: dict[str, Literal["refuse", "miss", "keep", "match"]] = {}


class Persona(msgspec.Struct, frozen=True, omit_defaults=True):
    """A web server. What each field is stands below it."""

    product: str
    """What it calls itself."""
    recorded: int
    """Unix seconds."""
    index: tuple[str, ...]
    """The paths at which its index is."""
    pages: dict[PageName, Page]
    order: tuple[str, ...]
    """Where each header of an answer stands; ``*`` for all others, ``+`` for the connection's lines."""
    standing: dict[str, str] = {}
    """The headers that it always has; values with marks."""
    methods: dict[str, tuple[PageName, PageName]] = {}
    """What a method gets for an existing file and for a missing one; ``*`` is a method that nobody knows."""
    special: tuple[tuple[str, PageName], ...] = ()
    """Pages for odd paths, each a pattern."""
    closing: tuple[PageName, ...] = ()
    """After these the connection ends, and they say so."""
    hanging: tuple[PageName, ...] = ()
    """After these it ends although they say that it goes on."""
    connection: Connection = Connection()
    rules: Rules | None = None
    """How it reads; ``None`` is nginx."""
    is_recorded: bool = True
    """Whether the real server said all this, or it was written down."""
    version: str = "HTTP/1.1"
    """What its status lines begin with; empty: what the client said."""
    has_reason: bool = True
    reasons: dict[str, str] = {}
    """Reason phrases that are not those of RFC 9110, by status."""
    escapes: dict[str, str] = {}
    """How it writes characters of a path or a method into a page."""
    spells: dict[str, str] = {}
    """How it writes characters of what gave offence, where that differs."""
    etag: str = ""
    """How it makes an entity tag, as a format."""
    conditions: tuple[str, ...] = ("if-match", "if-unmodified-since", "if-none-match", "if-modified-since")
    """The headers of RFC 9110, 13.1 that it heeds."""
    has_ranges: bool = True
    wrong_range: PageName = "416"
    """What a range that means nothing gets."""
    gzip: str = ""
    """What of ``Accept-Encoding`` makes it compress."""
    gzips_modern: bool = False
    """Only for HTTP/1.1 and not through a proxy."""
    requests: int = 0
    """How many it serves on one connection; 0: no limit."""
    keeps: bool = True
    """Whether it keeps connections at all."""
    answers_early: bool = True
    """Before the body of the request has come."""
    closes_after_body: bool = False
    """After any request with a body."""
    closes_early: bool = False
    """Without waiting for the body, if it closes."""
    broken: tuple[PageName, PageName] = ("", "")
    """What a body that cannot be read on gets, where the page would be the index, and otherwise; empty: the page."""
    broken_hangs: bool = False
    """Whether that page does not say that the connection ends."""
    continues: str = ""
    """The interim answer to ``Expect: 100-continue``."""
    expects: bool = False
    """Whether any other expectation gets a ``417``."""
    body_bytes: int = 0
    """The longest body; a longer one gets a ``413``. 0: no limit."""
    h2c: bool = False
    """Whether it takes HTTP/2 without TLS from a client that begins with it (RFC 9113, 3.3)."""


def load(name: str) -> Persona:
    """The persona of this server; nginx if there is none of that name."""
    wanted = ALIASES.get(name, name)
    return persona.load("http", wanted if wanted in SERVERS else "nginx", Persona)
