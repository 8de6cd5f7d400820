"""Record the pages of Debian's nginx into a persona: ``python -m propolis.lures.http.record [file]``.

Runs the installed nginx with Debian's own site on a free loopback port, as this user, in a folder of its own.
"""

import base64
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from propolis.clock import SECOND, Clock, SystemClock
from propolis.lures.http.site import Page, Persona
from propolis.lures.persona import FOLDER
from propolis.lures.record import START_SECONDS, await_port, free_port

ROOT = Path("/usr/share/nginx/html")
"""Where Debian's package keeps the page it installs as ``index.nginx-debian.html``."""
INDEX = "index.nginx-debian.html"
QUIET_SECONDS = 0.3

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
    }}
}}
"""

_HOST = b"Host: localhost\r\n"
_PROBES: dict[int, bytes] = {
    200: b"GET / HTTP/1.1\r\n" + _HOST,
    206: b"GET / HTTP/1.1\r\n" + _HOST + b"Range: bytes=0-9\r\n",
    304: b"GET / HTTP/1.1\r\n" + _HOST + b"If-None-Match: *\r\n",
    400: b"GET / HTTP/1.1\r\n",
    404: b"GET /missing HTTP/1.1\r\n" + _HOST,
    405: b"POST / HTTP/1.1\r\n" + _HOST,
    412: b"GET / HTTP/1.1\r\n" + _HOST + b"If-Match: other\r\n",
    413: b"GET / HTTP/1.1\r\n" + _HOST + b"Content-Length: 9999999\r\n",
    414: b"GET /" + b"a" * 9_000,
    416: b"GET / HTTP/1.1\r\n" + _HOST + b"Range: bytes=9999-\r\n",
    494: b"GET / HTTP/1.1\r\nX: " + b"a" * 9_000,
    501: b"GET / HTTP/1.1\r\n" + _HOST + b"Transfer-Encoding: gzip\r\n",
    505: b"GET / HTTP/2.0\r\n",
}
_MARKS = (
    (re.compile(r"(?m)^(Date: ).*(?=\r)"), r"\1{date}"),
    (re.compile(r"(?m)^(Connection: ).*(?=\r)"), r"\1{connection}"),
    (re.compile(r"(?m)^(Last-Modified: ).*(?=\r)"), r"\1{modified}"),
    (re.compile(r"(?m)^(ETag: (?:W/)?).*(?=\r)"), r"\1{etag}"),
    (re.compile(r"(?m)^(Content-Range: bytes )\d.*(?=/)"), r"\1{range}"),
)


@contextmanager
def nginx(index: Path) -> Iterator[int]:
    """Run nginx with Debian's default site around this index page; gives its loopback port."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        html = Path(folder, "html")
        html.mkdir()
        html.chmod(0o755)
        Path(folder).chmod(0o755)
        shutil.copy(index, html / INDEX)
        config = Path(folder, "nginx.conf")
        config.write_text(_CONFIG.format(folder=folder, port=port, index=INDEX))
        server = subprocess.Popen(["nginx", "-p", folder, "-c", str(config)], stderr=subprocess.DEVNULL)
        try:
            await_port(port)
            yield port
        finally:
            server.terminate()
            server.wait(START_SECONDS)


def ask(port: int, request: bytes) -> bytes:
    """One request on a connection of its own; everything that comes back before silence or the end."""
    reply = b""
    with socket.create_connection(("127.0.0.1", port), QUIET_SECONDS) as client:
        client.sendall(request)
        with suppress(TimeoutError):
            while data := client.recv(65_536):
                reply += data
    return reply


def record(clock: Clock, index: Path) -> Persona:
    """Ask a fresh nginx for every page."""
    product = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr.split()[-1]
    with nginx(index) as port:
        pages = {str(status): _page(port, request) for status, request in _PROBES.items()}
    return Persona(product, clock.now() // SECOND, ("/", f"/{INDEX}"), pages)


def _page(port: int, request: bytes) -> Page:
    head, body = _split(ask(port, request + b"\r\n"))
    packed_head, packed = _split(ask(port, request + b"Accept-Encoding: gzip\r\n\r\n"))
    if "Content-Encoding: gzip" not in packed_head:
        packed_head, packed = "", b""
    if " 206 " in head:
        head, body = head.replace("Content-Length: 10\r\n", "Content-Length: {length}\r\n"), b""
    return Page(head, body.decode(), packed_head, base64.b64encode(packed).decode())


def _split(reply: bytes) -> tuple[str, bytes]:
    head, end, body = reply.partition(b"\r\n\r\n")
    text = (head + end).decode()
    for pattern, mark in _MARKS:
        text = pattern.sub(mark, text)
    return text, body


def main(arguments: list[str]) -> None:
    """Write the persona to the file named, or in its place among the personas."""
    target = Path(arguments[0]) if arguments else FOLDER / "http" / "debian12.json"
    found = msgspec.json.encode(record(SystemClock(), ROOT / "index.html"))
    target.write_bytes(msgspec.json.format(found, indent=1) + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
