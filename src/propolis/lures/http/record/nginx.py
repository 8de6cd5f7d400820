"""Debian's nginx: its own settings, its own page."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from propolis.lures.http.record.recipe import STATIC, Recipe, get
from propolis.lures.http.record.server import folder, running
from propolis.lures.http.server import Persona
from propolis.lures.record import free_port

ROOT = Path("/usr/share/nginx/html")
"""Where Debian's package keeps the page it installs as ``index.nginx-debian.html``."""
INDEX = "index.nginx-debian.html"
RETURNED = (401, 403, 500, 502, 503, 504)
"""Pages that need an application behind it, or a password: asked for by a path of their own."""

# the http section of Debian's nginx.conf and its default site, without what needs root
_CONFIG = """
daemon off;
pid {folder}/pid;
error_log stderr crit;
events {{ worker_connections 64; }}
http {{
    sendfile on;
    tcp_nopush on;
    types_hash_max_size 2048;
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log off;
    gzip on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} default_server;
        root {folder}/html;
        index index.html index.htm {index};
        server_name _;
        location / {{ try_files $uri $uri/ =404; }}
{returned}
    }}
}}
"""


@contextmanager
def nginx(index: Path) -> Iterator[int]:
    """Run nginx with Debian's default site around this index page; gives its loopback port."""
    port = free_port()
    with folder() as place:
        (place / "html").mkdir(mode=0o755)
        shutil.copy(index, place / "html" / INDEX)
        returned = "\n".join(f"        location = /_{status} {{ return {status}; }}" for status in RETURNED)
        config = place / "nginx.conf"
        config.write_text(_CONFIG.format(folder=place, port=port, index=INDEX, returned=returned))
        with running(["nginx", "-p", str(place), "-c", str(config)], port, cwd=place):
            yield port


def product() -> str:
    """What the installed nginx calls itself."""
    said = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr
    return said.split()[-1]


def recipe() -> Recipe:
    """Everything that nginx is asked."""
    probes = {
        **STATIC,
        "405": get("/", method="POST"),
        "413": get("/", "Content-Length: 9999999"),
        "414": b"GET /" + b"a" * 9_000,
        "494": b"GET / HTTP/1.1\r\nX: " + b"a" * 9_000 + b"\r\n\r\n",
        "501": get("/", "Transfer-Encoding: gzip"),
        "505": b"GET / HTTP/2.0\r\n\r\n",
        **{str(status): get(f"/_{status}") for status in RETURNED},
    }
    persona = Persona(
        product=product(),
        recorded=0,
        index=("/", f"/{INDEX}"),
        pages={},
        order=(
            "Server",
            "Date",
            "Content-Type",
            "Content-Length",
            "Last-Modified",
            "Location",
            "Transfer-Encoding",
            "+",
            "*",
        ),
        standing={"Server": product(), "Date": "{date}"},
        methods={
            "GET": ("200", "404"),
            "HEAD": ("200", "404"),
            "TRACE": ("405 never", "405 never"),
            "CONNECT": ("405 never", "405 never"),
            "*": ("405", "404"),
        },
        closing=("413", "405 never"),
        hanging=("412",),
        reasons={
            "302": "Moved Temporarily",
            "405": "Not Allowed",
            "408": "Request Time-out",
            "413": "Request Entity Too Large",
            "414": "Request-URI Too Large",
            "416": "Requested Range Not Satisfiable",
            "503": "Service Temporarily Unavailable",
            "504": "Gateway Time-out",
        },
        etag="{seconds:x}-{size:x}",
        gzip=r"(?i)(?:^|[ ,])gzip *(?:$|[, ]|; *q=(?:1|0\.0{0,2}[1-9]))",
        gzips_modern=True,
        broken=("400", ""),
        requests=1_000,
        body_bytes=1_048_576,
    )
    return Recipe(nginx_with_its_page, persona, probes, "nginx")


def nginx_with_its_page() -> AbstractContextManager[int]:
    """Nginx as Debian installs it."""
    return nginx(ROOT / "index.html")
