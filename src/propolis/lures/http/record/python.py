"""Python's own ``http.server`` over an empty folder, as people start it by hand."""

from collections.abc import Iterator
from contextlib import contextmanager

from propolis.lures.http.record.recipe import METHOD, PATH, Recipe, get, said_by
from propolis.lures.http.record.server import folder, running
from propolis.lures.http.server import Persona, Rules
from propolis.lures.record import free_port


@contextmanager
def python() -> Iterator[int]:
    """Run it; gives its loopback port."""
    port = free_port()
    with folder() as place:
        (place / "files").mkdir()
        with running(
            [
                "/usr/bin/python3",
                "-m",
                "http.server",
                str(port),
                "--bind",
                "127.0.0.1",
                "--directory",
                str(place / "files"),
            ],
            port,
            cwd=place,
        ):
            yield port


_RULES = Rules(
    line=r"\s*(?P<method>\S+)\s+(?P<target>\S+)\s+HTTP/0*1\.(?P<minor>\d{1,9})\s*",
    line_faults=(
        (r"^\s*\S+\s+\S+\s+HTTP/(\d+\.\d+)\s*\n", "version"),
        (r"^\s*\S+\s+\S+\s+(\S+)\s*\n", "protocol"),
        (r"^\s*(?!GET\s)(\S+)\s+\S+\s*\n", "http/0.9"),
    ),
    line_bytes=65_536,
    field_count=100,
    needs_host=False,
    unique=(),
    is_strict=False,
    refusals={
        "request line length": "414",
        "field count": "431",
        "version": "505",
        "protocol": "400 version",
        "http/0.9": "400 0.9",
    },
    paths={"absolute": "miss", "relative": "miss"},
)


def recipe() -> Recipe:
    """Everything that Python's server is asked."""
    product = said_by(python, "Server")
    return Recipe(
        python,
        Persona(
            product=product,
            recorded=0,
            index=("/",),
            pages={},
            order=("Server", "Date", "+", "*", "Content-Type", "Content-Length"),
            standing={"Server": product, "Date": "{date}"},
            methods={"GET": ("200", "404"), "HEAD": ("200", "404"), "*": ("501", "501")},
            rules=_RULES,
            version="HTTP/1.0",
            escapes={"<": "&lt;", ">": "&gt;", "&": "&amp;"},
            conditions=(),
            has_ranges=False,
            closes_early=True,
            keeps=False,
        ),
        {
            "200": get(),
            "404": get(PATH),
            "400": b"recorded\r\n\r\n",
            "400 version": b"GET / recorded\r\n\r\n",
            "400 0.9": b"recorded /\r\n\r\n",
            "414": get("/" + "a" * 65_600),
            "431": get("/", *["A: b"] * 110),
            "501": get(method=METHOD),
            "505": b"GET / HTTP/9.9\r\n\r\n",
        },
        "/usr/bin/python3",
    )
