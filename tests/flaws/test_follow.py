import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from hive import config_of, connected, kill, running, serving, until
from lure_files import lure_text, write_lure
from propolis.clock import SystemClock
from propolis.config import Config
from propolis.errors import ConfigError
from propolis.flaws import follow, signature
from propolis.flaws.file import Flaw, FlawError
from propolis.flaws.follow import Follower, canary_key, prove
from propolis.flaws.publish import Publisher
from propolis.flaws.request import Request
from propolis.flaws.session import Session
from propolis.stream import EmbeddedServer, Stream
from propolis.stream.provision import CANARY_KEY_BYTES

ASK = b"GET /hive-box/run?cmd=id HTTP/1.1\r\nHost: decoy\r\n\r\n"


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    async with serving(tmp_path / "stream") as server:
        yield server


@pytest_asyncio.fixture
async def stream(server: EmbeddedServer) -> AsyncIterator[Stream]:
    async with connected(server) as stream:
        yield stream


@pytest.fixture
def config(tmp_path: Path) -> Config:
    config = config_of(tmp_path)
    signature.ensure_own_key(config)
    return config


@pytest.fixture
def publisher(config: Config, stream: Stream) -> Publisher:
    private = signature.read_key(signature.own_key(config))
    return Publisher(stream, private, [signature.public_text(private)], SystemClock())


@pytest.fixture
def told() -> Iterator[list[MutableMapping[str, Any]]]:
    with capture_logs() as notes:
        yield notes


def answers(follower: Follower) -> list[str]:
    """The body of the lure that answers a request for /hive-box, if one is live."""
    found = follower.catalogue.matches(Request.parse(ASK), Session())
    return [match.step.reply.body for match in found if match.flaw.id == "hive-box"]


def is_answering(follower: Follower, word: str) -> Callable[[], bool]:
    return lambda: answers(follower) == [word]


async def test_a_pushed_lure_answers_without_a_restart_and_a_rollback_ends_it(
    config: Config, stream: Stream, publisher: Publisher, told: list[Any]
) -> None:
    changes: list[int] = []
    follower = Follower(config, stream, on_change=lambda: changes.append(1))
    await follower.open()
    assert answers(follower) == []
    assert len(follower.catalogue.flaws) > 10
    async with running(follower.run()):
        one = await publisher.push("hive-box", lure_text())
        await until(is_answering(follower, "buzz"))
        assert follower.sequence == one.sequence
        await publisher.push("hive-box", lure_text(word="hum"))
        await until(is_answering(follower, "hum"))
        await publisher.roll_back("hive-box")
        await until(is_answering(follower, "buzz"))
        await publisher.roll_back("hive-box")
        await until(lambda: answers(follower) == [])
    ours = [(note["event"], note["version"]) for note in told if note.get("id") == "hive-box"]
    assert ours[-2:] == [("LureRolledBack", 3), ("LureRolledBack", 4)]
    assert len(changes) >= 4


async def test_whoever_comes_later_has_the_same(config: Config, stream: Stream, publisher: Publisher) -> None:
    for word in ("one", "two", "three"):
        await publisher.push("hive-box", lure_text(word=word))
    follower = Follower(config, stream)
    await follower.open()
    async with running(follower.run()):
        await follower.catch_up(20)
        assert answers(follower) == ["three"]
    assert follower.standing().pushed == 1


async def test_a_stream_that_is_away_is_not_waited_for_long(
    config: Config, server: EmbeddedServer, stream: Stream
) -> None:
    follower = Follower(config, stream)
    await follower.open()
    await server.stop()
    async with running(follower.run()):
        await follower.catch_up(0.1)
    assert follower.sequence == 0


async def test_what_is_not_signed_changed_failing_or_old_is_refused_and_told(
    config: Config, stream: Stream, publisher: Publisher, told: list[Any], tmp_path: Path
) -> None:
    follower = Follower(config, stream)
    await follower.open()
    first = (await publisher.push("hive-box", lure_text())).envelope
    signature.make_key(tmp_path / "stranger.pem")
    bad = [
        (b"garbage", "is no signed lure"),
        (
            signature.encode(signature.sign(first, signature.read_key(tmp_path / "stranger.pem"))),
            "not trusted",
        ),
        (signature.encode(first).replace(b"buzz", b"evil"), "was changed after it was signed"),
    ]
    async with running(follower.run()):
        await until(is_answering(follower, "buzz"))
        for data, why in bad:
            sequence = await stream.put("lures", "flaw.hive-box", data)
            await until(lambda sequence=sequence: follower.sequence == sequence)
            assert why in follower.standing().refused["hive-box"]
            assert answers(follower) == ["buzz"]
        await stream.delete("lures", "flaw.hive-box")
        await until(lambda: "nobody signed" in follower.standing().refused["hive-box"])
        await publisher.push("hive-box", lure_text(word="hum"))
        await until(is_answering(follower, "hum"))
        assert "hive-box" not in follower.standing().refused
        await publisher.push("hive-box", lure_text(word="broken", proof="another word"))
        await until(lambda: "does not contain" in follower.standing().refused.get("hive-box", ""))
        await stream.put("lures", "flaw.hive-box", signature.encode(first))
        await until(lambda: "is older than version 2" in follower.standing().refused["hive-box"])
        await stream.put("lures", "flaw.other", signature.encode(first))
        await until(lambda: "under another one's key" in follower.standing().refused.get("other", ""))
        assert answers(follower) == ["hum"]
    assert sum(note["event"] == "LureRefused" for note in told if note.get("id") == "hive-box") == 6


