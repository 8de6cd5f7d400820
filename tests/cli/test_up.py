import asyncio
import os
import re
import signal
import socket
from pathlib import Path

import pytest

from installation import Installation, configuration, free_ports, until
from propolis import supervisor
from propolis.cli.up import mode_of
from propolis.errors import StreamError
from propolis.stream import connect
from watching import heartbeat

pytestmark = pytest.mark.xdist_group("installation")

PASSWORD = re.compile(r"first password: \S{16,}$", re.MULTILINE)
STAGES = {"archive", "console", "decide", "detect", "enforcer", "sensor"}


def test_the_first_start_says_where_to_look(installation: Installation) -> None:
    words, config = installation.first_words, installation.config
    assert "mode shadow" in words
    assert f"http://{config.console.listen}" in words
    assert PASSWORD.search(words)
    assert str(config.state / "propolis.log") in words
    assert f"http {config.lures['http'].ports[0]}, telnet {config.lures['telnet'].ports[0]}" in words
    assert "only pretends (the configuration says so)" in words


def test_a_second_start_changes_nothing_and_tells_no_password(installation: Installation) -> None:
    before = supervisor.running(installation.config.state)
    words = installation.say("up", "--detach")
    after = supervisor.running(installation.config.state)
    assert "is up" in words
    assert "password" not in words
    assert before is not None
    assert after is not None
    assert after.pid == before.pid


def test_a_second_start_in_front_is_refused(installation: Installation) -> None:
    assert installation.mistake("up").endswith(
        "is in use by a running `propolis up`; stop it with `propolis down`"
    )


def test_status_lists_every_stage(installation: Installation) -> None:
    words = installation.say("status")
    assert {line.split()[1] for line in words.splitlines() if line.startswith("│")} >= STAGES
    assert "mode: " in words


def test_a_configuration_that_runs_is_good(installation: Installation) -> None:
    assert installation.say("check") == "propolis.toml: good\n"


@pytest.mark.parametrize("stage", ["archive", "sensor.0"])
def test_a_killed_stage_comes_back(installation: Installation, stage: str) -> None:
    before = installation.pids()[stage]
    os.kill(before, signal.SIGKILL)
    installation.until(lambda: installation.pids()[stage] not in (0, before))
    log = installation.config.state / "propolis.log"
    assert f"stage={stage}" in log.read_text()

    def is_decoy() -> bool:
        try:
            return installation.http().startswith(b"HTTP/1.1 ")
        except OSError:
            return False

    assert installation.until(is_decoy)


def test_a_credential_is_written_for_its_owner_and_let_in(installation: Installation) -> None:
    words = installation.say("credential", "far-away")
    path = installation.config.state / "stream" / "credentials" / "enforcer-far-away.nk"
    assert path.stat().st_mode & 0o777 == 0o600
    assert str(path) in words
    assert f'url = "nats://{installation.config.stream.listen}"' in words
    assert 'credentials = "enforcer-far-away.nk"' in words

    async def is_let_in() -> bool:
        url = f"nats://{installation.config.stream.listen}"
        try:
            stream = await connect(url, "test", credential=path, wait=False)
        except StreamError:
            return False
        await stream.close()
        return True

    assert until(lambda: asyncio.run(is_let_in()))


@pytest.mark.parametrize("name", ["../../away", ""])
def test_a_credential_has_a_name(idle: Installation, name: str) -> None:
    assert "use letters, digits and dashes" in idle.mistake("credential", name)
    assert not list(idle.folder.rglob("*.nk"))


def test_a_cluster_of_ones_own_makes_its_own_credentials(tmp_path: Path) -> None:
    remote = Installation(tmp_path, '[stream]\nurl = "nats://127.0.0.1:1"\n')
    assert "stream.url names your own cluster" in remote.mistake("credential", "edge")


@pytest.mark.parametrize(
    ("key", "command"),
    [
        ("lures.telnet.ports", ("check",)),
        ("console.listen", ("check",)),
        ("stream.listen", ("up", "--detach")),
        ("stream.listen", ("up",)),
    ],
)
def test_a_port_in_use_is_told_with_its_key_and_its_cure(
    idle: Installation, key: str, command: tuple[str, ...]
) -> None:
    section = idle.config.lures["telnet"] if key.startswith("lures") else None
    listen = idle.config.console.listen if key.startswith("console") else idle.config.stream.listen
    port = section.ports[0] if section else int(listen.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        assert idle.mistake(*command) == (
            f"propolis: propolis.toml: {key}: 127.0.0.1 port {port} is in use;"
            " stop what listens there or choose another port"
        )
    assert idle.survivors() == []


NEVER = '[[decisions.never_block]]\ntarget = "nosuch.invalid"\nowner = "me"\n'


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            "[stream]\nlistn = 1\n",
            "stream: unknown key 'listn'; remove it or see `propolis check --settings`",
        ),
        ("[sensors]\nworkers = 'two'\n", "sensors.workers: expected `int`, got `str`"),
        (
            "[lures.http]\nports = [8081]\n[lures.redis]\nports = [8081]\n",
            "lures.redis.ports: port 8081 is already lures.http's; give it to one",
        ),
        ("[stream\n", "is not TOML: "),
        ("[enforcers]\nrun = ['wish']\n", "enforcers.run: there is no 'wish'; choose of dry-run, "),
        ("", "decisions.never_block[0]: 'nosuch.invalid' cannot be resolved"),
    ],
)
def test_a_mistake_is_one_line_with_file_key_and_cure(tmp_path: Path, settings: str, told: str) -> None:
    written = Installation(tmp_path, settings or configuration(NEVER))
    assert written.mistake("check").startswith(f"propolis: propolis.toml: {told}")


@pytest.mark.parametrize("name", ["absent.toml", "."])
def test_a_file_that_cannot_be_read(idle: Installation, name: str) -> None:
    line = idle.mistake("check", "--config", name)
    assert line.startswith(f"propolis: {name}: cannot be read (")
    assert line.endswith("name another file with --config")


def test_every_setting_is_explained(idle: Installation) -> None:
    words = idle.say("check", "--settings")
    assert 'stream.listen = "127.0.0.1:4222"\n    address and port' in words


@pytest.mark.parametrize("command", [("status",), ("drill",), ("defence", "arm")])
def test_without_an_installation_a_command_says_how_to_start_one(
    idle: Installation, command: tuple[str, ...]
) -> None:
    assert idle.mistake(*command).endswith("start it with `propolis up`")


def test_down_with_nothing_up(idle: Installation) -> None:
    assert idle.say("down") == "Nothing is running.\n"


def test_what_waits_for_a_cluster_can_be_ended(tmp_path: Path) -> None:
    console, http, nobody = free_ports(3)
    waiting = Installation(
        tmp_path,
        f'[stream]\nurl = "nats://127.0.0.1:{nobody}"\n[console]\nlisten = "127.0.0.1:{console}"\n'
        f'[lures.http]\nports = [{http}]\naddresses = ["127.0.0.1"]\n',
    )
    with waiting.start("up", "--config", str(waiting.path)) as up:
        until(lambda: supervisor.running(waiting.config.state))
        assert waiting.say("down") == "Stopped.\n"
        assert up.wait(30) == 0
    assert waiting.survivors() == []


def test_the_mode_is_the_deciders() -> None:
    assert mode_of([heartbeat("sensor"), heartbeat("decide", mode="armed")]) == "armed"
    assert mode_of([heartbeat("sensor")]) == "unknown"
