import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from hive import SETTINGS, connected, free_port, kill, process, running, serving, until
from propolis.clock import SystemClock
from propolis.config import Stream as Settings
from propolis.errors import StreamError
from propolis.stream import EmbeddedServer, Parcel, Publisher, Stream, connect, provision
from propolis.stream import server as module

LOOPBACK = "127.0.0.1"


def names(told: list[Any]) -> list[str]:
    return [note["event"] for note in told]


async def test_it_starts_answers_and_stops(tmp_path: Path, told: list[Any]) -> None:
    async with serving(tmp_path / "stream", settings=None) as server:
        async with connected(server) as stream:
            assert (await stream.api("INFO"))["storage"] == 0
        pid = server.pid
        assert pid is not None
    assert server.pid is None
    assert not alive(pid)
    assert names(told) == ["StageStarted", "StageStopped"]
    assert "Listening for client connections" in (tmp_path / "stream" / "nats-server.log").read_text()


async def test_every_write_is_synced(server: EmbeddedServer) -> None:
    config = json.loads((server.folder / "nats-server.conf").read_text())
    assert config["jetstream"]["sync_interval"] == "always"


async def test_only_we_can_read_its_files(server: EmbeddedServer) -> None:
    for path in (server.credential, server.folder / "nats-server.conf"):
        assert path.stat().st_mode & 0o077 == 0
    assert (server.folder / "store").stat().st_mode & 0o077 == 0


async def test_a_taken_port_names_key_and_cure(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        port = other.getsockname()[1]
        server = EmbeddedServer(tmp_path, (LOOPBACK, port), SystemClock())
        with pytest.raises(
            StreamError, match=rf"stream\.listen: 127\.0\.0\.1:{port} is in use; stop .* or choose"
        ):
            await server.start()
    assert server.pid is None


async def test_it_comes_back_from_a_crash_with_what_it_had(server: EmbeddedServer, told: list[Any]) -> None:
    async with connected(server) as stream:
        assert await stream.publish("events.interaction.0", b"before") == 1
        old = kill(server)
        assert await stream.insist("events.interaction.0", b"after", message_id="after") == 2
        assert server.pid not in (None, old)
        first, second = [stored.data async for stored in stream.history("EVENTS")]
    assert (first, second) == (b"before", b"after")
    failed = next(note for note in told if note["event"] == "StageFailed")
    assert failed["stage"] == "stream"
    assert "ended with -9" in failed["why"]
    assert names(told).index("StageFailed") < names(told).index("StageStarted")


async def test_a_server_that_cannot_come_back_is_told_and_tried_again(
    server: EmbeddedServer, told: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BACKOFF_SECONDS", (0.05,))
    monkeypatch.setattr(module, "_is_taken", lambda *_: True)
    kill(server)
    await until(lambda: sum("is in use" in note.get("why", "") for note in told) > 1)
    monkeypatch.undo()
    await until(lambda: server.pid is not None)


async def test_stopping_while_it_is_down_leaves_nothing_behind(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, (LOOPBACK, free_port()), SystemClock())
    await server.start()
    watching = asyncio.ensure_future(server.watch())
    kill(server)
    await until(lambda: server.pid is None)
    await server.stop()
    await watching
    await until(lambda: server.pid is None)


async def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    port = free_port()
    code = (
        "import asyncio, sys; from pathlib import Path; from propolis.clock import SystemClock\n"
        "from propolis import notes; notes.open_log(json=True)\n"
        "from propolis.stream import EmbeddedServer\n"
        "async def main():\n"
        f"    server = EmbeddedServer(Path({str(tmp_path)!r}), ('{LOOPBACK}', {port}), SystemClock())\n"
        "    await server.start(); print(server.pid, flush=True); await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with process("-c", code, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        pid = int(await asyncio.to_thread(parent.stdout.readline))
        assert alive(pid)
        parent.send_signal(signal.SIGKILL)
        await until(lambda: not alive(pid))


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


async def test_a_file_that_is_no_credential_is_named(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, (LOOPBACK, free_port()), SystemClock())
    path = server.admit("edge")
    path.write_text("nonsense")
    with pytest.raises(StreamError, match=r"enforcer-edge\.nk: is no credential"):
        await server.start()


async def test_a_credential_is_let_in_while_the_server_runs(server: EmbeddedServer, stream: Stream) -> None:
    credential = server.admit("edge")
    with pytest.raises(StreamError, match="the credential is refused"):
        await connect(server.url, "edge", credential=credential)
    server.reload()
    deadline = asyncio.get_running_loop().time() + 10
    while True:
        try:
            edge = await connect(server.url, "edge", credential=credential)
            break
        except StreamError:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.05)
    await edge.close()
    assert await stream.publish("events.interaction.0", b"still here") == 1


async def test_a_log_without_end_is_begun_anew(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOG_BYTES", 64)
    for number in range(20):
        server._write_down(b"line %d\n" % number)
    log = server.folder / "nats-server.log"
    assert log.with_suffix(".log.1").exists()
    assert not log.exists() or log.stat().st_size <= 64


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.root
async def test_no_room_at_the_start_names_the_cure(small_disk: Path) -> None:
    (small_disk / "fill").write_bytes(bytes(40_000_000))
    server = EmbeddedServer(small_disk / "stream", (LOOPBACK, free_port()), SystemClock())
    with pytest.raises(StreamError, match=r"only \d+ MiB left on the disk; free some or move host\.state"):
        await server.start()


@pytest.mark.root
async def test_a_full_disk_is_told_and_outlived_without_a_loss(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SPARE_DISK_BYTES", 16 * 1024 * 1024)
    settings = Settings(max_bytes=20_000_000)
    with capture_logs() as told:
        async with serving(small_disk / "stream", settings=settings) as server, connected(server) as stream:
            fill = small_disk / "fill"
            fill.write_bytes(bytes(shutil.disk_usage(small_disk).free - 2_500_000))
            publisher = Publisher(stream, SystemClock())
            stored: list[int] = []
            async with running(publisher.run()):
                for number in range(40):
                    body = number.to_bytes(4, "big") + os.urandom(100_000)
                    publisher.offer(
                        Parcel(
                            "events.interaction.0",
                            str(number),
                            lambda body=body: body,
                            lambda n=number: stored.append(n),
                        )  # type: ignore[misc]
                    )
                await until(lambda: "LimitHit" in names(told))
                assert len(stored) < 40
                fill.unlink()
                await asyncio.wait_for(publisher.drained(), 60)
            assert stored == list(range(40))
            kept = [int.from_bytes(one.data[:4], "big") async for one in stream.history("EVENTS")]
            assert sorted(kept) == list(range(40))
    limit = next(note for note in told if note["event"] == "LimitHit")
    assert (limit["stage"], limit["limit"]) == ("stream", "disk")
    assert "no space left on device" in limit["cost"]


async def test_too_little_room_for_the_streams_names_the_setting(server: EmbeddedServer) -> None:
    async with connected(server) as stream:
        await stream.api("STREAM.DELETE.EVENTS")
        with pytest.raises(StreamError, match=r"stream\.max_bytes: more than the disk"):
            await provision(stream, Settings(max_bytes=2**60))
        await provision(stream, SETTINGS)
