"""ACME's mini_httpd, which routers and cameras are built with."""

from collections.abc import Iterator
from contextlib import contextmanager

from propolis.lures.http.record.device import PAGE
from propolis.lures.http.record.recipe import COMMON, METHOD, Recipe, get, said_by
from propolis.lures.http.record.server import folder, running
from propolis.lures.http.server import Persona, Rules
from propolis.lures.record import free_port


@contextmanager
def mini_httpd() -> Iterator[int]:
    """Run it; gives its loopback port."""
    port = free_port()
    with folder() as place:
        (place / "www").mkdir()
        (place / "www").chmod(0o755)
        (place / "www/index.html").write_text(PAGE)
        with running(
            [
                "mini_httpd",
                "-D",
                "-p",
                str(port),
                "-h",
                "127.0.0.1",
                "-d",
                str(place / "www"),
                "-T",
                "iso-8859-1",
                "-l",
                "/dev/null",
                "-i",
                str(place / "pid"),
            ],
            port,
            cwd=place,
        ):
            yield port


_RULES = Rules(
    line=r"(?P<method>\S+) +(?P<target>\S+) +HTTP/1\.(?P<minor>[01])",
    waits_for_head=True,
    needs_host=False,
    host=r"(?!\.)[^/\x00]+",
    unique=(),
    is_strict=False,
    refusals={"path": "400 path"},
    paths={"absolute": "refuse", "relative": "refuse", "star": "refuse", "double": "refuse"},
)


def recipe() -> Recipe:
    """Everything that mini_httpd is asked."""
    product = said_by(mini_httpd, "Server")
    found = ("200", "404")
    return Recipe(
        mini_httpd,
        Persona(
            product=product,
            recorded=0,
            index=("/", "/index.html"),
            pages={},
            order=("Server", "Date", "*", "Content-Type", "Content-Length", "Last-Modified", "+"),
            standing={"Server": product, "Date": "{date}"},
            methods={
                "GET": found,
                "HEAD": found,
                "get": found,
                **dict.fromkeys(("POST", "PUT", "DELETE", "TRACE", "CONNECT"), ("501", "404")),
                "*": ("501", "501"),
            },
            rules=_RULES,
            version="",
            reasons={"200": "Ok"},
            conditions=("if-modified-since",),
            has_ranges=False,
            closes_early=True,
            keeps=False,
        ),
        {
            **COMMON,
            "304": get("/", "If-Modified-Since: Mon, 01 Jan 2035 00:00:00 GMT"),
            "400": get().replace(b"Host: ", b"Host: /"),
            "400 path": get("http://a/"),
            "501": get(method=METHOD),
        },
        "mini_httpd",
    )
