import asyncio
import contextlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive import connected, free_port, kill, serving, until
from propolis.clock import SystemClock
from propolis.errors import StreamError
from propolis.stream import EmbeddedServer, Pull, Refused, Stream, Unreachable, connect, is_marker, start_at
from propolis.stream.client import (
    NOT_FOUND,
    TOO_LARGE,
    WRONG_LAST_SEQUENCE,
    acknowledged,
    nanoseconds,
)

SUBJECT = "events.interaction.0"


def events(told: list[Any]) -> list[str]:
    return [note["event"] for note in told]


async def test_a_message_is_stored_once_and_read_back(stream: Stream) -> None:
    assert await stream.publish(SUBJECT, b"one", message_id="a", headers={"X": "y"}) == 1
    assert await stream.publish(SUBJECT, b"one", message_id="a") == 1
    assert await stream.publish(SUBJECT, b"two", message_id="b") == 2
    first = await stream.message("EVENTS", 1)
    assert first is not None
    assert (first.subject, first.sequence, first.data, first.headers["X"]) == (SUBJECT, 1, b"one", "y")
    assert abs(first.time - SystemClock().now()) < 60 * 10**9
    newest = await stream.last("EVENTS", SUBJECT)
    assert newest is not None
    assert newest.data == b"two"
    assert await stream.message("EVENTS", 99) is None
    assert await stream.last("EVENTS", "events.interaction.7") is None


async def test_history_is_everything_up_to_the_moment_of_asking(stream: Stream) -> None:
    assert [one async for one in stream.history("EVENTS")] == []
    for number in range(600):
        await stream.publish(f"events.interaction.{number % 2}", b"%d" % number)
    assert [one.sequence async for one in stream.history("EVENTS")] == [*range(1, 601)]
    assert [one.sequence async for one in stream.history("EVENTS", start=599)] == [599, 600]
    assert [one async for one in stream.history("EVENTS", start=601)] == []
    odd = [one.data async for one in stream.history("EVENTS", subject="events.interaction.1")]
    assert odd == [b"%d" % number for number in range(1, 600, 2)]


async def test_history_ends_though_what_it_waits_for_has_ended(stream: Stream) -> None:
    await stream.put("sensors", "a", b"stays")
    await stream.put("sensors", "b", b"goes", ttl_seconds=1)
    keys = stream.keys("sensors")
    first = await anext(keys)
    assert first.data == b"stays"
    async with asyncio.timeout(20):
        assert [one.data async for one in keys if one.data != b"goes"] == []


async def test_a_bucket_keeps_the_last_word(stream: Stream) -> None:
    assert await stream.get("policy", "k") is None
    first = await stream.put("policy", "k", b"1")
    second = await stream.put("policy", "k", b"2", last=first)
    with pytest.raises(Refused) as refused:
        await stream.put("policy", "k", b"3", last=first)
    assert refused.value.code in WRONG_LAST_SEQUENCE
    stored = await stream.get("policy", "k")
    assert stored is not None
    assert (stored.data, stored.sequence) == (b"2", second)
    assert [one.data async for one in stream.keys("policy")] == [b"2"]
    await stream.delete("policy", "k")
    assert await stream.get("policy", "k") is None
    assert [one async for one in stream.keys("policy")] == []


async def test_a_key_ends_by_itself_and_a_watch_sees_it(stream: Stream) -> None:
    pull = await Pull.ephemeral(stream, "KV_decisions", {"filter_subject": "$KV.decisions.>"})
    await stream.put("decisions", "address.01", b"short", ttl_seconds=1)
    await stream.put("decisions", "address.02", b"prolonged", ttl_seconds=1)
    await stream.put("decisions", "address.02", b"prolonged again", ttl_seconds=60)
    seen: list[tuple[str, bool]] = []
    async with asyncio.timeout(15):
        while not any(is_gone for _, is_gone in seen):
            seen += [(one.subject[-2:], is_marker(one.headers)) for one in await pull.next()]
    assert set(seen) == {("01", False), ("02", False), ("01", True)}
    assert seen[-1] == ("01", True)
    assert await stream.get("decisions", "address.01") is None
    held = await stream.get("decisions", "address.02")
    assert held is not None
    assert held.data == b"prolonged again"
    await pull.aclose()


async def test_what_a_key_was_before_does_not_come_back_when_it_ends(stream: Stream) -> None:
    await stream.put("decisions", "address.01", b"long", ttl_seconds=60)
    await stream.put("decisions", "address.01", b"short", ttl_seconds=1)
    await stream.put("decisions", "address.02", b"long", ttl_seconds=60)
    await stream.delete("decisions", "address.02")

    async def is_over() -> bool:
        return await stream.last("KV_decisions", "$KV.decisions.address.01") is None

    await until(is_over)
    assert [one async for one in stream.keys("decisions")] == []
    assert (await stream.api("STREAM.INFO.KV_decisions"))["state"]["messages"] == 1


async def test_what_there_is_not_is_refused_with_its_code(stream: Stream) -> None:
    with pytest.raises(Refused, match="stream not found") as refused:
        await stream.api("STREAM.INFO.NOWHERE")
    assert refused.value.code in NOT_FOUND
    with pytest.raises(Unreachable, match="no responders"):
        await stream.publish("nobody.listens", b"")


async def test_a_message_that_is_too_large_is_refused_for_good(stream: Stream) -> None:
    with pytest.raises(Refused) as refused:
        await stream.insist(SUBJECT, bytes(9 * 1024 * 1024), message_id="large")
    assert refused.value.code == TOO_LARGE


