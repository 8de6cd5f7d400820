import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.clock import SystemClock
from propolis.console import api_token
from propolis.console.console import Console
from propolis.console.novel import _row, drafted
from propolis.console.stage import gated, routes
from propolis.detection.novelty.novel import Novel, Queue, encode
from propolis.stream import Stream, connect, folder, subjects

REQUEST = (
    b"GET /cgi-bin/zyx.cgi?run=1&cmd=install HTTP/1.1\r\n\r\n<script>document.title='owned'</script>\x1b[2J"
)


def novel(**changes: Any) -> Novel:
    facts: dict[str, Any] = {
        "id": "0123456789ab",
        "what": "request",
        "score": 12.5,
        "surprise": 9.1,
        "sources": 1_200,
        "recent": 3.4,
        "events": 5_000,
        "texts": 9,
        "known": 0.25,
        "first_seen": 1_700_000_000 * 10**9,
        "last_seen": 1_700_000_100 * 10**9,
        "sensors": ("edge", "other"),
        "ports": (80, 8080),
        "template": "get / cgi - bin / zyx",
        "examples": (REQUEST,),
    }
    return Novel(**{**facts, **changes})


def test_a_row_says_how_surprising_and_how_wide() -> None:
    row = _row(novel())
    assert (row["score"], row["surprise"], row["sources"]) == ("12.5", "9.1", "1,200")
    assert row["first"].startswith("2023-11-14")


@given(st.text())
def test_whatever_an_attacker_wrote_is_a_row_of_text(template: str) -> None:
    assert all(
        isinstance(value, str) and value.isprintable() for value in _row(novel(template=template)).values()
    )


def test_a_draft_or_why_there_is_none() -> None:
    assert drafted(novel(), is_lure=True).startswith("id: novel-0123456789ab")
    assert drafted(novel(), is_lure=False).startswith("title: ")
    assert "too little in common" in drafted(novel(examples=(b"GET / HTTP/1.1\r\n\r\n",)), is_lure=False)


async def test_no_queue_is_an_empty_one(lonely: Console, live: Console) -> None:
    assert await lonely.queue() == Queue(0)
    assert await live.queue() == Queue(0)
    await live.stream.put(subjects.NOVEL, subjects.QUEUE, b"garbage")
    assert await live.queue() == Queue(0)
    await live.stream.put(subjects.NOVEL, subjects.QUEUE, encode(Queue(7, (novel(),))))
    assert (await live.queue()).novel == (novel(),)


async def test_the_api_gives_it(live: Console) -> None:
    await live.stream.put(subjects.NOVEL, subjects.QUEUE, encode(Queue(7, (novel(),))))
    app = gated(live, routes(live), token := api_token(live.config.state))
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 50_000))
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1:8765", headers=headers
    ) as client:
        answer = await client.get("/api/v1/novel")
    assert msgspec.json.decode(answer.content, type=Queue) == Queue(7, (novel(),))


@pytest.fixture
def spreading(hive: Any) -> Iterator[None]:
    """Something in the queue, as long as the test lasts."""

    async def with_stream(queue: Queue) -> None:
        stream: Stream = await connect(
            f"nats://{hive.config.stream.listen}",
            "test",
            credential=folder(hive.config) / "credentials" / "owner.nk",
        )
        await stream.put(subjects.NOVEL, subjects.QUEUE, encode(queue))
        await stream.close()

    asyncio.run(with_stream(Queue(SystemClock().now(), (novel(),))))
    yield
    asyncio.run(with_stream(Queue(0)))


@pytest.mark.root
def test_the_page_shows_the_queue_its_examples_and_drafts(visit: Any, hive: Any, spreading: None) -> None:
    visit.click("header a", "New")
    visit.until("return location.pathname == '/novel'")
    visit.until("return document.querySelector('.novel tbody')?.innerText.includes('zyx')")
    visit.click(".novel tbody td", "1,200")
    assert "GET /cgi-bin/zyx.cgi" in visit.text_of(".novelty .bytes")
    visit.click(".novelty button", "Draft a lure")
    visit.until("return document.querySelector('.novelty').innerText.includes('id: novel-0123456789ab')")
    assert visit.chromium.title == "Propolis"
    visit.click(".novelty button", "Close")
    visit.until("return !document.querySelector('.novelty')")
