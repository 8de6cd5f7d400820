"""Debian's Jetty 9: its own settings, its own page."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from propolis.lures.http.record.recipe import METHOD, STATIC, Recipe, get, said_by
from propolis.lures.http.record.server import copy, folder, running
from propolis.lures.http.server import Persona, Rules
from propolis.lures.record import free_port

HOME = Path("/usr/share/jetty9")


@contextmanager
def jetty() -> Iterator[int]:
    """Run it; gives its loopback port."""
    port = free_port()
    with folder() as place:
        copy(HOME / "webapps", place / "webapps")
        copy(HOME / "start.ini", place / "start.ini")
        command = [
            "java",
            "-Djava.awt.headless=true",
            f"-Djava.io.tmpdir={place}",
            "-jar",
            str(HOME / "start.jar"),
        ]
        command += [
            f"jetty.home={HOME}",
            f"jetty.base={place}",
            "jetty.http.host=127.0.0.1",
            f"jetty.http.port={port}",
        ]
        with running(command, port, cwd=place):
            yield port


_RULES = Rules(
    line=r"(?P<method>[!#$%&'*+.^_`|~0-9A-Za-z-]+) +(?P<target>[^\x00-\x20]+) +(?i:HTTP)/1\.(?P<minor>[01])",
    line_faults=(
        (r"^\S+ +\S+ +HTTP/2\.0\r?\n", "preface"),
        (r"^\S+ +\S+ +HTTP/0\.9\r?\n", "version old"),
        (r"^\S+ +\S+ +HTTP/[^\r\n ]*\r?\n", "version"),
        (r"^[A-Za-z]+ +\S+\r?\n", "http/0.9"),
        (r"^[!#$%&'*+.^_`|~0-9A-Za-z-]*([^!#$%&'*+.^_`|~0-9A-Za-z\r\n-])", "character"),
        (r"^\S+ +[^ \r\n\x00-\x1f]*([\x00-\x09\x0b\x0c\x0e-\x1f])", "character"),
        (r"^\S+ +\S+ +[^ ]*( )", "character"),
        (r"^\S+\r?\n", "no target"),
    ),
    begins=r"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+(?: +(?:[^\x00-\x20]+(?: +[ -~]*\r?)?)?)?)?\r?",
    head_bytes=8_204,
    field=r"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*",
    field_faults=(
        (r"^[ \t:]", "folding"),
        (r"\r", "line end"),
        (r"^[!#$%&'*+.^_`|~0-9A-Za-z-]*([^!#$%&'*+.^_`|~0-9A-Za-z:-])", "character"),
        (r"^[^:]*$", "no colon"),
        (r"([\x00-\x08\x0a-\x1f\x7f])", "character"),
    ),
    host=r"(?:\[[0-9A-Fa-f:.]+\]|[^\[:\]]*|[^\[]*\][^:]*)(?::\d{0,5})?|a:80:90",
    unique=("content-length", "transfer-encoding"),
    refusals={
        "request line length": "414",
        "head length": "431",
        "preface": "426",
        "version": "505",
        "version old": "505 old",
        "http/0.9": "505 0.9",
        "host": "400 host",
        "authority": "400 bad",
        "no host": "400",
        "path": "400 bad",
        "character": "400 character",
        "folding": "400 folding",
        "line end": "400 line end",
        "no colon": "400 no colon",
        "no target": "400 no target",
        "second content-length": "400 lengths",
        "second transfer-encoding": "400 coding",
        "content-length": "400 length",
        "content-length and transfer-encoding": "400 both",
        "transfer-encoding": "400 coding",
    },
    paths={"escape": "refuse", "nul": "refuse", "climb": "refuse", "relative": "miss"},
)


def _spelled() -> dict[str, str]:
    """How Jetty spells a character that it refuses (HttpTokens.Token)."""
    visible = {chr(code): f"VCHAR='{chr(code)}'" for code in range(33, 127)}
    control = {chr(code): f"CNTL=0x{code:x}" for code in (*range(32), 127)}
    text = {chr(code): f"OTEXT=0x{code:x}" for code in range(128, 256)}
    return {**visible, **control, **text, " ": "SPACE=' '", "\t": "HTAB=0x9"}


def recipe() -> Recipe:
    """Everything that Jetty is asked."""
    product = said_by(jetty, "Server")
    found, refused, unknown = ("200", "404"), ("405", "405"), ("501", "501")
    return Recipe(
        jetty,
        Persona(
            product=product,
            recorded=0,
            index=("/", "/index.html"),
            pages={},
            order=("+", "Date", "*", "Content-Type", "Transfer-Encoding", "Content-Length", "Server"),
            standing={"Server": product},
            methods={
                "GET": found,
                "HEAD": found,
                "POST": found,
                "OPTIONS": ("200 options", "200 options"),
                "PUT": refused,
                "DELETE": refused,
                "TRACE": ("403", "403"),
                "get": found,
                "*": unknown,
            },
            closing=("417",),
            hanging=("416",),
            answers_early=False,
            broken_hangs=True,
            rules=_RULES,
            escapes={"<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;"},
            spells=_spelled(),
            conditions=("if-unmodified-since", "if-modified-since"),
            expects=True,
        ),
        {
            **STATIC,
            "304": get("/", "If-Modified-Since: Mon, 01 Jan 2035 00:00:00 GMT"),
            "412": get("/", "If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT"),
            "400 bad": get("/%g0"),
            "400 both": get("/", "Content-Length: 5", "Transfer-Encoding: chunked", method="POST"),
            "400 character": get("/", "recorded\x01: x"),
            "400 coding": get("/", "Transfer-Encoding: gzip", method="POST"),
            "400 folding": get("/", " recorded"),
            "400 line end": get("/", "X: a\rb"),
            "400 no target": b"recorded\r\n",
            "400 no colon": get("/", "recorded"),
            "400 host": get().replace(b"Host: ", b"Host: a:x"),
            "400 length": get("/", "Content-Length: +5", method="POST"),
            "400 lengths": get("/", "Content-Length: 5", "Content-Length: 5", method="POST"),
            "403": get(method="TRACE"),
            "405": get(method="PUT"),
            "414": b"GET /" + b"a" * 9_000,
            "417": get("/", "Expect: x"),
            "426": b"GET / HTTP/2.0\r\n\r\n",
            "431": get("/", "A: " + "a" * 9_000),
            "501": get(method=METHOD),
            "505": b"GET / HTTP/3.0\r\n\r\n",
            "505 old": b"GET / HTTP/0.9\r\n\r\n",
            "505 0.9": b"GET /\r\n\r\n",
            "200 options": get(method="OPTIONS"),
            "200 star": get("*", method="OPTIONS"),
        },
        "/usr/share/jetty9/start.jar",
        says_close_first=True,
    )
