"""The API, asked by a scraper's token and by a browser's session, beside a real decider on a real stream."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from judging import finding
from propolis.console import api_token
from propolis.console.body import MAX_BYTES
from propolis.console.console import Console
from propolis.console.stage import gated, routes
from propolis.findings import Finding
from watching import decided, heartbeat

HOME = "http://127.0.0.1:8765"
Attack = Callable[..., Awaitable[Finding]]


@pytest.fixture
async def scraper(lonely: Console, asker: httpx.AsyncClient) -> httpx.AsyncClient:
    asker.headers["Authorization"] = f"Bearer {api_token(lonely.config.state)}"
    return asker


@pytest.fixture
async def operator(live: Console) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody logged in, who sends what our own page would send."""
    cookie, session = live.sessions.open("127.0.0.1")
    app = gated(live, routes(live), api_token(live.config.state))
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 50_000))
    headers = {"Origin": HOME, "X-CSRF-Token": session.csrf}
    async with httpx.AsyncClient(transport=transport, base_url=HOME, headers=headers) as client:
        client.cookies.set("propolis", cookie)
        yield client


async def ask_until(client: httpx.AsyncClient, path: str, check: Callable[[Any], object]) -> Any:
    async with asyncio.timeout(20):
        while True:
            answer = (await client.get(path)).json()
            if check(answer):
                return answer
            await asyncio.sleep(0.05)


async def order(client: httpx.AsyncClient, path: str, **body: Any) -> httpx.Response:
    """Once the decider is there."""
    async with asyncio.timeout(30):
        while True:
            answer = await client.post(path, json=body)
            if "does not answer" not in answer.text:
                return answer
            await asyncio.sleep(0.1)


async def test_an_empty_board_answers_everything(scraper: httpx.AsyncClient) -> None:
    assert (await scraper.get("/api/v1/findings")).json() == []
    assert (await scraper.get("/api/v1/drift")).json() == []
    assert (await scraper.get("/api/v1/sensors")).json() == {"stages": [], "exposures": []}
    clock = (await scraper.get("/api/v1/clock")).json()
    assert clock["report"]["stages"]["total"]["n"] == 0
    assert clock["hits"]["connections_per_second"] == 0
    decisions = (await scraper.get("/api/v1/decisions")).json()
    assert (decisions["mode"], decisions["decisions"]) == ("shadow", [])
    assert (await scraper.get("/api/v1/session")).json() == {"by": "token"}


async def test_what_is_not_there_is_not_found(lonely: Console, scraper: httpx.AsyncClient) -> None:
    lonely.board.on_finding(finding())
    for path in ("finding/none", "evidence/none/0", f"evidence/{finding().id}/0", "evidence/x/-1", "nothing"):
        assert (await scraper.get(f"/api/v1/{path}")).status_code == 404
    assert (await scraper.get("/api/v1/decisions?state=all")).status_code == 400


async def test_findings_decisions_and_stages_come_as_they_are(
    lonely: Console, scraper: httpx.AsyncClient
) -> None:
    lonely.board.on_finding(finding())
    lonely.board.on_entry(decided(state="shadow"))
    lonely.board.on_heartbeat(
        heartbeat("enforcer", "nftables.edge", active=3, drift={"missing": 1}, enforces=True)
    )
    assert (await scraper.get(f"/api/v1/finding/{finding().id}")).json()["source"] == finding().source
    shadow = (await scraper.get("/api/v1/decisions?state=shadow")).json()
    assert (shadow["would_have_blocked"], shadow["decisions"][0]["target"]["value"]) == (1, "203.0.113.7")
    (stage,) = (await scraper.get("/api/v1/sensors")).json()["stages"]
    assert (stage["health"], stage["heartbeat"]["clock_offset"]) == ("up", -1_500_000)
    (drift,) = (await scraper.get("/api/v1/drift")).json()
    assert drift["drift"] == {"missing": 1}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("revoke", b"", 400),
        ("revoke", b"[]", 400),
        ("revoke", b'{"what":"203.0.113.7"}', 400),
        ("revoke", b'{"what":"203.0.113.7","reason":""}', 400),
        ("revoke", b'{"what":"","reason":"x"}', 400),
        ("revoke", b'{"what":"203.0.113.7","reason":"x","more":1}', 400),
        ("revoke", b"\xff\xfe", 400),
        ("revoke", b"[" * 10_000, 400),
        ("revoke", b" " * (MAX_BYTES + 1), 413),
        ("decisions", b'{"target":"203.0.113.7","ttl_seconds":-1,"reason":"x"}', 400),
        ("decisions", b'{"target":"203.0.113.7","ttl_seconds":60,"reason":"x","action":"nuke"}', 400),
        ("defence/arm", b"{}", 400),
        ("defence/stand-down", b'{"reason":1}', 400),
    ],
)
async def test_an_order_that_is_none_is_refused(
    scraper: httpx.AsyncClient, path: str, body: bytes, status: int
) -> None:
    answer = await scraper.post(f"/api/v1/{path}", content=body)
    assert answer.status_code == status
    assert answer.json()["error"]


