"""The gate before everything the console serves: who asks, from where, and is it they who mean it.

In this order: ``Host`` must be ours (DNS rebinding), the path must exist, whoever asks must be logged in or bring the
token, and what changes something must come from our own page (``Origin``, RFC 6454) and carry the session's CSRF token.
A WebSocket ends with its session.
"""

import hmac
import ipaddress
import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

import msgspec
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from propolis.config import Console
from propolis.console.session import Session, Sessions

COOKIE = "propolis"
SECURE_COOKIE = "__Host-propolis"
"""The name that browsers take only over TLS, for one host and every path (RFC 6265bis, 4.1.3)."""
CSRF_HEADER = "x-csrf-token"
SESSION = "propolis.session"
CLIENT = "propolis.client"
"""Where the ASGI scope holds the session (None: it was the token), and :class:`Whence` the request came from."""

PAGES = frozenset({"/", "/lures", "/rules", "/novel"})
OPEN_PATHS = frozenset({"/login", "/console.css", "/favicon.ico"})
PATHS = ("/api/v1/", "/_nicegui/", "/_nicegui_ws/")
TOKEN_PATHS = ("/api/v1/", "/metrics")
SAFE_METHODS = frozenset({"GET", "HEAD"})
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
POLICY_VIOLATION = 1008  # RFC 6455, 7.4.1

_SCRIPT = re.compile(rb"<script(?=[\s>])")


class Whence(msgspec.Struct, frozen=True):
    """Where a request came from: the asker's address, and our own origin as the asker sees it."""

    address: str
    scheme: str
    host: str

    @property
    def origin(self) -> str:
        """Scheme, host and port (RFC 6454, 6.2)."""
        return f"{self.scheme}://{self.host}".lower()

    @property
    def cookie(self) -> str:
        """The name of the session's cookie on this connection."""
        return SECURE_COOKIE if self.scheme == "https" else COOKIE


class Gate:
    """ASGI middleware around the whole console."""

    def __init__(self, app: ASGIApp, settings: Console, sessions: Sessions, token: str, listen: str) -> None:
        """``listen`` is the address the console really listens on."""
        self._app = app
        self._sessions = sessions
        self._token = token.encode()
        self._hosts = LOOPBACK | {host.lower() for host in settings.hosts} | {listen}
        self._any_address = ipaddress.ip_address(listen).is_unspecified
        self._proxies = tuple(ipaddress.ip_network(network) for network in settings.proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, or say why not."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        whence = self._whence(connection)
        scope[CLIENT] = whence
        answer = self._refusal(connection, whence)
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send, answer)
        elif answer is not None:
            await answer(scope, receive, _with_headers(send, whence.scheme, scope["path"]))
        else:
            await self._app(scope, receive, _with_headers(send, whence.scheme, scope["path"]))

    def _refusal(self, connection: HTTPConnection, whence: Whence) -> Response | None:
        """Why this request is not served; None if it is. Leaves who asks in the scope."""
        path, headers = connection.scope["path"], connection.headers
        method = connection.scope.get("method", "GET")
        changes = method not in SAFE_METHODS or connection.scope["type"] == "websocket"
        if not self._is_ours(whence.host):
            return _refuse(421, f"not the name of this console; add it to console.hosts ({whence.host[:80]})")
        if path not in {"/metrics"} | PAGES | OPEN_PATHS and not path.startswith(PATHS):
            return _refuse(404, "no such page")
        if path.startswith(TOKEN_PATHS) and self._has_token(headers):
            connection.scope[SESSION] = None
            return None
        if changes and headers.get("origin", "").lower() != whence.origin:
            return _refuse(
                403, f"not from this page: its origin is {whence.origin} (behind TLS, set console.proxies)"
            )
        if path in OPEN_PATHS:
            return None
        session = self._sessions.by_cookie(connection.cookies.get(whence.cookie, ""))
        if session is None:
            return (
                RedirectResponse("/login", 303)
                if path in PAGES
                else _refuse(401, "log in, or bring the token")
            )
        connection.scope[SESSION] = session
        if method not in SAFE_METHODS and path.startswith(TOKEN_PATHS) and not _has_csrf(headers, session):
            return _refuse(403, f"{CSRF_HEADER} is missing or not this session's; see /api/v1/session")
        return None

    def _is_ours(self, host: str) -> bool:
        name = _name_of(host)
        if name in self._hosts:
            return True
        return self._any_address and _is_address(name)  # only a name can be bound to another address

    def _has_token(self, headers: Headers) -> bool:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self._token)

    def _whence(self, connection: HTTPConnection) -> Whence:
        peer = connection.client.host if connection.client else ""
        scheme = "https" if connection.scope["scheme"] in {"https", "wss"} else "http"
        headers = connection.headers
        if _is_within(peer, self._proxies):
            scheme = "https" if headers.get("x-forwarded-proto", scheme).lower() == "https" else "http"
            # the last address is the one our own proxy added; whatever stands before it the client may have written
            forwarded = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
            peer = forwarded if _is_address(forwarded) else peer
        return Whence(peer, scheme, headers.get("host", "").lower())

    async def _websocket(self, scope: Scope, receive: Receive, send: Send, refusal: Response | None) -> None:
        session: Session | None = scope.get(SESSION)
        if refusal is not None or session is None:
            await WebSocketClose(POLICY_VIOLATION, "refused")(scope, receive, send)
            return

        async def receive_while_it_lasts() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive" and self._sessions.use(session.key) is None:
                await send({"type": "websocket.close", "code": POLICY_VIOLATION})
                return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}
            return message

        await self._app(scope, receive_while_it_lasts, send)


