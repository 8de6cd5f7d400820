"""Node.js with Express, as its own first example has it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from propolis.lures.http.record.recipe import COMMON, Recipe, get
from propolis.lures.http.record.server import folder, running
from propolis.lures.http.server import Persona, Rules
from propolis.lures.record import free_port

MODULES = "/usr/share/nodejs"
"""Where Debian's `node-express` is."""

_APP = """
const app = require('express')();
app.get('/', (req, res) => res.send('Hello World!'));
app.listen(%d, '127.0.0.1');
"""


@contextmanager
def express() -> Iterator[int]:
    """Run it; gives its loopback port."""
    port = free_port()
    with folder() as place:
        (place / "app.js").write_text(_APP % port)
        with running(
            ["node", "app.js"],
            port,
            cwd=place,
            env={**os.environ, "NODE_PATH": MODULES, "NODE_ENV": "production"},
        ):
            yield port


_RULES = Rules(
    line=(
        r"(?P<method>DELETE|GET|HEAD|POST|PUT|CONNECT|OPTIONS|TRACE|COPY|LOCK|MKCOL|MOVE|PROPFIND|PROPPATCH|SEARCH|UNLOCK"
        r"|BIND|REBIND|UNBIND|ACL|REPORT|MKACTIVITY|CHECKOUT|MERGE|M-SEARCH|NOTIFY|SUBSCRIBE|UNSUBSCRIBE|PATCH|PURGE"
        r"|MKCALENDAR|LINK|UNLINK|SOURCE|QUERY) "
        r"(?P<target>(?:/|\*|https?:/|[a-z]+://)[^\x00-\x20\x7f-\xff]*) HTTP/(?:1\.(?P<minor>[01])|0\.9|2\.0)"
    ),
    begins=r"(?:[A-Z-]+(?: (?:[^\x00-\x20]+(?: [HTP/0-9.]*\r?)?)?)?)?\r?",
    needs_crlf=True,
    head_bytes=16_384,
    field=r"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*",
    unique=("content-length",),
    refusals={"head length": "431", "no host": "400 host", "CONNECT": ""},
    paths={"climb": "keep"},
)


def recipe() -> Recipe:
    """Everything that Express is asked."""
    found = ("200", "404")
    return Recipe(
        express,
        Persona(
            product="Express",
            recorded=0,
            index=("/",),
            pages={},
            order=(
                "X-Powered-By",
                "*",
                "Content-Type",
                "Content-Length",
                "ETag",
                "Date",
                "+",
                "Transfer-Encoding",
            ),
            standing={"X-Powered-By": "Express", "Date": "{date}"},
            methods={"GET": found, "HEAD": found, "OPTIONS": ("200 options", "404"), "*": ("404", "404")},
            rules=_RULES,
            escapes={
                "<": "%3C",
                ">": "%3E",
                '"': "%22",
                "'": "&#39;",
                "&": "&amp;",
                "`": "%60",
                "|": "%7C",
                "^": "%5E",
                "\\": "%5C",
                "{": "%7B",
                "}": "%7D",
            },
            conditions=("if-none-match",),
            has_ranges=False,
            answers_early=False,
            broken=("400", "400"),
            continues="HTTP/1.1 100 Continue\r\n\r\n",
            expects=True,
        ),
        {
            **COMMON,
            "400": b"recorded\r\n\r\n",
            "400 host": b"GET / HTTP/1.1\r\n\r\n",
            "417": get("/", "Expect: x"),
            "431": get("/", "A: " + "a" * 17_000),
            "200 options": get(method="OPTIONS"),
        },
        MODULES + "/express",
    )
