"""Debian's Apache: its own modules, its own settings, its own page."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from propolis.lures.http.record.recipe import METHOD, PATH, STATIC, Recipe, get, said_by
from propolis.lures.http.record.server import copy, folder, running
from propolis.lures.http.server import Persona, Rules
from propolis.lures.record import free_port

RETURNED = (401, 403, 500, 502, 503, 504)
"""Pages that need an application behind it, or a password: asked for by a path of their own."""
PAGE = Path("/usr/share/apache2/default-site/index.html")

# Debian's apache2.conf, ports.conf and 000-default.conf, without what needs root
_CONFIG = """
DefaultRuntimeDir {place}
PidFile {place}/pid
Timeout 300
KeepAlive On
MaxKeepAliveRequests 100
KeepAliveTimeout 5
User www-data
Group www-data
HostnameLookups Off
ErrorLog {place}/error.log
LogLevel crit
IncludeOptional /etc/apache2/mods-enabled/*.load
IncludeOptional /etc/apache2/mods-enabled/*.conf
Listen 127.0.0.1:{port}
<Directory />
    Options FollowSymLinks
    AllowOverride None
    Require all denied
</Directory>
<Directory {place}/html>
    Options Indexes FollowSymLinks
    AllowOverride None
    Require all granted
</Directory>
AccessFileName .htaccess
<FilesMatch "^\\.ht">
    Require all denied
</FilesMatch>
Include /etc/apache2/conf-available/charset.conf
Include /etc/apache2/conf-available/localized-error-pages.conf
Include /etc/apache2/conf-available/security.conf
<VirtualHost *:{port}>
    ServerAdmin webmaster@localhost
    DocumentRoot {place}/html
{returned}
</VirtualHost>
"""


@contextmanager
def apache() -> Iterator[int]:
    """Run it; gives its loopback port."""
    port = free_port()
    with folder() as place:
        copy(PAGE, place / "html" / "index.html")
        config = place / "apache2.conf"
        returned = "\n".join(f"    Redirect {status} /_{status}" for status in RETURNED)
        config.write_text(_CONFIG.format(place=place, port=port, returned=returned))
        env = {"APACHE_RUN_DIR": str(place), "PATH": os.environ["PATH"]}
        with running(["apache2", "-D", "FOREGROUND", "-f", str(config)], port, cwd=place, env=env):
            yield port


# RFC 9112 as `HttpProtocolOptions Strict` reads it, and a line of HTTP/0.9 (core.c, ap_parse_request_line)
_RULES = Rules(
    line=(
        r"(?!CONNECT \S*/)(?!(?!GET /)\S+ \S+ ?$)"
        r"(?P<method>[!#$%&'*+.^_`|~0-9A-Za-z-]+) (?P<target>[^\x00-\x20\x7f#]+)(?: ?| HTTP/1\.(?P<minor>[01]))"
    ),
    knows_http_09=True,
    needs_crlf=True,
    line_bytes=8_191,
    field_bytes=8_191,
    field_count=100,
    field=r"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*",
    host=r"\[[0-9A-Fa-f:.]+\](?::\d{0,5})?|(?!\.(?::|$))(?!.*\.\.)[A-Za-z0-9._-]+(?::\d{0,5})?",
    empty_host_is_none=True,
    refusals={
        "request line length": "414",
        "field length": "400 field",
        "field count": "400 count",
    },
    paths={
        "star": "refuse",
        "relative": "miss",
        "escape": "refuse",
        "nul": "miss",
        "slash": "miss",
        "double": "keep",
        "climb": "refuse",
        "fragment": "refuse",
    },
)


def recipe() -> Recipe:
    """Everything that Apache is asked."""
    product = said_by(apache, "Server")
    found, unknown = ("200", "404"), ("501", "501")
    refused = ("405", "405")
    return Recipe(
        apache,
        Persona(
            product=product,
            recorded=0,
            index=("/", "/index.html"),
            pages={},
            order=(
                "Date",
                "Server",
                "*",
                "Last-Modified",
                "ETag",
                "Accept-Ranges",
                "Content-Length",
                "Vary",
                "+",
                "Transfer-Encoding",
                "Content-Type",
            ),
            standing={"Date": "{date}", "Server": product},
            methods={
                "GET": found,
                "HEAD": found,
                "POST": found,
                "OPTIONS": ("200 options", "200 options missing"),
                "TRACE": ("405 trace", "405 trace"),
                **dict.fromkeys(_KNOWN, refused),
                "*": unknown,
            },
            special=(
                (r"/\.ht[^/]*(?:/|$)", "403"),
                (r"[^/]{256}", "403"),
                (r"^/(?:server-status|icons/)$", "403"),
            ),
            closing=("501",),
            rules=_RULES,
            reasons={
                "413": "Request Entity Too Large",
                "414": "Request-URI Too Long",
                "416": "Requested Range Not Satisfiable",
            },
            wrong_range="200",
            etag="{size:x}-{micros:x}",
            gzip=r"(?i)(?:^|[ ,])gzip *(?:$|[, ;])",
            requests=100,
            answers_early=False,
            broken=("400 broken", "400 broken"),
            continues="HTTP/1.1 100 Continue\r\n\r\n",
            expects=True,
        ),
        {
            **STATIC,
            "400 broken": get("/", "Transfer-Encoding: chunked") + b"zz\r\n",
            "400 count": get("/", *["A: b"] * 101),
            "400 field": get("/", "A: " + "a" * 9_000),
            "405": get("/", method="PUT"),
            "405 trace": get("/", method="TRACE"),
            "413": get("/", "Transfer-Encoding: chunked", method="POST") + b"f" * 17 + b"\r\n",
            "414": get("/" + "a" * 9_000),
            "417": get("/", "Expect: recorded"),
            "501": get("/", method=METHOD),
            "200 options": get("/", method="OPTIONS"),
            "200 options missing": get(PATH, method="OPTIONS"),
            "200 star": get("*", method="OPTIONS"),
            **{str(status): get(f"/_{status}") for status in RETURNED},
        },
        "apache2",
    )


_KNOWN = (
    "PUT",
    "DELETE",
    "CONNECT",
    "PATCH",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "VERSION-CONTROL",
    "CHECKOUT",
    "UNCHECKOUT",
    "CHECKIN",
    "UPDATE",
    "LABEL",
    "REPORT",
    "MKWORKSPACE",
    "MKACTIVITY",
    "BASELINE-CONTROL",
    "MERGE",
)
"""Methods that Apache knows, and its static files do not."""
