import asyncio
import json
import os
import random
import re
import resource
import signal
import socket
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

import decoy as decoy_script
from hive import (
    config_of,
    connected,
    free_port,
    is_listening,
    kill,
    process,
    rows_of,
    running,
    say,
    until,
)
from propolis.clock import SystemClock
from propolis.config import Config
from propolis.errors import PropolisError
from propolis.events import unpack
from propolis.lures.catalogue import CATALOGUE
from propolis.sensors import worker as module
from propolis.stream import EmbeddedServer, Stream
from propolis.stream.heartbeat import decode

Sensor = Callable[..., AbstractAsyncContextManager[Config]]
GET = "GET /hit/{} HTTP/1.1\r\nHost: decoy\r\nConnection: close\r\n\r\n"


def write(folder: Path, server: EmbeddedServer, settings: str = "") -> tuple[Path, int]:
    """A configuration for a sensor in a process of its own, and its HTTP port."""
    port = free_port()
    path = folder / "propolis.toml"
    path.write_text(
        f'[stream]\nurl = "{server.url}"\ncredentials = "{server.credential}"\n[host]\nlog_json = true\n'
        f'[sensors]\nname = "edge"\n{settings}\n[lures.http]\nports = [{port}]\naddresses = ["127.0.0.1"]\n'
    )
    return path, port


def sensor_process(path: Path, log: Path) -> Any:
    return process(
        "-m", "propolis", "sensor", "--config", str(path), stderr=log.open("ab"), stdout=subprocess.DEVNULL
    )


async def hits(stream: Stream) -> Counter[str]:
    return Counter(row["path"] for row in await rows_of(stream, "RequestReceived"))


