"""The gate, asked as a browser, a rebound name, another site and a scraper would ask."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Message
from starlette.websockets import WebSocket

from propolis.clock import ManualClock
from propolis.config import Console
from propolis.console.gate import CLIENT, COOKIE, CSRF_HEADER, SECURE_COOKIE, Gate
from propolis.console.session import LIFE_SECONDS, Session, Sessions

TOKEN = "token-of-this-test-and-of-no-other-test"
HOME = "http://127.0.0.1:8765"


async def page(_: Request) -> Response:
    return HTMLResponse("<script>one()</script><script type=module>two()</script><scripture>")


async def who(request: Request) -> Response:
    return PlainTextResponse(f"{request.scope[CLIENT].address} {request.scope[CLIENT].scheme}")


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text)


APP = Starlette(
    routes=[
        Route("/", page),
        Route("/login", who, methods=["GET", "POST"]),
        Route("/metrics", who),
        Route("/docs", who),
        Route("/api/v1/clock", who),
        Route("/api/v1/revoke", who, methods=["POST"]),
        WebSocketRoute("/_nicegui_ws/", echo),
    ]
)


@pytest.fixture
def sessions(clock: ManualClock) -> Sessions:
    secrets = iter(range(1_000))
    return Sessions(clock, lambda: f"secret {next(secrets)}")


def gate(sessions: Sessions, settings: Console | None = None, listen: str = "127.0.0.1") -> Gate:
    return Gate(APP, settings or Console(), sessions, TOKEN, listen)


def client(gate: Gate, home: str = HOME, peer: str = "127.0.0.1") -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(gate, client=(peer, 50_000)), base_url=home)


@pytest.fixture
async def stranger(sessions: Sessions) -> AsyncIterator[httpx.AsyncClient]:
    async with client(gate(sessions)) as asker:
        yield asker


@pytest.fixture
def session(sessions: Sessions, stranger: httpx.AsyncClient) -> Session:
    """The stranger is logged in from here on."""
    cookie, session = sessions.open("127.0.0.1")
    stranger.cookies.set(COOKIE, cookie)
    return session


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:8765", "LOCALHOST", "[::1]:8765"])
async def test_loopback_names_are_ours(stranger: httpx.AsyncClient, host: str) -> None:
    assert (await stranger.get("/login", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil.example:8765", "", "192.0.2.1:8765", "localhost."],
)
async def test_a_name_that_is_not_ours_gets_nothing(stranger: httpx.AsyncClient, host: str) -> None:
    for path in ("/", "/login", "/metrics", "/api/v1/clock"):
        answer = await stranger.get(path, headers={"Host": host, "Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 421


async def test_a_configured_name_is_ours_and_so_is_the_address_we_listen_on(sessions: Sessions) -> None:
    async with client(gate(sessions, Console(hosts=("hive.example",)), "192.0.2.1")) as asker:
        for host in ("hive.example:8765", "192.0.2.1:8765"):
            assert (await asker.get("/login", headers={"Host": host})).status_code == 200


async def test_on_all_addresses_any_address_is_ours_but_no_other_name(sessions: Sessions) -> None:
    async with client(gate(sessions, listen="0.0.0.0")) as asker:
        assert (await asker.get("/login", headers={"Host": "192.0.2.77:8765"})).status_code == 200
        assert (await asker.get("/login", headers={"Host": "evil.example"})).status_code == 421


async def test_a_stranger_is_shown_the_way_in(stranger: httpx.AsyncClient) -> None:
    home = await stranger.get("/")
    assert (home.status_code, home.headers["location"]) == (303, "/login")
    for path in ("/api/v1/clock", "/metrics", "/_nicegui_ws/socket.io/"):
        assert (await stranger.get(path)).status_code == 401


async def test_what_is_not_the_consoles_does_not_exist(stranger: httpx.AsyncClient, session: Session) -> None:
    for path in ("/docs", "/openapi.json", "/api/v2/clock", "/LOGIN"):
        assert (await stranger.get(path)).status_code == 404


async def test_a_session_may_look(stranger: httpx.AsyncClient, session: Session) -> None:
    for path in ("/", "/api/v1/clock", "/metrics"):
        assert (await stranger.get(path)).status_code == 200


async def test_a_wrong_cookie_is_none(stranger: httpx.AsyncClient, session: Session) -> None:
    for cookie in ("", session.key, "secret", "\xff"):
        answer = await stranger.get(
            "/api/v1/clock", headers={"Cookie": f"{COOKIE}={cookie}".encode("latin-1")}
        )
        assert answer.status_code == 401


async def test_the_token_may_ask_the_api_and_nothing_else(stranger: httpx.AsyncClient) -> None:
    bearer = {"Authorization": f"bearer {TOKEN}"}
    assert (await stranger.get("/metrics", headers=bearer)).status_code == 200
    assert (await stranger.post("/api/v1/revoke", headers=bearer)).status_code == 200
    assert (await stranger.get("/", headers=bearer)).status_code == 303
    for wrong in ("Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer \xff", ""):
        answer = await stranger.get("/metrics", headers={"Authorization": wrong.encode("latin-1")})
        assert answer.status_code == 401


async def test_another_site_cannot_use_a_session(stranger: httpx.AsyncClient, session: Session) -> None:
    csrf = {CSRF_HEADER: session.csrf}
    for origin in ("https://evil.example", "null", "http://127.0.0.1:8766", "https://127.0.0.1:8765", ""):
        answer = await stranger.post("/api/v1/revoke", headers={"Origin": origin, **csrf})
        assert answer.status_code == 403
    assert (await stranger.post("/api/v1/revoke", headers=csrf)).status_code == 403
    assert (await stranger.post("/login", headers={"Origin": "https://evil.example"})).status_code == 403


async def test_our_own_page_changes_things_with_its_csrf_token_only(
    stranger: httpx.AsyncClient, session: Session
) -> None:
    own = {"Origin": HOME}
    assert (
        await stranger.post("/api/v1/revoke", headers={**own, CSRF_HEADER: session.csrf})
    ).status_code == 200
    for token in ("", "wrong", session.csrf + "x", "\xff"):
        headers = {"Origin": HOME, CSRF_HEADER: token.encode("latin-1")}
        assert (await stranger.post("/api/v1/revoke", headers=headers)).status_code == 403
    assert (await stranger.delete("/api/v1/clock", headers=own)).status_code == 403


async def test_every_answer_carries_the_security_headers(
    stranger: httpx.AsyncClient, session: Session
) -> None:
    for path in ("/", "/login", "/api/v1/clock", "/docs"):
        headers = (await stranger.get(path)).headers
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "strict-transport-security" not in headers


async def test_the_pages_scripts_carry_this_answers_nonce_and_nothing_else_may_run(
    stranger: httpx.AsyncClient, session: Session
) -> None:
    nonces = set()
    for _ in range(2):
        answer = await stranger.get("/")
        policy = answer.headers["content-security-policy"]
        nonce = policy.partition("'nonce-")[2].partition("'")[0]
        nonces.add(nonce)
        assert answer.text == (
            f'<script nonce="{nonce}">one()</script><script nonce="{nonce}" type=module>two()</script><scripture>'
        )
        assert int(answer.headers["content-length"]) == len(answer.content)
        assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
    assert len(nonces) == 2


async def test_only_a_configured_proxy_says_who_asks_and_that_it_is_https(sessions: Sessions) -> None:
    forwarded = {"X-Forwarded-For": "10.9.9.9, 198.51.100.4", "X-Forwarded-Proto": "https"}
    behind = gate(sessions, Console(proxies=("192.0.2.0/24",)))
    async with client(behind, peer="192.0.2.8") as asker:
        answer = await asker.get("/login", headers=forwarded)
        assert answer.text == "198.51.100.4 https"
        assert answer.headers["strict-transport-security"]
        assert (await asker.get("/login", headers={"X-Forwarded-For": "<b>"})).text == "192.0.2.8 http"
    async with client(behind, peer="198.51.100.1") as asker:
        assert (await asker.get("/login", headers=forwarded)).text == "198.51.100.1 http"


async def test_over_https_only_the_host_cookie_counts(sessions: Sessions) -> None:
    cookie, _ = sessions.open("127.0.0.1")
    async with client(gate(sessions), home="https://127.0.0.1:8765") as asker:
        for name, status in ((COOKIE, 401), (SECURE_COOKIE, 200)):
            answer = await asker.get("/api/v1/clock", headers={"Cookie": f"{name}={cookie}"})
            assert answer.status_code == status


class Browser:
    """One WebSocket, as a server hands it to the gate."""

    def __init__(self, gate: Gate, cookie: str, origin: str = HOME, host: str = "127.0.0.1:8765") -> None:
        headers = [
            (b"host", host.encode()),
            (b"origin", origin.encode()),
            (b"cookie", f"{COOKIE}={cookie}".encode()),
        ]
        scope = {
            "type": "websocket",
            "scheme": "ws",
            "path": "/_nicegui_ws/",
            "headers": headers,
            "client": ("127.0.0.1", 50_000),
            "query_string": b"",
            "subprotocols": [],
        }
        self.said: asyncio.Queue[Message] = asyncio.Queue()
        self.heard: list[Message] = []
        self.said.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.ensure_future(gate(scope, self.said.get, self._send))

    async def _send(self, message: Message) -> None:
        self.heard.append(message)

    async def say(self, text: str) -> list[Message]:
        self.said.put_nowait({"type": "websocket.receive", "text": text})
        for _ in range(20):
            await asyncio.sleep(0)
        return self.heard

    async def leave(self) -> None:
        self.said.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await self.task


async def test_a_websocket_is_let_in_with_a_session_from_our_own_page(sessions: Sessions) -> None:
    cookie, _ = sessions.open("127.0.0.1")
    browser = Browser(gate(sessions), cookie)
    assert [message["type"] for message in await browser.say("hello")] == [
        "websocket.accept",
        "websocket.send",
    ]
    await browser.leave()


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.example", "127.0.0.1:8765"),
        ("", "127.0.0.1:8765"),
        ("http://evil.example", "evil.example"),
    ],
)
async def test_another_sites_websocket_is_refused(sessions: Sessions, origin: str, host: str) -> None:
    cookie, _ = sessions.open("127.0.0.1")
    browser = Browser(gate(sessions), cookie, origin, host)
    await browser.task
    assert [message["type"] for message in browser.heard] == ["websocket.close"]


async def test_a_strangers_websocket_is_refused(sessions: Sessions) -> None:
    browser = Browser(gate(sessions), "no such session")
    await browser.task
    assert [message["type"] for message in browser.heard] == ["websocket.close"]


async def test_a_websocket_ends_with_its_session(sessions: Sessions, clock: ManualClock) -> None:
    cookie, session = sessions.open("127.0.0.1")
    logged_out, expired = (
        Browser(gate(sessions), cookie),
        Browser(gate(sessions), sessions.open("127.0.0.1")[0]),
    )
    await logged_out.say("hello")
    await expired.say("hello")
    sessions.end(session)
    assert (await logged_out.say("still there?"))[-1]["type"] == "websocket.close"
    clock.advance((LIFE_SECONDS + 1) * 1_000_000_000)
    assert (await expired.say("still there?"))[-1]["type"] == "websocket.close"
    await asyncio.gather(logged_out.task, expired.task)