def _has_csrf(headers: Headers, session: Session) -> bool:
    return hmac.compare_digest(headers.get(CSRF_HEADER, "").encode(), session.csrf.encode())


def _refuse(status: int, why: str) -> Response:
    return JSONResponse({"error": f"{HTTPStatus(status).phrase}: {why}"}, status)


def _name_of(host: str) -> str:
    """The host without its port; ``[::1]:8765`` is ``::1``."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_within(address: str, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    if not networks or not _is_address(address):
        return False
    parsed = ipaddress.ip_address(address)
    return any(parsed in network for network in networks)


def _with_headers(send: Send, scheme: str, path: str) -> Callable[[Message], Awaitable[None]]:
    """``send`` with the security headers, and in an HTML page one nonce for all its scripts.

    The page leaves here without a word from an attacker in it (its data comes later, over the WebSocket), so every
    ``<script`` in it is ours. Whatever markup might appear in it afterwards finds its scripts and handlers forbidden.
    """
    nonce = secrets.token_urlsafe(16)
    held: list[Message] = []
    body: list[bytes] = []

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            _add_headers(MutableHeaders(scope=message), nonce, scheme, path)
            if MutableHeaders(scope=message).get("content-type", "").startswith("text/html"):
                held.append(message)
                return
        elif held:
            body.append(message.get("body", b""))
            if message.get("more_body", False):
                return
            page = _SCRIPT.sub(f'<script nonce="{nonce}"'.encode(), b"".join(body))
            start = held.pop()
            MutableHeaders(scope=start)["content-length"] = str(len(page))
            await send(start)
            message = {"type": "http.response.body", "body": page}
        await send(message)

    return send_with_headers


def _add_headers(headers: MutableHeaders, nonce: str, scheme: str, path: str) -> None:
    # Vue compiles its templates in the browser, hence unsafe-eval; Quasar sets style attributes, hence unsafe-inline
    headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    headers["X-Frame-Options"] = "DENY"
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"  # with no-referrer a browser's form would come from "null"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if not path.startswith("/_nicegui/"):
        headers["Cache-Control"] = "no-store"
    if scheme == "https":
        headers["Strict-Transport-Security"] = "max-age=31536000"