async def test_it_insists_until_the_server_is_back_and_says_so_once(
    server: EmbeddedServer, stream: Stream, told: list[Any]
) -> None:
    kill(server)
    assert await stream.insist(SUBJECT, b"kept", message_id="a") == 1
    assert await stream.insist(SUBJECT, b"kept", message_id="a") == 1
    ours = [note["event"] for note in told if note["stage"] == "test"]
    assert ours == ["StreamLost", "StreamBack"]


async def test_refusals_that_pass_are_waited_out(stream: Stream, told: list[Any]) -> None:
    info = await stream.api("STREAM.INFO.EVENTS")
    await stream.publish(SUBJECT, b"first")
    full = {**info["config"], "max_msgs": 1, "discard": "new"}
    await stream.api("STREAM.UPDATE.EVENTS", full)
    waiting = asyncio.ensure_future(stream.insist(SUBJECT, b"second", message_id="second"))
    await until(lambda: "StreamLost" in events(told))
    assert not waiting.done()
    await stream.api("STREAM.UPDATE.EVENTS", info["config"])
    assert await asyncio.wait_for(waiting, 10) == 2
    assert events(told) == ["StreamLost", "StreamBack"]


async def test_a_broken_connection_answers_at_once(server: EmbeddedServer, stream: Stream) -> None:
    kill(server)
    await until(lambda: not stream.client.is_connected)
    with pytest.raises(Unreachable, match="not connected"):
        await stream.api("INFO")


async def test_whoever_waits_learns_that_the_connection_broke(relay: Any, server: EmbeddedServer) -> None:
    stream = await connect(relay.url, "test", credential=server.credential)
    relay.swallow = True
    waiting = asyncio.ensure_future(stream.api("INFO"))
    await asyncio.sleep(0)
    relay.cut()
    with pytest.raises(Unreachable, match=r"the connection broke|not connected"):
        await waiting
    assert stream._replies == {}
    await stream.close()


async def test_without_a_server_a_command_says_so_and_a_stage_waits(tmp_path: Path, told: list[Any]) -> None:
    port = free_port()
    url = f"nats://127.0.0.1:{port}"
    with pytest.raises(StreamError, match=rf"{url}: no stream answers .*is `propolis up` running\?"):
        await connect(url, "test", wait=False)
    waiting = asyncio.ensure_future(connect(url, "test"))
    await until(lambda: "StreamLost" in events(told))
    await asyncio.sleep(0.5)
    assert events(told) == ["StreamLost"]
    assert "waiting for it" in told[0]["why"]
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting


async def test_a_stage_that_waited_goes_on(tmp_path: Path, told: list[Any]) -> None:
    server = EmbeddedServer(tmp_path / "stream", ("127.0.0.1", free_port()), SystemClock())
    server.write_config()
    waiting = asyncio.ensure_future(connect(server.url, "test", credential=server.credential))
    await until(lambda: "StreamLost" in events(told))
    await server.start()
    stream = await asyncio.wait_for(waiting, 10)
    assert (await stream.api("INFO"))["streams"] == 0
    assert events(told)[-1] == "StreamBack"
    await stream.close()
    await server.stop()


async def test_one_of_several_servers_is_enough(server: EmbeddedServer) -> None:
    nobody = f"nats://127.0.0.1:{free_port()}"
    for url in (f"{nobody},{server.url}", f"{server.url},{nobody}"):
        stream = await connect(url, "test", credential=server.credential, wait=False)
        await stream.api("INFO")
        await stream.close()


async def test_a_refused_credential_is_an_operator_s_mistake(server: EmbeddedServer, tmp_path: Path) -> None:
    async with serving(tmp_path / "other", settings=None) as other:
        with pytest.raises(
            StreamError, match="the credential is refused; ask for one with `propolis credential`"
        ):
            await connect(server.url, "test", credential=other.credential)
    with pytest.raises(StreamError, match="cannot be read"):
        await connect(server.url, "test", credential=tmp_path / "none")
    (tmp_path / "bad").write_text("SUNONSENSE")
    with pytest.raises(StreamError, match="is no credential"):
        await connect(server.url, "test", credential=tmp_path / "bad")


async def test_a_credential_that_is_taken_away_is_told(server: EmbeddedServer, told: list[Any]) -> None:
    credential = server.admit("edge", "enforcer")
    server.reload()

    async def let_in() -> bool:
        try:
            async with connected(server, credential):
                return True
        except StreamError:
            return False

    await until(let_in)
    async with connected(server, credential, "edge"):
        credential.unlink()
        server.write_config()
        server.reload()
        await until(lambda: any("uthorization" in note.get("why", "") for note in told))


async def test_a_connection_that_is_closed_for_good_ends_the_stage(stream: Stream) -> None:
    await stream.client.close()
    with pytest.raises(StreamError, match="shut us out") as error:
        await stream.publish(SUBJECT, b"")
    assert not isinstance(error.value, Unreachable)


def test_an_answer_that_is_none_is_no_acknowledgement() -> None:
    for reply in (b"", b"[]", b"\xff", b'{"error": {"err_code": 10077, "description": "full"}}'):
        with pytest.raises((Refused, Unreachable)):
            acknowledged(reply)
    assert acknowledged(b'{"stream": "EVENTS", "seq": 7}') == 7


@given(st.integers(0, 4_000_000_000), st.integers(0, 999_999_999), st.integers(0, 9))
def test_the_server_s_time_keeps_its_nanoseconds(seconds: int, fraction: int, decimals: int) -> None:
    shown = f"{fraction:09d}"[:decimals]
    text = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}" + (f".{shown}" if shown else "") + "Z"
    assert nanoseconds(text) == seconds * 10**9 + int(shown.ljust(9, "0"))


def test_a_start_is_never_before_the_first() -> None:
    assert start_at(0)["opt_start_seq"] == 1
