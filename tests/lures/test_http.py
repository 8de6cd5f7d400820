"""The programs people scan with, against a server that plays a few flaws: they finish, believe it, and are told of."""

import asyncio
import json
import re
import shutil
from pathlib import Path

import pytest

from lures.serve import Known, serve
from propolis.events import Event, RequestReceived
from propolis.flaws.file import load
from propolis.flaws.packs import BUILT_IN
from propolis.lures.http import HttpLure

PLAYED = ("git-repository", "wordpress", "laravel")
WORDS = (
    "admin",
    "backup",
    ".git/config",
    ".env",
    "index.nginx-debian.html",
    "login",
    "nothing",
    "wp-login.php",
    "zzz",
)
FOUND = {".git/config", ".env", "index.nginx-debian.html", "wp-login.php"}
RUN_SECONDS = 150.0


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed")


def played() -> Known:
    return Known([load(path) for path in sorted(BUILT_IN.glob("*.yaml"))], PLAYED)


async def run(*command: str) -> str:
    """What a program says; it has to end by itself, and well."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(RUN_SECONDS):
        out, _ = await process.communicate()
    text = out.decode(errors="replace")
    assert process.returncode == 0, text
    return text


def answered(events: list[Event]) -> set[str]:
    return {event.answered for event in events if isinstance(event, RequestReceived)} - {""}


@pytest.fixture
def words(tmp_path: Path) -> str:
    path = tmp_path / "words"
    path.write_text("\n".join(WORDS))
    return str(path)


pytestmark = pytest.mark.root


@needs("curl")
async def test_curl_reads_a_repository() -> None:
    async with serve(HttpLure, played()) as (port, events):
        said = await run("curl", "-si", f"http://127.0.0.1:{port}/.git/config")
        posted = await run(
            "curl",
            "-si",
            "-H",
            "Expect: 100-continue",
            "-d",
            "log=admin&pwd=hunter2",
            f"http://127.0.0.1:{port}/wp-login.php",
        )
    assert "Server: nginx/1.22.1" in said
    assert "[core]" in said
    assert "is incorrect" in posted
    assert answered(events) == {"git-config/config", "wordpress/login"}


@needs("nmap")
async def test_nmap_names_the_server_and_finds_what_lies_there() -> None:
    scripts = "http-git,http-title,http-headers,http-methods,http-server-header,http-wordpress-users,http-config-backup"
    async with serve(HttpLure, played()) as (port, events):
        said = await run(
            "nmap", "-sV", "-Pn", "-p", str(port), "--script", scripts, "--script-timeout", "30s", "127.0.0.1"
        )
    assert "nginx 1.22.1" in said
    assert "Git repository found" in said
    assert "honeypot" not in said.lower()
    assert "git-config/config" in answered(events)


@needs("whatweb")
async def test_whatweb_names_server_and_product() -> None:
    async with serve(HttpLure, played()) as (port, events):
        said = await run("whatweb", "--color=never", "-a", "3", f"http://127.0.0.1:{port}/wp-login.php")
    assert "nginx/1.22.1" in said
    assert "WordPress" in said
    assert "wordpress/form" in answered(events)


@needs("gobuster")
async def test_gobuster_finds_what_is_there_and_nothing_else(words: str) -> None:
    async with serve(HttpLure, played()) as (port, events):
        said = await run("gobuster", "dir", "-q", "-z", "-u", f"http://127.0.0.1:{port}", "-w", words)
    assert set(re.findall(r"/(\S+) +\(Status: 200\)", said)) == FOUND
    assert {"git-config/config", "dotenv-file/env", "wordpress/form"} <= answered(events)


@needs("ffuf")
async def test_ffuf_finds_what_is_there_and_nothing_else(words: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    async with serve(HttpLure, played()) as (port, _):
        await run(
            "ffuf", "-s", "-w", words, "-u", f"http://127.0.0.1:{port}/FUZZ", "-o", str(report), "-of", "json"
        )
    results = json.loads(report.read_text())["results"]
    assert {result["input"]["FUZZ"] for result in results} == FOUND


@needs("wfuzz")
async def test_wfuzz_finds_what_is_there_and_nothing_else(words: str) -> None:
    async with serve(HttpLure, played()) as (port, _):
        said = await run("wfuzz", "-w", words, "--hc", "404", f"http://127.0.0.1:{port}/FUZZ")
    rows = {word: line for line in said.splitlines() for word in WORDS if f'"{word[:14]}' in line}
    assert {word for word, line in rows.items() if " 200 " in line} == FOUND
    assert all(" 404 " in line for word, line in rows.items() if word not in FOUND)


@needs("sqlmap")
async def test_sqlmap_tries_everything_and_ends(tmp_path: Path) -> None:
    async with serve(HttpLure, played()) as (port, events):
        said = await run(
            "sqlmap", "-u", f"http://127.0.0.1:{port}/item.php?id=1", "--batch", "--technique=BEU", "--ignore-code=404",
            "--flush-session", f"--output-dir={tmp_path}", "--disable-coloring",
        )  # fmt: skip
    assert "do not appear to be injectable" in said
    assert "traceback" not in said.lower()
    assert sum(isinstance(event, RequestReceived) for event in events) > 20


NAMED = {
    "nginx": "nginx 1.22.1",
    "apache": "Apache httpd 2.4",
    "lighttpd": "lighttpd 1.4.69",
    "tomcat": "Apache Tomcat",
    "jetty": "Jetty 9.4",
    "iis": "Microsoft IIS httpd 10.0",
    "express": "Node.js (Express middleware)",
    "python": "SimpleHTTPServer 0.6",
    "mini_httpd": "mini_httpd 1.30",
    "boa": "Boa HTTPd 0.94.13",
    "goahead": "GoAhead",
}
"""What nmap 7.93 calls the real ones; it has no name for BusyBox."""


async def seen_by_nmap(name: str) -> str:
    async with serve(HttpLure, Known((), (), name)) as (port, _):
        return await run("nmap", "-sV", "--version-light", "-Pn", "-p", str(port), "127.0.0.1")


@needs("nmap")
async def test_nmap_names_every_server() -> None:
    seen = await asyncio.gather(*map(seen_by_nmap, NAMED))
    assert [name for name, said in zip(NAMED, seen, strict=True) if NAMED[name] not in said] == []
