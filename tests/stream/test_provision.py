import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hive import SETTINGS, connected, kill, serving
from propolis.errors import StreamError
from propolis.stream import EmbeddedServer, Stream, connect, provision
from propolis.stream.provision import CANARY_KEY_BYTES, buckets, streams

NAMES = (
    *("EVENTS", "FINDINGS", "LEDGER", "CLOCK"),
    *("KV_decisions", "KV_sensors", "KV_states", "KV_policy", "KV_novel", "KV_lures"),
)


async def test_everything_is_there_with_its_bounds(stream: Stream) -> None:
    wanted = {config["name"]: config for config in (*streams(SETTINGS), *buckets(SETTINGS))}
    assert tuple(wanted) == NAMES
    for name, config in wanted.items():
        info = await stream.api(f"STREAM.INFO.{name}")
        for key, value in config.items():
            if key != "metadata":
                assert info["config"][key] == value, (name, key)
        assert info["config"]["storage"] == "file"
    for name in NAMES[:4]:
        assert wanted[name]["max_bytes"] > 0


async def test_again_changes_nothing_and_two_at_once_agree(tmp_path: Path) -> None:
    async with serving(tmp_path, settings=None) as server, connected(server) as one, connected(server) as two:
        await asyncio.gather(provision(one, SETTINGS), provision(two, SETTINGS))
        await one.publish("events.interaction.0", b"kept")
        await provision(two, SETTINGS)
        assert (await one.api("STREAM.INFO.EVENTS"))["state"]["messages"] == 1


async def test_the_canary_key_is_made_once(stream: Stream) -> None:
    first = await stream.get("lures", "canary.key")
    await provision(stream, SETTINGS)
    assert first is not None
    assert len(first.data) == CANARY_KEY_BYTES
    assert await stream.get("lures", "canary.key") == first


async def test_what_grows_is_widened(stream: Stream) -> None:
    await stream.publish("events.interaction.0", b"kept")
    await provision(
        stream, msgspec.structs.replace(SETTINGS, max_bytes=SETTINGS.max_bytes * 2, max_age_seconds=60.0)
    )
    info = await stream.api("STREAM.INFO.EVENTS")
    assert info["config"]["max_bytes"] == SETTINGS.max_bytes * 2
    assert info["config"]["max_age"] == 60 * 10**9
    assert info["state"]["messages"] == 1


async def test_other_lanes_than_it_was_made_with_are_refused(stream: Stream) -> None:
    with pytest.raises(
        StreamError, match=r"stream\.lanes: is 8, but the stream EVENTS was made with 2; set it back"
    ):
        await provision(stream, msgspec.structs.replace(SETTINGS, lanes=8))


async def test_more_copies_than_servers_name_the_setting(tmp_path: Path) -> None:
    async with serving(tmp_path, settings=None) as server, connected(server) as stream:
        with pytest.raises(StreamError, match=r"stream\.replicas"):
            await provision(stream, msgspec.structs.replace(SETTINGS, replicas=3))


async def test_it_waits_for_a_server_that_is_away(tmp_path: Path, told: list[Any]) -> None:
    async with serving(tmp_path, settings=None) as server, connected(server) as stream:
        kill(server)
        await provision(stream, SETTINGS)
        assert (await stream.api("STREAM.INFO.KV_policy"))["config"]["name"] == "KV_policy"
    ours = [note["event"] for note in told if note["stage"] == "test"]
    assert ours == ["StreamLost", "StreamBack"]


async def test_the_bounds_of_the_stream_hold(stream: Stream, server: EmbeddedServer) -> None:
    small = msgspec.structs.replace(SETTINGS, max_bytes=1_000_000)
    await provision(stream, small)
    other = await connect(server.url, "test", credential=server.credential)
    for number in range(30):
        await other.publish("events.interaction.0", bytes(100_000), message_id=str(number))
    state = (await stream.api("STREAM.INFO.EVENTS"))["state"]
    assert state["bytes"] <= 1_000_000
    assert state["last_seq"] == 30
    await other.close()
