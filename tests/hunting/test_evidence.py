import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hive import connected, serving
from propolis.events import CommandRun, Connection, Interaction, pack, shard_of
from propolis.events.interaction import encode, event_id, to_batch
from propolis.findings import Evidence
from propolis.hunting.evidence import event_of, uuid_text
from propolis.stream import Stream

OPENED = 1_800_000_000_000_000_001


@pytest_asyncio.fixture
async def stream(tmp_path: Path) -> AsyncIterator[Stream]:
    async with serving(tmp_path / "stream") as server, connected(server) as connection:
        yield connection


def row(command: str) -> Interaction:
    source = pack("93.184.216.34")
    connection = Connection(
        os.urandom(16), OPENED, "edge", "redis", source, 40_000, pack("192.0.2.1"), 6_379, shard_of(source)
    )
    return Interaction(OPENED + 5, connection, 0, CommandRun(command, b"*1\r\n\xff"))


def cited(row: Interaction, sequence: int, place: int) -> Evidence:
    return Evidence(uuid_text(event_id(row)), row.time, sequence, place, "summary")


async def test_evidence_leads_to_the_bytes(stream: Stream) -> None:
    rows = [row("PING"), row("CONFIG SET dir /root")]
    sequence = await stream.publish("events.interaction.0", encode(to_batch(rows)), message_id="one")
    event = await event_of(stream, cited(rows[1], sequence, 1))
    assert event is not None
    assert event["id"] == uuid_text(event_id(rows[1]))
    assert event["connection"] == uuid_text(rows[1].connection.id)
    assert (event["kind"], event["command"], event["payload"]) == (
        "CommandRun",
        "CONFIG SET dir /root",
        b"*1\r\n\xff",
    )
    assert (event["source_ip"], event["target_ip"]) == ("93.184.216.34", "192.0.2.1")
    assert (event["time"], event["opened"]) == (OPENED + 5, OPENED)
    assert "username" not in event


@pytest.mark.parametrize("place", [1, 7])
async def test_a_row_that_is_not_there_is_none(stream: Stream, place: int) -> None:
    rows = [row("PING")]
    sequence = await stream.publish("events.interaction.0", encode(to_batch(rows)), message_id=f"two {place}")
    assert await event_of(stream, cited(rows[0], sequence, place)) is None


async def test_what_is_gone_or_is_no_batch_is_none(stream: Stream) -> None:
    assert await event_of(stream, cited(row("PING"), 99_999, 0)) is None
    sequence = await stream.publish("events.interaction.0", b"garbage", message_id="three")
    assert await event_of(stream, cited(row("PING"), sequence, 0)) is None