async def test_a_file_in_the_folder_goes_live_and_leaves_without_a_restart(
    stream: Stream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[Any]
) -> None:
    monkeypatch.setattr(follow, "FOLDER_SECONDS", 0.05)
    folder = tmp_path / "mine"
    folder.mkdir()
    config = config_of(tmp_path, text='[flaws]\npacks = "mine"\n')
    follower = Follower(config, stream)
    await follower.open()
    async with running(follower.run()):
        path = write_lure(folder)
        await until(is_answering(follower, "buzz"))
        write_lure(folder, word="broken", proof="another word")
        await until(lambda: "hive-box" in follower.standing().refused)
        assert f"{path}:15: " in follower.standing().refused["hive-box"]
        assert answers(follower) == ["buzz"]
        path.unlink()
        await until(lambda: answers(follower) == [])
        folder.rmdir()
        await until(lambda: any("name a folder" in note.get("why", "") for note in told))
        write_lure(folder, word="back")
        await until(is_answering(follower, "back"))


async def test_a_new_file_does_not_wait_for_all_to_be_looked_at(
    stream: Stream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "FOLDER_SECONDS", 3_600.0)
    folder = tmp_path / "mine"
    folder.mkdir()
    follower = Follower(config_of(tmp_path, text='[flaws]\npacks = "mine"\n'), stream)
    await follower.open()
    async with running(follower.run()):
        path = write_lure(folder)
        await until(is_answering(follower, "buzz"))
        path.unlink()
        await until(lambda: answers(follower) == [])


async def test_an_operator_s_mistake_is_told_at_once(stream: Stream, tmp_path: Path) -> None:
    with pytest.raises(FlawError, match=r"flaws\.packs"):
        await Follower(config_of(tmp_path, text='[flaws]\npacks = "none"\n'), stream).open()
    with pytest.raises(ConfigError, match=r"flaws\.trusted"):
        await Follower(config_of(tmp_path, text='[flaws]\ntrusted = ["x"]\n'), stream).open()


async def test_it_goes_on_after_the_stream_was_away(
    config: Config, server: EmbeddedServer, stream: Stream, publisher: Publisher
) -> None:
    follower = Follower(config, stream)
    await follower.open()
    async with running(follower.run()):
        await publisher.push("hive-box", lure_text())
        await until(is_answering(follower, "buzz"))
        kill(server)
        await until(lambda: server.pid is not None)
        await until(lambda: stream.client.is_connected)
        async with connected(server) as other:
            private = signature.read_key(signature.own_key(config))
            later = Publisher(other, private, [signature.public_text(private)], SystemClock())
            await later.push("hive-box", lure_text(word="hum"))
        await until(is_answering(follower, "hum"))


async def test_the_event_loop_goes_on_while_a_lure_is_tested(
    config: Config, stream: Stream, publisher: Publisher
) -> None:
    began, may_end = threading.Event(), threading.Event()

    def slowly(flaw: Flaw, text: str, file: str) -> None:
        if flaw.id == "hive-box":
            began.set()
            assert may_end.wait(20)
        prove(flaw, text, file)

    follower = Follower(config, stream, prove=slowly)
    await follower.open()
    async with running(follower.run()):
        await publisher.push("hive-box", lure_text())
        await until(began.is_set)
        assert answers(follower) == []  # connections are served from what was live before
        may_end.set()
        await until(is_answering(follower, "buzz"))


async def test_all_who_ask_get_the_same_canary_key(stream: Stream) -> None:
    keys = await asyncio.gather(*(canary_key(stream) for _ in range(3)))
    assert len(set(keys)) == 1
    assert len(keys[0]) == CANARY_KEY_BYTES


async def test_a_canary_key_that_is_not_there_yet_is_waited_for(stream: Stream, told: list[Any]) -> None:
    await stream.delete("lures", "canary.key")
    waiting = asyncio.ensure_future(canary_key(stream))
    await until(lambda: any("no key for canaries" in note.get("why", "") for note in told))
    await stream.put("lures", "canary.key", b"k" * CANARY_KEY_BYTES)
    assert await waiting == b"k" * CANARY_KEY_BYTES
