"""Debian's Tomcat 10: its own settings, its own page."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from propolis.lures.http.record.recipe import METHOD, STATIC, Recipe, get
from propolis.lures.http.record.server import copy, folder, installed, running
from propolis.lures.http.server import Persona, Rules
from propolis.lures.record import free_port

HOME = Path("/usr/share/tomcat10")
RETURNED = (401, 403, 500, 503)
"""Pages that need an application: a page of one line sends them."""
_PAGE = '<%@ page session="false" %><% response.sendError(Integer.parseInt(request.getQueryString())); %>'


@contextmanager
def tomcat() -> Iterator[int]:
    """Run it; gives its loopback port."""
    port = free_port()
    with folder() as place:
        copy(Path("/etc/tomcat10"), place / "conf")
        copy(Path("/usr/share/tomcat10-root/default_root"), place / "webapps" / "ROOT")
        (place / "webapps" / "ROOT" / "recorded.jsp").write_text(_PAGE)
        for name in ("logs", "work", "temp"):
            (place / name).mkdir()
        server = place / "conf" / "server.xml"
        text = server.read_text()
        text = text.replace('<Server port="8005"', '<Server port="-1"').replace(
            '<Connector port="8080"', f'<Connector port="{port}" address="127.0.0.1"'
        )
        server.write_text(text)
        env = {
            **os.environ,
            "CATALINA_HOME": str(HOME),
            "CATALINA_BASE": str(place),
            "CATALINA_TMPDIR": str(place / "temp"),
        }
        with running([str(HOME / "bin" / "catalina.sh"), "run"], port, cwd=place, env=env):
            yield port


_TCHAR = r"!#$%&'*+.^_`|~0-9A-Za-z-"
_TARGET = r"[^\x00-\x20\x7f\"#<>\\^`{|}\x80-\xff]+"
_RULES = Rules(
    line=rf"(?P<method>[!#$%&'*+.^_`|~0-9A-Za-z-]+) +(?P<target>{_TARGET})(?: +HTTP/1\.(?P<minor>[01]))?",
    line_faults=(
        (rf"^([{_TCHAR}]*[^{_TCHAR} ][^ ]* )", "method"),
        (rf"^([{_TCHAR}]*[^{_TCHAR} ][^ ]*)\Z", "method open"),
        (rf"^\S+ +{_TARGET} +HTTP/[0-9.]+\r?\n", "version"),
        (rf"^\S+ +{_TARGET} +([^\r\n ]+ )", "protocol"),
        (rf"^\S+ +{_TARGET} +([^ ]+)\Z", "protocol open"),
        (r"^\S+ +([^ \r\n]+ )", "target"),
        (r"^\S+ +([^ ]+)\Z", "target open"),
    ),
    begins=rf"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+(?: +(?:{_TARGET}(?: +[HTP/0-9.]*\r?)?)?)?)?\r?",
    knows_http_09=True,
    line_bytes=8_189,
    head_bytes=8_192,
    field_count=100,
    field=r"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*",
    host=r"(?:\[[0-9A-Fa-f:.]+\]|(?!\.)(?!.*\.\.)[A-Za-z0-9._-]+)(?::\d{0,5})?|",
    host_faults=((r"^[^A-Za-z0-9\[]", "host start"), (r"([^A-Za-z0-9._:\[-])", "host character")),
    refusals={
        "request line length": "400 large line",
        "head length": "400 large",
        "field count": "400 count",
        "version": "505",
        "method": "400 method",
        "method open": "400 method open",
        "beginning": "400 method open",
        "protocol": "400 protocol",
        "protocol open": "400 protocol open",
        "target": "400 target",
        "target open": "400 target open",
        "field": "400 field",
        "host": "400 host",
        "path": "400 uri",
        "path absolute": "400",
        "path escape": "400 escape",
        "path slash": "400 slash",
        "host start": "400 host start",
        "host character": "400 host character",
        "transfer-encoding": "501 coding",
    },
    paths={
        "absolute": "match",
        "relative": "refuse",
        "escape": "refuse",
        "nul": "refuse",
        "slash": "refuse",
        "climb": "refuse",
    },
)


def recipe() -> Recipe:
    """Everything that Tomcat is asked."""
    found, refused, unknown = ("200", "404"), ("405", "405"), ("501", "501")
    escapes = {"/": "&#47;", "<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;", "'": "&#39;"}
    return Recipe(
        tomcat,
        Persona(
            product="Apache Tomcat/" + installed("tomcat10").partition("-")[0],
            recorded=0,
            index=("/", "/index.html"),
            pages={},
            order=(
                "*",
                "Content-Type",
                "Content-Language",
                "Transfer-Encoding",
                "Content-Length",
                "Date",
                "+",
            ),
            standing={"Date": "{date}"},
            methods={
                "GET": found,
                "HEAD": found,
                "POST": found,
                "OPTIONS": ("200 options", "200 options"),
                "PUT": refused,
                "DELETE": refused,
                "TRACE": ("405 trace", "405 trace"),
                "CONNECT": ("501 connect", "501 connect"),
                "*": unknown,
            },
            special=((r"(?i)^/(?:web-inf|meta-inf)(?:/|$)", "404"),),
            closing=("501", "501 connect", "501 coding", "505"),
            rules=_RULES,
            has_reason=False,
            escapes=escapes,
            spells={chr(code): f"0x{code:02x}" for code in (*range(32), *range(127, 256))},
            etag="{size}-{millis}",
            broken_hangs=True,
            continues="HTTP/1.1 100 \r\n\r\n",
            expects=True,
        ),
        {
            **STATIC,
            "400 count": get("/", *["A: b"] * 101),
            "400 field": get("/", "recorded field: x"),
            "400 host": get().replace(b"Host: ", b"Host: a:x"),
            "400 large": get("/", "A: " + "a" * 9_000),
            "400 method": b"recorded\x01 / HTTP/1.1\r\n\r\n",
            "400 escape": get("/%g0"),
            "400 slash": get("/%2f"),
            "400 uri": get("/../"),
            "400 large line": b"GET /" + b"a" * 9_000,
            "400 host start": get().replace(b"Host: ", b"Host: /"),
            "400 host character": get().replace(b"Host: ", b"Host: a/"),
            "400 protocol": b"GET / recorded \r\n\r\n",
            "400 method open": b"recorded\x01",
            "400 protocol open": b"GET / recorded",
            "400 target": b"GET recorded# HTTP/1.1\r\n\r\n",
            "400 target open": b"GET recorded#",
            "405": get(method="PUT"),
            "405 trace": get(method="TRACE"),
            "417": get("/", "Expect: x"),
            "501": get(method=METHOD),
            "501 coding": get("/", "Transfer-Encoding: gzip"),
            "501 connect": get("/", method="CONNECT"),
            "505": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
            "200 options": get(method="OPTIONS"),
            "200 star": get("*", method="OPTIONS"),
            **{str(status): get(f"/recorded.jsp?{status}") for status in RETURNED},
        },
        "/usr/share/tomcat10/bin/catalina.sh",
    )
