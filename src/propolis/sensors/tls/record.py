"""Records how a real server speaks TLS: ``python -m propolis.sensors.tls.record SERVER FILE``.

It starts the Debian server on loopback with a certificate of its own and that package's settings, and asks it: each
version, each cipher until none is left, each protocol, and what it says to a client that does not speak TLS.
"""

import argparse
import re
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from propolis.clock import SECOND, SystemClock
from propolis.lures.record import START_SECONDS, await_port, free_port
from propolis.sensors.tls.certificate import Habit, make
from propolis.sensors.tls.front import VERSIONS
from propolis.sensors.tls.profile import Profile, Version

QUIET_SECONDS = 0.5
KNOWN_PROTOCOLS = ("h2", "http/1.1", "http/1.0", "http/0.9", "spdy/3.1")

_NGINX = """
daemon off; worker_processes 1; pid {place}/pid; error_log {place}/log; events {{}}
http {{
    access_log off;
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
    ssl_prefer_server_ciphers on;
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {place}/pem;
        ssl_certificate_key {place}/pem;
    }}
}}
"""
_APACHE = """
PidFile {place}/pid
DefaultRuntimeDir {place}
ErrorLog {place}/log
User www-data
Group www-data
Include /etc/apache2/mods-available/mpm_event.load
Include /etc/apache2/mods-available/authz_core.load
Include /etc/apache2/mods-available/socache_shmcb.load
Include /etc/apache2/mods-available/ssl.load
SSLCipherSuite HIGH:!aNULL
SSLProtocol all -SSLv3
SSLSessionTickets off
ServerTokens OS
Listen 127.0.0.1:{port}
<VirtualHost *:{port}>
    ServerName localhost
    SSLEngine on
    SSLCertificateFile {place}/pem
</VirtualHost>
"""
_LIGHTTPD = """
server.document-root = "{place}"
server.port = {port}
server.bind = "127.0.0.1"
server.modules += ("mod_openssl")
ssl.engine = "enable"
ssl.pemfile = "{place}/pem"
"""
_TOMCAT = """<Server port="-1"><Service name="Catalina">
  <Connector port="{port}" address="127.0.0.1" SSLEnabled="true"
      protocol="org.apache.coyote.http11.Http11NioProtocol">
    <SSLHostConfig><Certificate certificateFile="{place}/pem" certificateKeyFile="{place}/pem"/></SSLHostConfig>
  </Connector>
  <Engine name="Catalina" defaultHost="localhost"><Host name="localhost" appBase="webapps"/></Engine>
</Service></Server>
"""
_JAVA = (
    "java", "-cp", "/usr/share/tomcat10/bin/bootstrap.jar:/usr/share/tomcat10/bin/tomcat-juli.jar",
    "-Dcatalina.home=/usr/share/tomcat10", "-Dcatalina.base={place}",
    "org.apache.catalina.startup.Bootstrap", "start",
)  # fmt: skip
_EXPRESS = """
const fs = require('fs'), https = require('https');
const app = require('express')();
const pem = fs.readFileSync('{place}/pem');
app.get('/', (req, res) => res.send('Hello World!'));
https.createServer({{ key: pem, cert: pem }}, app).listen({port}, '127.0.0.1');
"""
_PYTHON = """
import http.server, ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("{place}/pem")
server = http.server.ThreadingHTTPServer(("127.0.0.1", {port}), http.server.SimpleHTTPRequestHandler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
_JETTY = """
--module=http,https,resources
jetty.http.port=0
jetty.ssl.host=127.0.0.1
jetty.ssl.port={port}
jetty.sslContext.keyStorePath=store
jetty.sslContext.keyStorePassword=changeit
jetty.sslContext.keyManagerPassword=changeit
jetty.sslContext.trustStorePath=store
jetty.sslContext.trustStorePassword=changeit
"""


class Server(msgspec.Struct, frozen=True):
    """How to run one: its configuration, where that goes, the command, the Debian package, and its certificate."""

    config: str
    file: str
    command: tuple[str, ...]
    package: str
    habit: Habit


SERVERS = {
    "nginx": Server(_NGINX, "conf", ("nginx", "-p", "{place}", "-c", "{place}/conf"), "nginx", "snakeoil"),
    "apache": Server(
        _APACHE, "conf", ("apache2", "-D", "FOREGROUND", "-f", "{place}/conf"), "apache2", "snakeoil"
    ),
    "lighttpd": Server(_LIGHTTPD, "conf", ("lighttpd", "-D", "-f", "{place}/conf"), "lighttpd", "snakeoil"),
    "express": Server(
        _EXPRESS,
        "app.js",
        ("env", "NODE_PATH=/usr/share/nodejs", "node", "app.js"),
        "node-express",
        "openssl",
    ),
    "jetty": Server(
        _JETTY,
        "start.ini",
        ("java", "-jar", "/usr/share/jetty9/start.jar", "jetty.base={place}", "jetty.home=/usr/share/jetty9"),
        "jetty9",
        "keytool",
    ),
    "mini_httpd": Server(
        "",
        "conf",
        ("mini_httpd", "-D", "-S", "-E", "{place}/pem", "-p", "{port}", "-h", "127.0.0.1"),
        "mini-httpd",
        "openssl",
    ),
    "python": Server(_PYTHON, "serve.py", ("/usr/bin/python3", "serve.py"), "python3", "openssl"),
    "tomcat": Server(_TOMCAT, "conf/server.xml", _JAVA, "tomcat10", "keytool"),
}


@contextmanager
def running(server: Server) -> Iterator[int]:
    """The server, up; gives its port."""
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        for folder in ("conf.d", "logs", "temp", "work", "webapps"):
            (place / folder).mkdir()
        (place / server.file).parent.mkdir(exist_ok=True)
        (place / server.file).write_text(server.config.format(place=place, port=port))
        (place / "pem").write_bytes(make("snakeoil", "localhost", SystemClock().now()))
        if server.habit == "keytool":
            _keep_for_java(place)
        command = [word.format(place=place, port=port) for word in server.command]
        with Path(place, "said").open("wb") as said:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=place)
        try:
            await_port(port)
            yield port
        finally:
            process.terminate()
            try:
                process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(START_SECONDS)


def _keep_for_java(place: Path) -> None:
    """The key and its certificate where Java looks for them."""
    pem, store = str(place / "pem"), str(place / "store")
    subprocess.run(
        ["openssl", "pkcs12", "-export", "-in", pem, "-out", store, "-passout", "pass:changeit"], check=True
    )
    (place / "store").chmod(0o644)


def record(name: str) -> Profile:
    """The profile of one of :data:`SERVERS`, asked just now."""
    server = SERVERS[name]
    version = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${Version}", server.package],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    product = f"{server.package}/{re.split(r'[-+~]', version)[0]}"
    with running(server) as port:
        return profile_of(port, product, server.habit)


def profile_of(port: int, product: str, habit: Habit) -> Profile:
    """How whatever listens at this loopback port speaks TLS."""
    ciphers = _until_none(lambda left: _cipher(port, left), _known_ciphers())
    clear, noise = ask(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), ask(port, bytes(20))
    return Profile(
        product=product,
        recorded=SystemClock().now() // SECOND,
        certificate=habit,
        versions=tuple(name for name in VERSIONS if _speaks(port, name)),
        ciphers=tuple(ciphers),
        is_server_order=_cipher(port, ciphers[:2]) == _cipher(port, ciphers[1::-1]),
        has_tickets=_has_ticket(port),
        protocols=tuple(_until_none(lambda left: _protocol(port, left), KNOWN_PROTOCOLS)),
        refuses_protocols=_refuses(port),
        clear=re.sub(r"(?<=Date: ).*?(?=\r)", "{date}", clear),
        noise=None if noise.startswith("HTTP/") else noise,
    )


def client(*, highest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> ssl.SSLContext:
    """A client that takes any certificate and speaks what this OpenSSL can."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = highest
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@contextmanager
def greeted(port: int, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket | None]:
    """A connection whose handshake is done; None if the server did not want it."""
    with socket.create_connection(("127.0.0.1", port), START_SECONDS) as plain:
        try:
            talk = context.wrap_socket(plain, server_hostname="localhost")
        except (ssl.SSLError, ConnectionError):
            yield None
            return
        with talk:
            yield talk


