import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hive import connected, serving
from propolis.clock import ManualClock
from propolis.flaws import signature
from propolis.flaws.publish import Publisher
from propolis.flaws.signature import Envelope, SignatureError
from propolis.stream import Stream


@pytest_asyncio.fixture
async def stream(tmp_path: Path) -> AsyncIterator[Stream]:
    async with serving(tmp_path / "stream") as server, connected(server) as stream:
        yield stream


@pytest.fixture
def publisher(stream: Stream, tmp_path: Path) -> Publisher:
    path = tmp_path / "key.pem"
    public = signature.make_key(path)
    return Publisher(stream, signature.read_key(path), [public], ManualClock())


def outline(versions: list[Envelope]) -> list[tuple[int, str, int]]:
    return [(one.version, one.text, one.repeats) for one in versions]


async def test_every_push_is_the_next_version(publisher: Publisher) -> None:
    one, two = await publisher.push("a", "A"), await publisher.push("a", "B")
    assert (one.envelope.version, two.envelope.version) == (1, 2)
    assert two.sequence > one.sequence
    assert outline(await publisher.history("a")) == [(1, "A", 0), (2, "B", 0)]
    assert await publisher.history("b") == []


async def test_going_back_undoes_one_push_after_the_other(publisher: Publisher) -> None:
    for text in "ABC":
        await publisher.push("a", text)
    for _ in range(3):
        await publisher.roll_back("a")
    assert outline(await publisher.history("a"))[3:] == [(4, "B", 2), (5, "A", 1), (6, "", 0)]
    with pytest.raises(SignatureError, match="nothing that was pushed is live"):
        await publisher.roll_back("a")


async def test_going_back_behind_a_withdrawal_withdraws_again(publisher: Publisher) -> None:
    await publisher.push("a", "A")
    await publisher.roll_back("a")
    await publisher.push("a", "B")
    assert outline([(await publisher.roll_back("a")).envelope]) == [(4, "", 0)]


async def test_what_is_not_kept_any_more_cannot_come_back(publisher: Publisher) -> None:
    for number in range(20):
        await publisher.push("a", str(number))
    for _ in range(8):
        await publisher.roll_back("a")
    with pytest.raises(SignatureError, match="not kept any more; push the text that you want"):
        await publisher.roll_back("a")


async def test_two_at_once_get_two_versions(publisher: Publisher) -> None:
    pushed = await asyncio.gather(*(publisher.push("a", text) for text in "ABCD"))
    assert sorted(one.envelope.version for one in pushed) == [1, 2, 3, 4]


async def test_what_nobody_signed_is_neither_counted_nor_brought_back(
    publisher: Publisher, stream: Stream, tmp_path: Path
) -> None:
    await publisher.push("a", "A")
    signature.make_key(tmp_path / "stranger.pem")
    forged = Envelope(id="a", version=99, made=1, text="evil", repeats=0, key="")
    forged = signature.sign(forged, signature.read_key(tmp_path / "stranger.pem"))
    await stream.put("lures", "flaw.a", signature.encode(forged))
    await stream.put("lures", "flaw.a", b"garbage")
    assert (await publisher.push("a", "B")).envelope.version == 2
    await stream.delete("lures", "flaw.a")
    assert outline([(await publisher.roll_back("a")).envelope]) == [(3, "A", 1)]
