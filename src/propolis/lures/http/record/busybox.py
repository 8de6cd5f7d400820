"""BusyBox's web server, which half of all small devices carry."""

from collections.abc import Iterator
from contextlib import contextmanager

from propolis.lures.http.record.device import PAGE
from propolis.lures.http.record.recipe import METHOD, STATIC, Recipe, get
from propolis.lures.http.record.server import folder, running
from propolis.lures.http.server import Persona, Rules
from propolis.lures.record import free_port


@contextmanager
def busybox() -> Iterator[int]:
    """Run it; gives its loopback port."""
    port = free_port()
    with folder() as place:
        (place / "www").mkdir()
        (place / "www/index.html").write_text(PAGE)
        with running(
            ["busybox", "httpd", "-f", "-p", f"127.0.0.1:{port}", "-h", str(place / "www")], port, cwd=place
        ):
            yield port


_RULES = Rules(
    line=r"(?P<method>\S+) (?P<target>/\S*)(?: HTTP/[0-9]+\.?(?P<minor>[0-9]*)\S*)",
    head_bytes=32_768,
    needs_host=False,
    unique=(),
    is_strict=False,
    refusals={"head length": "413"},
    paths={
        "absolute": "refuse",
        "relative": "refuse",
        "star": "refuse",
        "escape": "refuse",
        "double": "refuse",
        "climb": "refuse",
        "slash": "miss",
    },
)


def recipe() -> Recipe:
    """Everything that BusyBox is asked."""
    return Recipe(
        busybox,
        Persona(
            product="",
            recorded=0,
            index=("/", "/index.html"),
            pages={},
            order=("Date", "+", "*", "Content-type", "Content-Length"),
            standing={"Date": "{date}"},
            methods={
                **dict.fromkeys(("GET", "HEAD", "get", "head"), ("200", "404")),
                "*": ("501", "501"),
            },
            rules=_RULES,
            etag="{seconds:x}-{size:x}",
            closes_early=True,
            keeps=False,
            reasons={"413": "Entity Too Large"},
        ),
        {
            **STATIC,
            "400": b"recorded\r\n\r\n",
            "413": get("/", *["A: " + "a" * 1_000] * 40),
            "501": get(method=METHOD),
        },
        "busybox",
    )
