import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis import app
from propolis.config import parse
from propolis.errors import ConfigError

PATH = Path("propolis.toml")


def config_of(text: str = "") -> Any:
    return parse(text.encode(), PATH)


def run_code(work: str) -> "subprocess.CompletedProcess[str]":
    """``run_stage`` in a process of its own; ``work`` is the body of the stage."""
    code = (
        "import asyncio, os, signal, sys\nfrom pathlib import Path\nfrom propolis import app\n"
        "from propolis.config import parse\nfrom propolis.errors import ConfigError, StreamError\n"
        f"async def stage():\n    {work}\n"
        "config = parse(b'[host]\\nlog_json = true', Path('propolis.toml'))\n"
        "sys.exit(app.run_stage('decide', config, stage))\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


def told(done: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_a_stage_that_is_told_to_end_ends_well() -> None:
    done = run_code("os.kill(os.getpid(), signal.SIGTERM); await asyncio.sleep(60)")
    assert done.returncode == 0
    assert told(done)[-1]["event"] == "StageStopped"


@pytest.mark.parametrize(
    "work",
    [
        "raise StreamError('stream.listen: is in use')",
        "raise BaseExceptionGroup('g', [StreamError('stream.listen: is in use')])",
        "raise BaseExceptionGroup('g', [BaseExceptionGroup('h', [StreamError('stream.listen: is in use')])])",
    ],
)
def test_an_operator_s_mistake_is_one_note_and_the_code_2(work: str) -> None:
    done = run_code(work)
    assert done.returncode == 2
    (note,) = told(done)
    assert (note["event"], note["stage"], note["why"]) == (
        "StageFailed",
        "decide",
        "stream.listen: is in use",
    )


@pytest.mark.parametrize(
    "work",
    ["1 / 0", "raise BaseExceptionGroup('g', [StreamError('s'), ValueError('a bug')])"],
)
def test_a_fault_of_ours_is_loud(work: str) -> None:
    done = run_code(work)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


async def test_a_signal_lets_the_stage_clean_up() -> None:
    cleaned = asyncio.Event()

    async def stage() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            cleaned.set()

    asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(10):
        await app.until_signal(stage())
    assert cleaned.is_set()


errors = st.integers().map(ValueError)
groups = st.recursive(
    errors,
    lambda inner: st.lists(inner, min_size=1, max_size=3).map(lambda all_: BaseExceptionGroup("g", all_)),
    max_leaves=8,
)


@given(groups)
def test_every_leaf_of_a_group_is_found(group: BaseException) -> None:
    def count(error: BaseException) -> int:
        return sum(map(count, error.exceptions)) if isinstance(error, BaseExceptionGroup) else 1

    found = app.leaves(group)
    assert len(found) == count(group)
    assert not any(isinstance(leaf, BaseExceptionGroup) for leaf in found)


def test_nothing_has_no_leaves() -> None:
    assert app.leaves(None) == []


@pytest.mark.parametrize(
    ("workers", "cores", "expected"), [(0, 1, 1), (0, 2, 1), (0, 8, 4), (3, 1, 3), (3, 64, 3)]
)
def test_one_sensor_worker_for_every_two_cores(workers: int, cores: int, expected: int) -> None:
    assert app.workers_of(config_of(f"[sensors]\nworkers = {workers}"), cores) == expected


def test_a_name_no_catalogue_has_is_told_with_those_there_are() -> None:
    app.check_catalogues(config_of())
    with pytest.raises(
        ConfigError,
        match=r"propolis\.toml: lures: there is no 'gopher'; choose of http, redis, ssh, tcp, telnet",
    ):
        app.check_catalogues(config_of("[lures.gopher]\nports = [70]"))
    with pytest.raises(
        ConfigError, match="enforce iptables: there is no 'iptables'; choose of dry-run, file, nftables"
    ):
        app.enforce(config_of(), "iptables")
    with pytest.raises(ConfigError, match="there is no 'gopher'"):
        app.sensor(config_of("[lures.gopher]\nports = [70]"), 0)


async def test_every_stage_is_wired(tmp_path: Path) -> None:
    config = parse(b"", tmp_path / "propolis.toml")
    stages: list[Coroutine[Any, Any, None]] = [
        app.sensor(config, 0),
        app.detect(config, 0),
        app.decide(config),
        app.enforce(config, "dry-run"),
        app.archive(config),
        app.console(config),
    ]
    for stage in stages:
        assert asyncio.iscoroutine(stage)
        stage.close()
