"""From the first malicious byte to a drop in another host's kernel, beside Debian's fail2ban in the same run.

Method. Three network namespaces on one switch: attacker, sensor, protected host. The sensor runs a whole installation
(`propolis up`, every stage a process, every write synced to disk); the protected host runs `propolis enforce nftables`
with only the stream's URL and a credential. Each of 200 fresh source addresses first reaches the protected host, then
attacks a decoy (an HTTP exploit, a Redis takeover, or a telnet log-in), then opens connections to the protected host
until one gets no answer. The time is from before the first byte to before the unanswered SYN (see bench.prober), which
includes what the prober itself costs. Afterwards every source must still be unanswered and in the kernel's set, and
bystanders, who ask a decoy for its front page and reach the protected host, must not be: those are wrong blocks.

fail2ban (pyinotify, nftables-allports action, ban at the first line, in the protected namespace) gets an equal trigger:
one conclusive line in the log it watches, from fresh addresses, timed by the same prober to the same kind of drop.

Five rounds of 40 sources, with fail2ban's trials between them, so both see the same machine; percentiles are over all
sources.
"""

import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

import msgspec

from bench.hive import Hive, hive, report
from bench.network import NETWORK, add_addresses, hosts, inside
from bench.prober import Job, Outcome
from propolis.measure import spread

ROUNDS = 5
SOURCES_PER_ROUND = 40
FAIL2BAN_PER_ROUND = 12
BYSTANDERS = 20
DECOYS = {"http": 8080, "redis": 6379, "telnet": 2323}
PROTECTED = (f"{NETWORK}.0.3", 9000)
SETTINGS = f"""
[stream]
listen = "{NETWORK}.0.2:4222"
[decisions]
allow_private = true
[enforcers]
run = []
"""
LISTENER = """
import socket
listener = socket.create_server(("0.0.0.0", 9000), backlog=4096)
while True:
    listener.accept()[0].close()
"""
FRONT_PAGE = """
import socket, sys
connection = socket.create_connection((sys.argv[1], 8080), 5, (sys.argv[2], 0))
connection.send(b"GET / HTTP/1.0\\r\\n\\r\\n")
connection.recv(99)
"""


