import asyncio

import httpx
import pytest

from propolis.clock import SECOND, ManualClock
from propolis.console import first_password
from propolis.console.console import Console
from propolis.console.login import MAX_WAITING
from propolis.console.session import FREE_ATTEMPTS

HOME = {"Origin": "http://127.0.0.1:8765"}


@pytest.fixture
def password(lonely: Console) -> str:
    text = first_password(lonely.config.state)
    assert text
    return text


async def give(asker: httpx.AsyncClient, password: str) -> httpx.Response:
    return await asker.post("/login", data={"password": password}, headers=HOME)


async def test_the_right_password_opens_a_session_in_a_cookie_scripts_cannot_read(
    asker: httpx.AsyncClient, password: str
) -> None:
    answer = await give(asker, f" {password}\n")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("propolis=")
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/" in cookie
    assert "secure" not in cookie.replace("secret", "")
    assert (await asker.get("/api/v1/session")).json()["by"] == "password"


async def test_over_tls_the_cookie_is_the_hosts_and_secure(lonely: Console, password: str) -> None:
    async with _client(lonely, "https://127.0.0.1:8765") as asker:
        answer = await asker.post(
            "/login", data={"password": password}, headers={"Origin": "https://127.0.0.1:8765"}
        )
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-propolis=")
    assert "; Secure" in cookie
    assert "Domain" not in cookie


async def test_every_login_is_a_new_session(asker: httpx.AsyncClient, password: str) -> None:
    asker.cookies.set("propolis", "chosen by somebody else")
    first = (await give(asker, password)).cookies["propolis"]
    second = (await give(asker, password)).cookies["propolis"]
    assert len({first, second, "chosen by somebody else"}) == 3


async def test_a_wrong_password_opens_nothing(asker: httpx.AsyncClient, password: str) -> None:
    for wrong in ("", password[:-1], password.upper(), "x" * 10_000):
        assert (await give(asker, wrong)).status_code in {403, 429}
    assert "set-cookie" not in (await give(asker, "")).headers
    assert (await asker.get("/api/v1/session")).status_code == 401


async def test_guessing_is_slowed_down_and_the_right_password_must_wait_too(
    asker: httpx.AsyncClient, password: str, clock: ManualClock
) -> None:
    for _ in range(FREE_ATTEMPTS):
        assert (await give(asker, "wrong")).status_code == 403
    answer = await give(asker, password)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert "wait 1 s" in answer.text
    clock.advance(SECOND)
    assert (await give(asker, password)).status_code == 303


async def test_guessing_in_parallel_is_no_quicker(asker: httpx.AsyncClient, password: str) -> None:
    answers = await asyncio.gather(*(give(asker, "wrong") for _ in range(3 * MAX_WAITING)))
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(403) == FREE_ATTEMPTS
    assert statuses.count(429) == len(statuses) - FREE_ATTEMPTS


async def test_who_is_logged_in_need_not_log_in(asker: httpx.AsyncClient, password: str) -> None:
    assert (await asker.get("/login")).status_code == 200
    await give(asker, password)
    assert (await asker.get("/login")).headers["location"] == "/"


async def test_without_a_password_the_form_says_how_to_make_one(asker: httpx.AsyncClient) -> None:
    answer = await give(asker, "anything")
    assert answer.status_code == 503
    assert "propolis up" in answer.text


@pytest.mark.parametrize("body", [b"x" * 100_000, b"&".join([b"a=b"] * 100), b"\xff%ff=\0", b""])
async def test_whatever_comes_as_a_form_is_no_password(
    asker: httpx.AsyncClient, password: str, body: bytes
) -> None:
    answer = await asker.post("/login", content=body, headers=HOME)
    assert answer.status_code in {400, 403}


async def test_the_style_is_there_before_anybody_is_in(asker: httpx.AsyncClient) -> None:
    answer = await asker.get("/console.css")
    assert answer.headers["content-type"].startswith("text/css")


def _client(console: Console, home: str) -> httpx.AsyncClient:
    from propolis.console import api_token  # noqa: PLC0415 - a second client, for this test alone
    from propolis.console.stage import gated, routes  # noqa: PLC0415 - the same

    app = gated(console, routes(console), api_token(console.config.state))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, client=("127.0.0.1", 50_000)), base_url=home)
