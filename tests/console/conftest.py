"""What the console's tests share: attacks as nouns on a real stream, a console behind its gate, and a browser."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from nats.aio.client import Client
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from hive import free_port
from propolis.clock import ManualClock, SystemClock
from propolis.config import Config, load
from propolis.console import api_token, first_password
from propolis.console.board import Board
from propolis.console.console import Console
from propolis.console.known import Known
from propolis.console.rulebook import KnownRules
from propolis.console.session import Attempts, Sessions
from propolis.console.stage import gated, routes
from propolis.decisions import Entry
from propolis.decisions import stage as decide
from propolis.decisions.stage import read_ledger
from propolis.events import Connection, Interaction, RequestReceived, pack, shard_of
from propolis.events.interaction import encode, event_id, to_batch
from propolis.findings import Evidence, Finding, finding_id
from propolis.findings import encode as encode_findings
from propolis.hunting.evidence import uuid_text
from propolis.stream import EmbeddedServer, Stream, connect, folder, provision, subjects

PAYLOAD = (
    b"POST /cgi-bin/.%2e/bin/sh HTTP/1.1\r\nHost: decoy\r\n"
    b"User-Agent: <img src=x onerror=document.title='owned'>\r\n\r\n"
    b"<script>document.title='owned'</script>\x1b[2J\x00\xff"
)
TITLE = "Path traversal </script><script>document.title='owned'</script>{{constructor.constructor('x')()}}"
RULE = "cve-2021-41773"
ORIGIN = "http://127.0.0.1:8765"
CHROMIUM = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1600,1800",
)


def configuration(folder: Path) -> Config:
    """Free ports, and documentation's addresses taken for real ones."""
    path = folder / "propolis.toml"
    path.write_text(
        f'[host]\nname = "edge"\n[stream]\nlisten = "127.0.0.1:{free_port()}"\n'
        f'[console]\nlisten = "127.0.0.1:{free_port()}"\n[decisions]\nallow_private = true\n'
    )
    return load(path)


async def _attack(stream: Stream, source: str, *, sequence: int = 0, rule: str = RULE) -> Finding:
    """One hostile request: its event, and the finding that cites it (or another ``sequence``), on the stream."""
    now = SystemClock().now()
    address = pack(source)
    connection = Connection(
        id=os.urandom(16),
        opened=now,
        sensor="edge",
        lure="http",
        source_ip=address,
        source_port=40_000,
        target_ip=pack("203.0.113.250"),
        target_port=80,
        shard=shard_of(address),
        evidence_class="dialogue",
    )
    request = RequestReceived(
        "POST", "/cgi-bin/.%2e/bin/sh", "decoy", "<img src=x onerror=alert(1)>", PAYLOAD, 0
    )
    row = Interaction(now, connection, 1, request)
    stored = await stream.publish(subjects.events("interaction", 0), encode(to_batch([row])))
    finding = Finding(
        id=finding_id(rule, source, now),
        rule=rule,
        title=TITLE,
        source=source,
        shard=connection.shard,
        grade="attempt",
        severity="high",
        confidence=92,
        evidence_class="dialogue",
        first_seen=now,
        last_seen=now,
        found=now,
        count=1,
        sensors=("edge",),
        lures=("http",),
        evidence=(Evidence(uuid_text(event_id(row)), now, sequence or stored, 0, "request <b>"),),
        technique="T1190",
        cve=("CVE-2021-41773",),
    )
    await stream.publish(subjects.findings(0), encode_findings((finding,)))
    return finding


async def _until(check: Callable[[], object], seconds: float = 15.0) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.02)


@pytest.fixture
def attack() -> Callable[..., Awaitable[Finding]]:
    return _attack


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    return _until


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def lonely(tmp_path: Path, clock: ManualClock) -> Console:
    """A console whose stream was never reached."""
    config = configuration(tmp_path)
    count = iter(range(1_000_000))
    return Console(
        config=config,
        clock=clock,
        stream=(stream := Stream(Client(), "nats://127.0.0.1:1", "console")),
        board=Board(clock, config.stream.max_age_seconds),
        known=Known(config, stream, clock),
        rules=KnownRules(config, stream, clock),
        sessions=Sessions(clock, lambda: f"secret-{next(count)}-of-a-test-that-nobody-guesses"),
        attempts=Attempts(),
    )


def client_of(console: Console) -> httpx.AsyncClient:
    """Somebody at 127.0.0.1 before the console's gate."""
    app = gated(console, routes(console), api_token(console.config.state))
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 50_000))
    return httpx.AsyncClient(transport=transport, base_url=ORIGIN)


@pytest.fixture
async def asker(lonely: Console) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(lonely) as client:
        yield client