class Prober:
    """The attacker's process."""

    def __init__(self, namespace: str) -> None:
        self._process = subprocess.Popen(
            [*inside(namespace), sys.executable, "-m", "bench.prober"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._in: IO[bytes] = self._process.stdin  # type: ignore[assignment]
        self._out: IO[bytes] = self._process.stdout  # type: ignore[assignment]

    def run(self, job: Job) -> Outcome:
        """One job, waited for."""
        self._in.write(msgspec.json.encode(job) + b"\n")
        self._in.flush()
        return msgspec.json.decode(self._out.readline(), type=Outcome)

    def stop(self) -> None:
        """End it."""
        self._in.close()
        self._process.wait(5)


class Fail2ban:
    """Debian's fail2ban in a namespace, on a log file of its own."""

    def __init__(self, namespace: str, folder: Path) -> None:
        self.log = folder / "watched.log"
        self._folder = folder
        self._namespace = namespace
        shutil.copytree("/etc/fail2ban", folder, dirs_exist_ok=True)
        shutil.rmtree(folder / "jail.d", ignore_errors=True)
        (folder / "jail.d").mkdir()
        self.log.touch()
        (folder / "jail.local").write_text(
            "[DEFAULT]\nignoreip = 127.0.0.1/8\nbantime = 1h\nfindtime = 10m\nmaxretry = 1\n"
            f"banaction = nftables\n[sshd]\nenabled = true\nfilter = sshd\nbackend = pyinotify\nlogpath = {self.log}\n"
            "action = nftables[type=allports, name=sshd]\n"
        )
        (folder / "fail2ban.local").write_text(
            f"[Definition]\nloglevel = INFO\nlogtarget = {folder}/fail2ban.log\nsyslogsocket = auto\n"
            f"socket = {folder}/f2b.sock\npidfile = {folder}/f2b.pid\ndbfile = {folder}/f2b.sqlite3\n"
        )
        self._process = subprocess.Popen(
            [*inside(namespace), "/usr/bin/fail2ban-server", "-c", str(folder), "-f", "-x", "start"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            pong = subprocess.run(
                ["fail2ban-client", "-c", str(folder), "ping"], capture_output=True, text=True, check=False
            )
            if "pong" in pong.stdout:
                time.sleep(2)
                return
            time.sleep(0.2)
        raise RuntimeError("fail2ban did not start")

    def line(self, source: str) -> str:
        """A conclusive line about a source."""
        moment = time.strftime("%b %d %H:%M:%S")
        return f"{moment} host sshd[2000]: Failed password for root from {source} port 40000 ssh2"

    def stop(self) -> None:
        """End it."""
        subprocess.run(["fail2ban-client", "-c", str(self._folder), "stop"], capture_output=True, check=False)
        self._process.wait(20)


def enforcer(protected: str, sensor: Hive) -> subprocess.Popen[bytes]:
    """The protected host's enforcer, ready."""
    sensor.run("credential", "protected")
    folder = sensor.folder / "protected"
    folder.mkdir()
    seed = folder / "enforcer-protected.nk"
    shutil.copy(sensor.config.state / "stream" / "credentials" / seed.name, seed)
    (folder / "propolis.toml").write_text(
        f'[stream]\nurl = "nats://{NETWORK}.0.2:4222"\ncredentials = "{seed.name}"\n[host]\nname = "protected"\n'
    )
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [
            *inside(protected),
            sys.executable,
            "-m",
            "propolis",
            "enforce",
            "nftables",
            "--config",
            str(folder / "propolis.toml"),
        ],
        stdout=log,
        stderr=log,
    )
    deadline = time.monotonic() + 60
    while "StageStarted" not in (folder / "log").read_text():
        if time.monotonic() > deadline or process.poll() is not None:
            raise RuntimeError((folder / "log").read_text())
        time.sleep(0.1)
    return process


def in_kernel(protected: str) -> str:
    """What the protected host's kernel holds."""
    return subprocess.run(
        [*inside(protected), "nft", "list", "table", "inet", "propolis"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def main() -> None:
    """Run it and print the figures."""
    sources = [f"{NETWORK}.{10 + i // 200}.{1 + i % 200}" for i in range(ROUNDS * SOURCES_PER_ROUND)]
    banned = [f"{NETWORK}.20.{1 + i}" for i in range(ROUNDS * FAIL2BAN_PER_ROUND)]
    bystanders = [f"{NETWORK}.30.{1 + i}" for i in range(BYSTANDERS)]
    chance = random.Random(7)
    times: list[float] = []
    peer: list[float] = []
    never = 0
    with hosts("attacker", "sensor", "protected") as names, tempfile.TemporaryDirectory() as folder:
        add_addresses(names["attacker"], [*sources, *banned, *bystanders])
        with hive(SETTINGS, prefix=inside(names["sensor"]), lures=DECOYS) as sensor:
            sensor.start("--arm")
            listener = subprocess.Popen([*inside(names["protected"]), sys.executable, "-c", LISTENER])
            enforcing = enforcer(names["protected"], sensor)
            fail2ban = Fail2ban(names["protected"], Path(folder))
            prober = Prober(names["attacker"])
            while not prober.run(Job(bystanders[0], "none", PROTECTED, PROTECTED)).reached:
                time.sleep(0.2)  # the protected host does not listen yet
            for number in range(ROUNDS):
                for index in range(SOURCES_PER_ROUND):
                    source = sources[number * SOURCES_PER_ROUND + index]
                    kind = tuple(DECOYS)[index % len(DECOYS)]
                    outcome = prober.run(Job(source, kind, (f"{NETWORK}.0.2", DECOYS[kind]), PROTECTED))
                    if outcome.ms is None:
                        never += 1
                        sys.stderr.write(
                            f"never blocked: {source}, {kind}, reached before: {outcome.reached}\n"
                        )
                    else:
                        times.append(outcome.ms)
                    time.sleep(chance.uniform(0.01, 0.05))
                for index in range(FAIL2BAN_PER_ROUND):
                    source = banned[number * FAIL2BAN_PER_ROUND + index]
                    job = Job(source, "log", PROTECTED, PROTECTED, str(fail2ban.log), fail2ban.line(source))
                    outcome = prober.run(job)
                    if outcome.ms is not None:
                        peer.append(outcome.ms)
                    time.sleep(chance.uniform(0.2, 0.6))
                sys.stderr.write(f"round {number + 1} of {ROUNDS}: {len(times)} blocked\n")
            held = in_kernel(names["protected"])
            wrong = 0
            for source in bystanders:
                command = [sys.executable, "-c", FRONT_PAGE, f"{NETWORK}.0.2", source]
                subprocess.run([*inside(names["attacker"]), *command], check=True)
            time.sleep(0.5)
            for source in bystanders:
                wrong += not prober.run(Job(source, "none", PROTECTED, PROTECTED)).reached
            missing = [source for source in sources if f"{source} " not in held and f"{source}," not in held]
            clock = msgspec.json.decode(sensor.run("clock", "--json").stdout)["report"]["stages"]
            prober.stop()
            fail2ban.stop()
            enforcing.terminate()
            enforcing.wait(10)
            listener.kill()
    ours = spread(int(ms * 1e6) for ms in times)
    theirs = spread(int(ms * 1e6) for ms in peer)
    report(
        p50_ms=ours.p50,
        p95_ms=ours.p95,
        p99_ms=ours.p99,
        max_ms=ours.max,
        n=ours.n,
        never_blocked=never,
        not_read_back=len(missing),
        wrong_blocks=wrong,
        fail2ban_p50_ms=theirs.p50,
        fail2ban_p95_ms=theirs.p95,
        fail2ban_n=theirs.n,
        ratio_p50=round(theirs.p50 / ours.p50, 1),
        clock=clock,
    )


if __name__ == "__main__":
    main()