async def test_without_a_decider_an_order_says_so(scraper: httpx.AsyncClient) -> None:
    answer = await scraper.post("/api/v1/defence/arm", json={"reason": "test"})
    assert answer.status_code == 409
    assert "does not answer" in answer.json()["error"]


async def test_from_the_bytes_to_the_block_and_back_again(
    live: Console, operator: httpx.AsyncClient, attack: Attack
) -> None:
    armed = await order(operator, "/api/v1/defence/arm", reason="a test")
    assert armed.json()["entries"][0]["mode"] == "armed"
    found = await attack(live.stream, "203.0.113.9")

    shown = await ask_until(operator, f"/api/v1/evidence/{found.id}/0", lambda answer: "fields" in answer)
    assert shown["fields"]["source_ip"] == "203.0.113.9"
    assert shown["fields"]["path"] == "/cgi-bin/.%2e/bin/sh"
    assert shown["dump"][0].startswith("00000000  50 4f 53 54")
    assert "<script>" in shown["text"]
    assert "\\x1b[2J" in shown["text"]

    held = await ask_until(operator, "/api/v1/decisions", lambda answer: answer["decisions"])
    decision = held["decisions"][0]
    assert (decision["target"]["value"], decision["finding"]) == ("203.0.113.9", found.id)

    revoked = await order(operator, "/api/v1/revoke", what="203.0.113.9", reason="it was us")
    assert revoked.json()["entries"][0]["by"] == "console from 127.0.0.1"
    await ask_until(operator, "/api/v1/decisions", lambda answer: not answer["decisions"])
    trail = (await operator.get(f"/api/v1/decision/{decision['id']}/why")).json()
    assert [entry["type"] for entry in trail] == ["Decided", "Revoked"]
    assert trail[-1]["reason"] == "it was us"
    assert (
        await operator.post("/api/v1/revoke", json={"what": "203.0.113.9", "reason": "x"})
    ).status_code == 409


async def test_an_operators_own_decision_and_the_way_back_to_shadow(
    live: Console, operator: httpx.AsyncClient
) -> None:
    await order(operator, "/api/v1/defence/arm", reason="a test")
    added = await order(
        operator, "/api/v1/decisions", target="198.51.100.0/24", ttl_seconds=60, reason="noise"
    )
    assert added.json()["entries"][0]["decision"]["target"] == {"kind": "prefix", "value": "198.51.100.0/24"}
    refused = await order(operator, "/api/v1/decisions", target="not an address", ttl_seconds=60, reason="x")
    assert refused.json()["entries"][0]["guard"] == "syntax"
    down = await order(operator, "/api/v1/defence/stand-down", reason="enough")
    assert [entry["type"] for entry in down.json()["entries"]] == ["ModeChanged", "Revoked"]


async def test_a_session_tells_its_csrf_token_and_ends(live: Console, operator: httpx.AsyncClient) -> None:
    session = (await operator.get("/api/v1/session")).json()
    assert session["csrf"] == operator.headers["X-CSRF-Token"]
    assert (await operator.post("/api/v1/logout")).status_code == 200
    assert (await operator.get("/api/v1/session")).status_code == 401
    assert len(live.sessions) == 0
