import asyncio
import json
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from hive import free_port, process, running, until
from propolis import supervisor
from propolis.clock import SystemClock
from propolis.config import Config, load, parse
from propolis.errors import StreamError
from propolis.supervisor import AlreadyUpError, Process, Running, lock, processes, running_file


def alive(pid: int) -> bool:
    return supervisor._began(pid) is not None


def configuration(folder: Path) -> Path:
    ports = [free_port() for _ in range(3)]
    path = folder / "propolis.toml"
    path.write_text(
        f'[host]\nlog_json = true\n[stream]\nlisten = "127.0.0.1:{ports[0]}"\nmax_bytes = 64000000\n'
        f'[console]\nlisten = "127.0.0.1:{ports[1]}"\n[enforcers]\nrun = ["dry-run"]\n'
        f'[lures.tcp]\nports = [{ports[2]}]\naddresses = ["127.0.0.1"]\n'
    )
    return path


async def test_a_whole_installation_lives_on_and_dies_together(tmp_path: Path) -> None:
    """Stages and stream are killed and come back; the supervisor is killed and nothing is left."""
    path = configuration(tmp_path)
    state = load(path).state
    with (
        (tmp_path / "log").open("wb") as log,
        process("-m", "propolis", "up", "--config", str(path), stdout=subprocess.DEVNULL, stderr=log) as up,
    ):

        def pids() -> dict[str, int]:
            listed = supervisor.running(state)
            return listed.stages if listed else {}

        def notes() -> list[dict[str, Any]]:
            return [
                json.loads(line)
                for line in (tmp_path / "log").read_text().splitlines()
                if line.startswith("{")
            ]

        def started() -> set[str]:
            return {note["stage"] for note in notes() if note["event"] == "StageStarted"}

        await until(
            lambda: {"stream", "sensor", "detect", "decide", "enforcer", "archive", "console"} <= started(),
            90,
        )
        assert pids().keys() == {
            "stream",
            "sensor.0",
            "detect.0",
            "decide",
            "enforce.dry-run",
            "archive",
            "console",
        }
        for stage in ("decide", "stream"):
            killed = pids()[stage]
            os.kill(killed, signal.SIGKILL)
            await until(lambda stage=stage, killed=killed: pids().get(stage) not in (killed, 0, None))  # type: ignore[misc]
        failed = [note for note in notes() if note["event"] == "StageFailed"]
        assert {note["stage"] for note in failed} >= {"decide", "stream"}
        assert any("ended with -9" in note["why"] for note in failed)
        await until(lambda: all(pids().values()))
        children = [*pids().values()]
        up.send_signal(signal.SIGKILL)
        up.wait()
        await until(lambda: not any(alive(pid) for pid in children))
        assert supervisor.running(state) is None, "what a killed supervisor left behind counts for nothing"


async def test_an_order_to_end_ends_all_of_it(tmp_path: Path) -> None:
    path = configuration(tmp_path)
    state = load(path).state
    with process(
        "-m", "propolis", "up", "--config", str(path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as up:
        await until(lambda: (listed := supervisor.running(state)) and listed.stages.get("console"), 60)
        listed = supervisor.running(state)
        assert listed is not None
        children = [pid for pid in listed.stages.values() if pid]
        up.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(up.wait, 60) == 0
        assert not any(alive(pid) for pid in children)
    assert not running_file(state).exists()


async def test_a_stage_that_ends_is_started_again_and_told(tmp_path: Path) -> None:
    path = configuration(tmp_path)
    stage = Process("check", ("check", "--config", str(path)), SystemClock())
    with capture_logs() as told:
        async with running(stage.keep()):
            await until(lambda: len(told) >= 2)
            assert {note["why"] for note in told} == {"ended with 0"}
            assert [note["again_in_seconds"] for note in told[:2]] == [0.1, 0.5]
            await stage.stop()
    assert stage.pid == 0


async def test_a_stage_that_cannot_be_started_is_told_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "DIE_WITH_US", ("/nonexistent",))
    stage = Process("any", (), SystemClock())
    with capture_logs() as told:
        async with running(stage.keep()) as tasks:
            await until(lambda: len(told) >= 2)
            assert not tasks[0].done()
    assert told[0]["why"] == "cannot be started: No such file or directory"


async def test_a_stage_that_does_not_listen_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 0.3)
    monkeypatch.setattr(supervisor, "DIE_WITH_US", ("sh", "-c", "trap '' TERM; sleep 60 & wait; sleep 60"))
    stage = Process("deaf", (), SystemClock())
    async with running(stage.keep()):
        await until(lambda: stage.pid)
        pid = stage.pid
        await asyncio.sleep(0.2)
        await stage.stop()
        await until(lambda: not alive(pid))


def test_every_stage_has_its_process() -> None:
    config = parse(
        b'[detection]\nworkers = 2\n[enforcers]\nrun = ["file", "dry-run"]\n', Path("/etc/propolis.toml")
    )
    stages = processes(config, SystemClock(), 2)
    assert [stage.name for stage in stages] == [
        "sensor.0",
        "sensor.1",
        "detect.0",
        "detect.1",
        "decide",
        "enforce.file",
        "enforce.dry-run",
        "archive",
        "console",
    ]
    assert all(stage._arguments[-2:] == ("--config", "/etc/propolis.toml") for stage in stages)
    assert {stage.pid for stage in stages} == {0}


def test_only_one_supervisor_has_a_folder(tmp_path: Path) -> None:
    with (
        lock(tmp_path / "var"),
        pytest.raises(AlreadyUpError, match="stop it with `propolis down`"),
        lock(tmp_path / "var"),
    ):
        pass
    with lock(tmp_path / "var"):
        pass


def test_what_runs_is_known_by_more_than_its_number(tmp_path: Path) -> None:
    began = supervisor._began(os.getpid())
    assert began is not None

    def listed(pid: int, at: int) -> Running | None:
        running_file(tmp_path).write_bytes(msgspec.json.encode(Running(pid, at, {"decide": 7})))
        return supervisor.running(tmp_path)

    assert listed(os.getpid(), began) == Running(os.getpid(), began, {"decide": 7})
    assert listed(os.getpid(), began + 1) is None
    assert listed(2**22 + 1, began) is None


@given(st.binary(max_size=60) | st.just(b"[" * 5_000) | st.just(b'{"pid": 1}'))
def test_a_list_that_is_none_is_nothing_running(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.mktemp("state")
    running_file(folder).write_bytes(data)
    assert supervisor.running(folder) is None


async def test_a_stream_that_cannot_start_leaves_nothing_behind(tmp_path: Path) -> None:
    path = configuration(tmp_path)
    config: Config = load(path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(config.stream.listen.rpartition(":")[2])))
        other.listen()
        with pytest.raises(StreamError, match=r"stream\.listen: .* is in use"):
            await supervisor.supervise(config, SystemClock(), 1)
    assert supervisor.running(config.state) is None
    with lock(config.state):
        pass
