import re
import signal
import socket

import pytest

from installation import Installation
from propolis import app as wiring
from propolis.cli import COMMANDS

NOBODY = 'url = "nats://127.0.0.1:1"\n'
STAGES = [name for group, name, _, _ in COMMANDS if group == "Stages"]


def test_an_enforcer_that_does_not_exist(idle: Installation) -> None:
    done = idle.run("enforce", "nosuch")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "StageFailed" in line
    assert "enforce nosuch: there is no 'nosuch'; choose of dry-run, file, nftables" in line


@pytest.mark.parametrize("stage", ["archive", "detect"])
def test_a_stage_that_waits_for_its_stream_ends_when_told(idle: Installation, stage: str) -> None:
    idle.path.write_text(f"[stream]\n{NOBODY}")
    with idle.start(stage) as waiting:
        assert waiting.stderr is not None
        assert "StreamLost" in waiting.stderr.readline()
        waiting.send_signal(signal.SIGTERM)
        assert waiting.wait(30) == 0
        assert "StageStopped" in waiting.stderr.read()


def test_a_console_of_ones_own_prints_its_first_password_once(idle: Installation) -> None:
    port = idle.config.console.listen.rpartition(":")[2]
    with socket.create_server(("127.0.0.1", int(port))):
        first, second = idle.run("console"), idle.run("console")
    assert re.fullmatch(r"first password of the console: \S{16,}\n", first.stdout)
    assert second.stdout == ""
    assert (first.returncode, second.returncode) == (2, 2)


def test_every_stage_of_the_command_line_is_wired() -> None:
    assert STAGES == ["sensor", "detect", "decide", "enforce", "archive", "console"]
    assert all(callable(getattr(wiring, name)) for name in STAGES)
