import asyncio
import getpass
from pathlib import Path

import pytest

from hive import config_of, serving
from hive import connected as to_server
from installation import Installation
from propolis.cli import context
from propolis.cli.context import ask, connected, who, with_stream
from propolis.config import Config
from propolis.decisions import commands
from propolis.errors import PropolisError, StreamError
from propolis.stream import Stream

ARM = commands.Arm(by="me", reason="a test")


def test_who_asks_is_whoever_became_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "maja")
    assert who() == "maja"
    monkeypatch.delenv("SUDO_USER")
    assert who() == getpass.getuser()


async def test_without_an_installation_there_is_nobody_to_talk_to(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="start it with `propolis up`"):
        async with connected(config_of(tmp_path)):
            pass


async def test_a_decider_that_is_not_there_is_not_waited_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context, "ANSWER_SECONDS", 0.5)
    async with serving(tmp_path / "stream") as server, connected(config_of(tmp_path, server)) as stream:
        with pytest.raises(StreamError, match="no decider answers; is `propolis decide`"):
            await ask(stream, ARM)


async def test_a_decider_answers_or_says_why_not(tmp_path: Path) -> None:
    asked: list[commands.Command | str] = []
    error = ""

    async def decide(data: bytes) -> bytes:
        asked.append(commands.decode_command(data))
        return commands.encode(commands.Answer(error=error))

    async with (
        serving(tmp_path / "stream") as server,
        to_server(server) as decider,
        decider.answering(commands.SUBJECT, decide),
        connected(config_of(tmp_path, server)) as stream,
    ):
        assert await ask(stream, ARM) == commands.Answer()
        error = "armed already"
        with pytest.raises(PropolisError, match="armed already"):
            await ask(stream, ARM)
    assert asked == [ARM, ARM]


def test_work_is_given_the_configuration_and_a_stream(tmp_path: Path) -> None:
    async def work(config: Config, stream: Stream) -> tuple[str, bool]:
        return config.host_name, stream.url.startswith("nats://")

    async def from_a_thread() -> tuple[str, bool]:
        async with serving(tmp_path / "stream") as server:
            path = tmp_path / "propolis.toml"
            path.write_text(
                f'[host]\nname = "edge"\n'
                f'[stream]\nurl = "{server.url}"\ncredentials = "{server.credential}"\n'
            )
            return await asyncio.to_thread(with_stream, path, work)

    assert asyncio.run(from_a_thread()) == ("edge", True)


@pytest.mark.xdist_group("installation")
def test_what_is_printed_is_not_broken_in_two(idle: Installation) -> None:
    words = idle.say("credential", "far-away", COLUMNS="40")
    assert str(next(idle.folder.rglob("enforcer-*.nk"))) in words