def ask(port: int, data: bytes) -> str:
    """What comes back to bytes that are no TLS, as Latin-1."""
    reply = b""
    with socket.create_connection(("127.0.0.1", port), START_SECONDS) as plain:
        plain.settimeout(QUIET_SECONDS)
        plain.sendall(data)
        try:
            while part := plain.recv(65_536):
                reply += part
        except (TimeoutError, ConnectionError):
            pass  # whatever came until then is the answer
    return reply.decode("latin-1")


def _until_none(choose: Callable[[list[str]], str | None], offered: Sequence[str]) -> list[str]:
    """What a server chooses out of an offer, again and again without what it chose before."""
    left, chosen = list(offered), []
    while left and (choice := choose(left)):
        chosen.append(choice)
        left.remove(choice)
    return chosen


def _known_ciphers() -> list[str]:
    return [str(cipher["name"]) for cipher in client().get_ciphers() if cipher["protocol"] != "TLSv1.3"]


def _cipher(port: int, offered: Sequence[str]) -> str | None:
    context = client()
    context.set_ciphers(":".join([*offered, "@SECLEVEL=0"]))
    with greeted(port, context) as talk:
        chosen = talk.cipher() if talk else None
        return chosen[0] if chosen else None


def _protocol(port: int, offered: Sequence[str]) -> str | None:
    context = client()
    context.set_alpn_protocols(list(offered))
    with greeted(port, context) as talk:
        return talk.selected_alpn_protocol() if talk else None


def _refuses(port: int) -> bool:
    """Whether a protocol it has not heard of is answered with an alert (RFC 7301, 3.2)."""
    context = client()
    context.set_alpn_protocols(["unheard-of"])
    with socket.create_connection(("127.0.0.1", port), START_SECONDS) as plain:
        try:
            context.wrap_socket(plain, server_hostname="localhost").close()
        except ssl.SSLError as error:
            return "no application protocol" in str(error)  # Python has no name for it
    return False


def _speaks(port: int, version: Version) -> bool:
    context = client(highest=VERSIONS[version])
    context.minimum_version = VERSIONS[version]
    with greeted(port, context) as talk:
        return talk is not None


def _has_ticket(port: int) -> bool:
    with greeted(port, client()) as talk:
        return talk is not None and talk.session is not None and talk.session.has_ticket


def main(arguments: Sequence[str]) -> None:
    """Record one server into a file."""
    parser = argparse.ArgumentParser(prog="python -m propolis.sensors.tls.record")
    parser.add_argument("server", choices=sorted(SERVERS))
    parser.add_argument("file", type=Path)
    chosen = parser.parse_args(arguments)
    text = msgspec.json.format(msgspec.json.encode(record(chosen.server)), indent=1)
    chosen.file.write_bytes(text + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
