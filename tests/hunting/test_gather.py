from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from batches import batch_of, opens
from hive import connected, serving
from propolis.decisions import ModeChanged, encode_entry
from propolis.events.interaction import encode
from propolis.findings import Finding
from propolis.findings import encode as encode_findings
from propolis.hunting.gather import gather
from propolis.stream import Stream


@pytest_asyncio.fixture
async def stream(tmp_path: Path) -> AsyncIterator[Stream]:
    async with serving(tmp_path / "stream") as server, connected(server) as connection:
        yield connection


def finding(rule: str) -> Finding:
    return Finding(
        id=rule,
        rule=rule,
        title="t",
        source="93.184.216.34",
        shard=0,
        grade="attempt",
        severity="high",
        confidence=90,
        evidence_class="dialogue",
        first_seen=1,
        last_seen=2,
        found=3,
        count=1,
        sensors=("edge",),
        lures=("http",),
        evidence=(),
    )


async def test_what_is_behind_the_lake_is_gathered_with_findings_and_ledger(stream: Stream) -> None:
    batch = encode(batch_of(opens("93.184.216.34", 22)))
    sequences = [
        await stream.publish("events.interaction.0", batch, message_id=str(number)) for number in range(4)
    ]
    await stream.publish("events.interaction.1", b"garbage", message_id="bad")
    await stream.publish("findings.0", encode_findings((finding("one"), finding("two"))), message_id="found")
    await stream.publish("findings.0", b"garbage", message_id="bad")
    entry = ModeChanged(time=1, mode="armed", by="ana", reason="go")
    await stream.publish("ledger.ModeChanged", encode_entry(entry), message_id=entry.id)
    unflushed, tables = await gather(stream, sequences[1])
    assert [sequence for sequence, _ in unflushed["interaction"]] == sequences[2:]
    assert tables["finding"].column("rule").to_pylist() == ["one", "two"]
    ledger = tables["ledger"].drop_columns(["time", "until"]).to_pylist()
    assert [(row["entry"], row["by"], row["reason"]) for row in ledger] == [("ModeChanged", "ana", "go")]


async def test_an_empty_stream_gives_empty_tables(stream: Stream) -> None:
    unflushed, tables = await gather(stream, 0)
    assert not unflushed
    assert [table.num_rows for table in tables.values()] == [0, 0]
