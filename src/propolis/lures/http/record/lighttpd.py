"""Debian's lighttpd: its own settings, its own page."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from propolis.lures.http.record.recipe import STATIC, Recipe, get, said_by
from propolis.lures.http.record.server import copy, folder, running
from propolis.lures.http.server import Persona, Rules
from propolis.lures.record import free_port

PROGRAM = "lighttpd"
PAGE = Path("/usr/share/lighttpd/index.html")
_CONFIG = """
server.modules = ("mod_indexfile", "mod_access", "mod_alias", "mod_redirect")
server.document-root = "{place}/html"
server.errorlog = "{place}/error.log"
server.port = {port}
server.bind = "127.0.0.1"
server.feature-flags += ("server.h2proto" => "enable")
server.feature-flags += ("server.h2c" => "enable")
server.feature-flags += ("server.graceful-shutdown-timeout" => 5)
server.http-parseopts = (
    "header-strict" => "enable",
    "host-strict" => "enable",
    "host-normalize" => "enable",
    "url-normalize-unreserved" => "enable",
    "url-normalize-required" => "enable",
    "url-ctrls-reject" => "enable",
    "url-path-2f-decode" => "enable",
    "url-path-dotseg-remove" => "enable",
)
index-file.names = ("index.php", "index.html")
url.access-deny = ("~", ".inc")
static-file.exclude-extensions = (".php", ".pl", ".fcgi")
include_shell "/usr/share/lighttpd/create-mime.conf.pl"
server.modules += ("mod_dirlisting", "mod_staticfile")
"""


@contextmanager
def lighttpd() -> Iterator[int]:
    """Run it; gives its loopback port."""
    port = free_port()
    with folder() as place:
        copy(PAGE, place / "html" / "index.html")
        config = place / "lighttpd.conf"
        config.write_text(_CONFIG.format(place=place, port=port))
        with running(["lighttpd", "-D", "-f", str(config)], port, cwd=place):
            yield port


_RULES = Rules(
    line=r"(?P<method>[^\x00-\x20]+) (?P<target>[^\x00-\x1f\x7f]+) HTTP/1\.(?P<minor>[01])",
    line_faults=((r"^\S+ .* HTTP/(?!1\.\d)\S*\r?\n", "version"),),
    begins=r"[^\x00-\x1f].*",
    waits_for_head=True,
    needs_crlf=True,
    head_bytes=8_192,
    field=r"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*",
    host=r"\[[0-9A-Fa-f:.]+\](?::\d{0,5})?|(?!\.)(?!.*\.\.)[A-Za-z0-9.-]{1,255}(?::\d{0,5})?",
    empty_host_is_none=True,
    unique=("content-length",),
    needs_length=("POST",),
    refusals={
        "request line length": "431",
        "head length": "431",
        "version": "505",
        "transfer-encoding": "501",
        "no length": "411",
    },
    paths={
        "absolute": "match",
        "star": "refuse",
        "double": "miss",
        "escape": "miss",
        "nul": "refuse",
        "relative": "refuse",
    },
)


def recipe() -> Recipe:
    """Everything that lighttpd is asked."""
    product = said_by(lighttpd, "Server")
    found = ("200", "404")
    return Recipe(
        lighttpd,
        Persona(
            product=product,
            recorded=0,
            index=("/", "/index.html"),
            pages={},
            order=("*", "Content-Length", "Transfer-Encoding", "Accept-Ranges", "+", "Date", "Server"),
            standing={"Date": "{date}", "Server": product},
            methods={
                "GET": found,
                "HEAD": found,
                "POST": ("200 post", "404"),
                "OPTIONS": ("200 options", "404"),
                "PUT": ("501", "404"),
                "DELETE": ("501", "404"),
                "PATCH": ("501", "404"),
                "PROPFIND": ("501", "404"),
                "CONNECT": ("405", "405"),
                "TRACE": ("501", "404"),
                "*": ("501 unknown", "501 unknown"),
            },
            special=((r"(?:~|\.inc)$", "403"),),
            closing=("405", "411", "501 unknown"),
            rules=_RULES,
            version="",
            reasons={"413": "Payload Too Large"},
            etag="{number}",
            closes_after_body=True,
            closes_early=True,
            requests=1_000,
            h2c=True,
        ),
        {
            **STATIC,
            "200 1.0": get(version="HTTP/1.0"),
            "200 post": get("/", "Content-Length: 0", method="POST"),
            "403": get("/recorded~"),
            "405": get("/recorded", method="CONNECT"),
            "411": get(method="POST"),
            "431": get("/" + "a" * 9_000),
            "501": get(method="DELETE"),
            "505": b"GET / HTTP/3.0\r\n\r\n",
            "200 options": get(method="OPTIONS"),
            "200 star": get("*", method="OPTIONS"),
        },
        "lighttpd",
    )