async def test_a_killed_sensor_forgets_no_hit_that_was_answered_and_repeats_none(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    path, port = write(tmp_path, server)
    answered: list[str] = []
    chance = random.Random(3)
    number = 0

    async def visit(mine: int) -> None:
        try:
            if (await say(port, GET.format(mine).encode())).startswith(b"HTTP/1."):
                answered.append(f"/hit/{mine}")
        except OSError:
            pass

    for _ in range(3):
        with sensor_process(path, tmp_path / "log") as sensor:
            await until(lambda: is_listening(port))
            visits: set[asyncio.Task[None]] = set()
            for _ in range(chance.randrange(60, 160)):
                visits.add(asyncio.ensure_future(visit(number)))
                number += 1
                await asyncio.sleep(0.001)
            sensor.send_signal(signal.SIGKILL)
            sensor.wait()
            await asyncio.gather(*visits)
    assert len(answered) > 100
    with sensor_process(path, tmp_path / "log"):
        await until(lambda: is_listening(port))
        await say(port, GET.format("last").encode())

        async def is_last() -> bool:
            return "/hit/last" in await hits(stream)

        await until(is_last)
        seen = await hits(stream)
    assert [hit for hit in answered if seen[hit] != 1] == []
    assert max(seen.values()) == 1


async def test_an_outage_of_the_stream_costs_nothing(server: EmbeddedServer, tmp_path: Path) -> None:
    path, port = write(tmp_path, server)
    await server.stop()
    revived = EmbeddedServer(server.folder, (server.host, server.port), SystemClock())
    await revived.start()
    with sensor_process(path, tmp_path / "log") as sensor:
        await until(lambda: is_listening(port))
        await say(port, GET.format("before").encode())
        kill(revived)
        for number in range(100):
            assert (await say(port, GET.format(number).encode())).startswith(b"HTTP/1.")
        assert sensor.poll() is None
        again = EmbeddedServer(server.folder, (server.host, server.port), SystemClock())
        await until(lambda: revived.pid is None)
        await again.start()
        async with connected(again) as stream:

            async def are_all() -> bool:
                return len(await hits(stream)) >= 101

            await until(are_all)
            assert set((await hits(stream)).values()) == {1}
    await again.stop()
    told = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    names = [note["event"] for note in told]
    assert names.index("StreamLost") < names.index("StreamBack")


async def test_what_was_taken_is_given_to_the_stream_before_it_ends(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    path, port = write(tmp_path, server)
    with sensor_process(path, tmp_path / "log") as sensor:
        await until(lambda: is_listening(port))
        assert await say(port, GET.format(1).encode())
        sensor.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(sensor.wait, 20) == 0
    assert (await hits(stream))["/hit/1"] == 1
    last = json.loads((tmp_path / "log").read_text().splitlines()[-1])
    assert (last["event"], last["stage"]) == ("StageStopped", "sensor")


CROWD = """
import asyncio, resource, sys

async def main(port, count):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    loop = asyncio.get_running_loop()
    links, failed = [], 0
    gate = asyncio.Semaphore(200)

    async def link(number):
        nonlocal failed
        async with gate:
            source = f"127.{20 + number // 60_000}.{number // 250 % 240}.{number % 250 + 1}"
            try:
                transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", port, local_addr=(source, 0))
                links.append(transport)
            except OSError:
                failed += 1

    await asyncio.gather(*(link(number) for number in range(count)))
    print(len(links), failed, flush=True)
    await asyncio.sleep(120)

asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
"""


async def test_ten_thousand_silent_connections_keep_nobody_out(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 10_500:
        pytest.skip("this user may not open ten thousand files")
    path, port = write(tmp_path, server, "max_connections = 4000")
    with sensor_process(path, tmp_path / "log") as sensor:
        await until(lambda: is_listening(port))
        before = rss_bytes(sensor.pid)
        with process("-c", CROWD, str(port), "10000", stdout=subprocess.PIPE) as crowd:
            assert crowd.stdout is not None
            opened, failed = map(int, (await asyncio.to_thread(crowd.stdout.readline)).split())
            assert (opened, failed) == (10_000, 0)
            answer = await say(port, GET.format("through").encode(), source="127.99.0.1")
            assert answer.startswith(b"HTTP/1.")
            figures = await figures_of(stream)
            await until(lambda: open_files(sensor.pid) < 4_000 + module.SPARE_FILES)
            assert rss_bytes(sensor.pid) - before < 150_000_000
        assert sensor.poll() is None
    assert figures["connections"] > 0
    assert (await hits(stream))["/hit/through"] == 1
    limits = {json.loads(line).get("limit") for line in (tmp_path / "log").read_text().splitlines()}
    assert "sensors.max_connections" in limits


def open_files(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def rss_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


async def figures_of(stream: Stream) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    async def is_there() -> bool:
        stored = await stream.get("sensors", "sensor.edge.0")
        if stored is not None:
            found.append(decode(stored).figures)
        return bool(found) and found[-1]["connections"] > 0

    await until(is_there)
    return found[-1]


async def test_thousands_of_sources_leave_no_trace_in_memory(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    """Through PROXY headers, as a balancer would bring them."""
    path, port = write(tmp_path, server, 'proxies = ["127.0.0.0/8"]')
    with sensor_process(path, tmp_path / "log") as sensor:
        await until(lambda: is_listening(port))
        gate = asyncio.Semaphore(100)

        async def visit(number: int) -> None:
            source = f"198.{18 + number // 65_536}.{number // 256 % 256}.{number % 256}"
            async with gate:
                await say(port, f"PROXY TCP4 {source} 192.0.2.1 1000 80\r\n{GET.format(number)}".encode())

        await asyncio.gather(*(visit(number) for number in range(1_000)))
        before = rss_bytes(sensor.pid)
        await asyncio.gather(*(visit(number) for number in range(1_000, 4_000)))
        assert rss_bytes(sensor.pid) - before < 40_000_000

        async def are_all() -> bool:
            return len(await hits(stream)) >= 4_000

        await until(are_all)
    sources = {unpack(row["source_ip"]) for row in await rows_of(stream, "RequestReceived")}
    assert len(sources) == 4_000


async def test_two_workers_share_the_ports(server: EmbeddedServer, stream: Stream, tmp_path: Path) -> None:
    path, port = write(tmp_path, server)
    one = ("-m", "propolis", "sensor", "--config", str(path), "--worker")
    with process(*one, "0", stderr=subprocess.DEVNULL), process(*one, "1", stderr=subprocess.DEVNULL):
        for worker in (0, 1):
            await until(lambda worker=worker: stream.get("sensors", f"sensor.edge.{worker}"))  # type: ignore[misc]
        for number in range(100):
            assert await say(port, GET.format(number).encode())

        async def are_all() -> bool:
            return len(await hits(stream)) == 100

        await until(are_all)

        async def counted() -> bool:
            figures = [await stream.get("sensors", f"sensor.edge.{worker}") for worker in (0, 1)]
            counts = [decode(found).figures["connections"] for found in figures if found]
            return sum(counts) >= 100 and min(counts) > 10

        await until(counted)


async def test_the_same_worker_twice_is_refused(
    sensor: Sensor, server: EmbeddedServer, tmp_path: Path
) -> None:
    async with sensor() as config:
        with pytest.raises(PropolisError, match="another sensor worker writes here"):
            await module.run(config, 0, SystemClock(), CATALOGUE)


async def test_a_port_that_is_taken_is_an_operator_s_mistake(server: EmbeddedServer, tmp_path: Path) -> None:
    path, port = write(tmp_path, server)
    with await asyncio.to_thread(_taken, port):
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "propolis", "sensor", "--config", str(path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    failed = json.loads(done.stderr.splitlines()[-1])
    assert failed["event"] == "StageFailed"
    assert f"lures.http.ports: 127.0.0.1 port {port} is in use" in failed["why"]
    assert "Traceback" not in done.stderr


def _taken(port: int) -> Any:
    other = socket.socket()
    other.bind(("127.0.0.1", port))
    other.listen()
    return other


async def test_without_a_stream_it_waits_and_says_so(server: EmbeddedServer, tmp_path: Path) -> None:
    path, port = write(tmp_path, server)
    await server.stop()
    with sensor_process(path, tmp_path / "log") as sensor:
        await until(lambda: "waiting for it" in (tmp_path / "log").read_text())
        assert sensor.poll() is None
        again = EmbeddedServer(server.folder, (server.host, server.port), SystemClock())
        await again.start()
        await until(lambda: is_listening(port))
        await again.stop()


async def test_its_heartbeat_says_what_it_counts(sensor: Sensor, stream: Stream) -> None:
    async with sensor() as config:
        await say(config.lures["http"].ports[0], GET.format(1).encode())
        figures = await figures_of(stream)
    assert figures["ports"] == {name: list(lure.ports) for name, lure in config.lures.items()}
    assert figures.keys() >= {
        "connections",
        "events",
        "refused",
        "stored",
        "waiting",
        "journal_bytes",
        "dropped",
        "limits",
    }


async def test_two_sensors_do_not_look_alike_and_one_does_not_change(tmp_path: Path) -> None:
    seeds = {
        module._seed(folder, port)
        for folder in (tmp_path / "a", tmp_path / "b")
        if folder.mkdir() is None
        for port in (22, 80)
    }
    assert len(seeds) == 4
    assert module._seed(tmp_path / "a", 22) == module._seed(tmp_path / "a", 22)
    assert (tmp_path / "a" / "seed").stat().st_mode & 0o077 == 0


async def test_all_ports_of_a_sensor_stand_on_one_machine(server: EmbeddedServer, tmp_path: Path) -> None:
    telnet, https = free_port(), free_port()
    config = config_of(
        tmp_path,
        server,
        f"""
[lures.telnet]
ports = [{telnet}]
addresses = ["127.0.0.1"]
[lures.http]
tls_ports = [{https}]
addresses = ["127.0.0.1"]
""",
    )
    async with running(module.run(config, 0, SystemClock(), CATALOGUE)):
        await until(lambda: is_listening(https))
        reader, writer = await asyncio.open_connection("127.0.0.1", telnet)
        said = b""
        while b" login: " not in said:
            more = await asyncio.wait_for(reader.read(4_096), 10)
            refusals = [b"\xff\xfc" + option for option in re.findall(rb"\xff\xfd(.)", more, re.DOTALL)]
            writer.write(b"".join(refusals))
            said += more
        writer.close()
        text = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", https))
    (named,) = x509.load_pem_x509_certificate(text.encode()).subject.get_attributes_for_oid(
        x509.NameOID.COMMON_NAME
    )
    assert said.rpartition(b" login: ")[0].endswith(str(named.value).encode())


async def test_no_lure_no_worker(server: EmbeddedServer, tmp_path: Path) -> None:
    path, _ = write(tmp_path, server)
    text = path.read_text().replace("http", "nothing")
    path.write_text(text)
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "propolis", "sensor", "--config", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "lures: there is no 'nothing'; choose of http, redis" in done.stderr


async def test_a_sensor_on_another_host_needs_no_more_than_its_credential(
    server: EmbeddedServer, stream: Stream, tmp_path: Path
) -> None:
    credential = server.admit("edge", "sensor")
    server.reload()
    path, port = write(tmp_path, server)
    path.write_text(path.read_text().replace(str(server.credential), str(credential)))
    with sensor_process(path, tmp_path / "log"):
        await until(lambda: is_listening(port))
        assert await say(port, GET.format(1).encode())

        async def is_there() -> bool:
            return (await hits(stream))["/hit/1"] == 1

        await until(is_there)
        assert (await figures_of(stream))["connections"] > 0
    told = [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]
    assert told.count("StreamLost") == 0


FLOOD = """
import random, socket, struct, sys, time

def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF

target, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
chance, sent, end = random.Random(1), 0, time.monotonic() + seconds
there = socket.inet_aton(target)
while time.monotonic() < end:
    here = bytes((198, 19, chance.randrange(256), chance.randrange(1, 255)))
    tcp = struct.pack("!HHIIBBHHH", chance.randrange(1024, 65536), port, sent, 0, 0x50, 2, 65535, 0, 0)
    total = checksum(here + there + struct.pack("!BBH", 0, 6, 20) + tcp)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, sent & 0xFFFF, 0, 64, 6, 0, here, there)
    raw.sendto(head + tcp[:16] + struct.pack("!H", total) + tcp[18:], (target, 0))
    sent += 1
print(sent)
"""


@pytest.fixture
def cable() -> Iterator[tuple[str, str]]:
    """Two network namespaces and a cable between them: 198.18.0.1 defends, 198.18.0.2 attacks."""
    tag = f"{os.getpid():x}{os.urandom(2).hex()}"
    host, attacker = f"pw-h{tag}", f"pw-a{tag}"
    for name in (host, attacker):
        ip("netns", "add", name)
    ip("-n", host, "link", "add", "pw0", "type", "veth", "peer", "name", "pw0", "netns", attacker)
    for name, address in ((host, "198.18.0.1/15"), (attacker, "198.18.0.2/15")):
        ip("-n", name, "address", "add", address, "dev", "pw0")
        ip("-n", name, "link", "set", "pw0", "up")
        ip("-n", name, "link", "set", "lo", "up")
    yield host, attacker
    for name in (host, attacker):
        ip("netns", "del", name)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.mark.root
async def test_a_flood_of_forged_handshakes_keeps_nobody_out_and_accuses_nobody(
    cable: tuple[str, str], tmp_path: Path
) -> None:
    host, attacker = cable
    port = 8080
    inside = ("ip", "netns", "exec")
    decoy = await asyncio.create_subprocess_exec(
        *inside,
        host,
        sys.executable,
        decoy_script.__file__,
        str(tmp_path),
        str(port),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(Path(decoy_script.__file__).parent)},
    )
    assert decoy.stdin is not None
    assert decoy.stdout is not None
    try:
        async with asyncio.timeout(60):
            while (await decoy.stdout.readline()) != b"ready\n":
                pass
        flood = await asyncio.create_subprocess_exec(
            *inside,
            attacker,
            sys.executable,
            "-c",
            FLOOD,
            "198.18.0.1",
            str(port),
            "4",
            stdout=subprocess.PIPE,
        )
        await asyncio.sleep(1)
        visit = (
            "import urllib.request as u\n"
            "print(sum(len(u.urlopen('http://198.18.0.1:8080/', timeout=8).read(1)) for _ in range(20)))"
        )
        visitor = await asyncio.create_subprocess_exec(
            *inside, attacker, sys.executable, "-c", visit, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        said, _ = await visitor.communicate()
        sent, _ = await flood.communicate()
        decoy.stdin.write(b"\n")
        async with asyncio.timeout(30):
            seen = json.loads(await decoy.stdout.readline())
    finally:
        decoy.stdin.close()
        decoy.kill()
        await decoy.wait()
    assert int(sent) > 10_000
    assert said == b"20\n"
    assert seen["requests"] == 20
    assert set(seen["sources"]) <= {"198.18.0.2", "127.0.0.1"}