@pytest.fixture
async def stream(tmp_path: Path) -> AsyncIterator[tuple[Config, Stream, EmbeddedServer]]:
    """An embedded server of one's own, with every stream and bucket."""
    config = configuration(tmp_path)
    host, _, port = config.stream.listen.partition(":")
    server = EmbeddedServer(folder(config), (host, int(port)), SystemClock())
    await server.start()
    connection = await connect(server.url, "test", credential=server.credential)
    try:
        await provision(connection, config.stream)
        yield config, connection, server
    finally:
        await connection.close()
        await server.stop()


@pytest.fixture
async def live(stream: tuple[Config, Stream, EmbeddedServer]) -> AsyncIterator[Console]:
    """A console on a real stream beside a real decider."""
    config, connection, _ = stream
    clock = SystemClock()
    console = Console(
        config=config,
        clock=clock,
        stream=connection,
        board=Board(clock, config.stream.max_age_seconds),
        known=Known(config, connection, clock),
        rules=KnownRules(config, connection, clock),
        sessions=Sessions(clock, lambda: os.urandom(16).hex()),
        attempts=Attempts(),
    )
    tasks = [
        asyncio.ensure_future(console.board.follow(connection)),
        asyncio.ensure_future(decide.run(config, clock)),
    ]
    try:
        yield console
    finally:
        await _end(tasks)


async def _end(tasks: list[asyncio.Future[None]]) -> None:
    """Cancel until they are done: Python 3.11's ``wait_for`` loses a cancellation that comes with its result."""
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=0.5)


class Hive:
    """A running installation, and somebody who attacks it and reads its ledger."""

    def __init__(self, config: Config, password: str) -> None:
        self.config = config
        self.password = password
        self.url = f"http://{config.console.listen}"

    def attack(self, source: str, **what: Any) -> Finding:
        return self._with_stream(lambda stream: _attack(stream, source, **what))

    def ledger(self) -> list[Entry]:
        async def read(stream: Stream) -> list[Entry]:
            return [entry async for entry in read_ledger(stream)]

        return self._with_stream(read)

    def _with_stream(self, work: Callable[[Stream], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            credential = folder(self.config) / "credentials" / "owner.nk"
            stream = await connect(f"nats://{self.config.stream.listen}", "test", credential=credential)
            try:
                return await work(stream)
            finally:
                await stream.close()

        return asyncio.run(run())


@pytest.fixture(scope="session")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hive]:
    config = configuration(tmp_path_factory.mktemp("hive"))
    password = first_password(config.state)
    assert password
    process = subprocess.Popen([sys.executable, str(Path(__file__).with_name("serve.py")), str(config.path)])
    try:
        _await_port(config.console.listen, process)
        yield Hive(config, password)
    finally:
        process.terminate()
        process.wait(20)


def _await_port(listen: str, process: subprocess.Popen[bytes]) -> None:
    host, _, port = listen.partition(":")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the installation ended"
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 0.5):
            return
        time.sleep(0.1)
    pytest.fail("the console did not come up")


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (*CHROMIUM, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = Chrome(options=options, service=ChromeService("/usr/bin/chromedriver"))
    try:
        yield browser
    finally:
        browser.quit()


class Visit:
    """A browser that is logged in, with patience."""

    def __init__(self, chromium: Chrome, hive: Hive) -> None:
        self.chromium = chromium
        self.hive = hive

    def log_in(self) -> None:
        self.chromium.get(f"{self.hive.url}/")
        if self.chromium.current_url.endswith("/login"):
            self.chromium.find_element(By.ID, "password").send_keys(self.hive.password)
            self.chromium.find_element(By.TAG_NAME, "button").click()
        self.text_of(".mode .badge")

    def text_of(self, css: str) -> str:
        """The text of an element, once it has one."""
        return self.until(f"return document.querySelector({css!r})?.innerText")

    def click(self, css: str, containing: str = "") -> None:
        """Click the first element that contains a text, once there is one; rows come and go, so all in one step."""
        self.until(
            "const found = [...document.querySelectorAll(arguments[0])].find(e => e.innerText.includes(arguments[1]));"
            "found?.click(); return Boolean(found)",
            css,
            containing,
        )

    def type(self, css: str, text: str) -> None:
        """Type into a field, once it is there."""
        WebDriverWait(self.chromium, 20).until(lambda page: page.find_elements(By.CSS_SELECTOR, css))
        self.chromium.find_element(By.CSS_SELECTOR, css).send_keys(text)

    def until(self, script: str, *arguments: object) -> Any:
        """What a script returns, once that is something."""
        return WebDriverWait(self.chromium, 20).until(lambda page: page.execute_script(script, *arguments))


@pytest.fixture
def visit(chromium: Chrome, hive: Hive) -> Visit:
    visitor = Visit(chromium, hive)
    visitor.log_in()
    return visitor
