import asyncio
import re
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lures.serve import Heard, play, serve, transcript, visit, written
from propolis.events import ClientIdentified, CommandRun, CredentialTried, Malformed
from propolis.lures.telnet import TelnetLure
from propolis.lures.telnet.accept import is_accepted
from propolis.lures.telnet.dialogue import LINE_BYTES, MAX_COMMANDS
from propolis.lures.telnet.record import TELNETD, refusal, said, telnetd

QUIET_SECONDS = 0.4
REFUSED = b"\xff\xfe\x25\xff\xfe\x26\xff\xfc\x18\xff\xfc\x20\xff\xfc\x23\xff\xfc\x27\xff\xfc\x24"
WILLING = b"\xff\xfe\x25\xff\xfe\x26\xff\xfb\x18\xff\xfb\x20\xff\xfc\x23\xff\xfb\x27\xff\xfc\x24"
TOLD = (b"\xff\xfa\x20\x009,9\xff\xf0", b"\xff\xfa\x27\x00\xff\xf0", b"\xff\xfa\x18\x00VT100\xff\xf0")
ANSWERED = b"\xff\xfe\x03\xff\xfc\x01\xff\xfc\x22\xff\xfc\x1f\xff\xfe\x05\xff\xfc\x21"
SOURCE = next(
    f"198.51.100.{n}" for n in range(250) if is_accepted(b"seed", f"198.51.100.{n}", "root", "xc3511")
)
STRANGER = next(
    f"198.51.100.{n}" for n in range(250) if not is_accepted(b"seed", f"198.51.100.{n}", "root", "xc3511")
)
NMAP = Path("/usr/share/nmap/nmap-service-probes")
SYSTEM = re.compile(rb"Linux \S+ \(\S+\)( \(pts/\d+\))?|\S+ login:|Debian[^\r]*")


def at_prompt(source: str = STRANGER) -> Heard:
    heard = Heard(TelnetLure(visit(source_ip=source))).feed(REFUSED, ANSWERED)
    heard.sent, heard.events = b"", []
    return heard


@pytest.mark.root
@pytest.mark.skipif(not shutil.which(TELNETD), reason="Debian's inetutils-telnetd is not installed")
@pytest.mark.parametrize(
    "parts",
    [
        [None, None],
        [WILLING, *TOLD, ANSWERED],
        [REFUSED, ANSWERED, b"\xff\xf6", b"\xff\xfd\x63\xff\xfb\x63\xff\xfe\x63", b"ab\x7fc\x01\r\n"],
        [REFUSED[:7], REFUSED[7:], ANSWERED[:4], ANSWERED[4:], b"root\r\0", b"wrong"],
        [REFUSED, ANSWERED, b"ab\x15cd\x08e\xc3\xa9\x1b[A\r\n"],
    ],
)  # fmt: skip
def test_it_negotiates_and_echoes_as_telnetd_does(parts: list[bytes | None]) -> None:
    mine = Heard(TelnetLure(visit()))
    with telnetd() as real:
        heard = said(real, QUIET_SECONDS)
        for part in parts:
            assert SYSTEM.sub(b"-", mine.sent) == SYSTEM.sub(b"-", heard)
            mine.sent = b""
            sent = refusal(heard) if part is None else part
            real.sendall(sent)
            mine.feed(sent)
            heard = said(real, QUIET_SECONDS)
        assert SYSTEM.sub(b"-", mine.sent) == SYSTEM.sub(b"-", heard)


def test_a_wrong_password_five_times() -> None:
    script = """
        > root
        < root
        < Password:
        > xc3511
        ! CredentialTried username='root' secret='xc3511' method='password'
        <
        <
        < Login incorrect
        < monitor login:
    """
    heard = at_prompt()
    heard.feed(b"root\r\n")
    assert heard.sent == b"root\r\nPassword: "
    heard.sent = b""
    heard.feed(b"xc3511\r\n")
    assert heard.sent.startswith(b"\r\n\r\nLogin incorrect\r\n")
    assert heard.sent.endswith(b" login: ")
    assert "! CredentialTried username='root' secret='xc3511' method='password'" in written(script)
    for _ in range(4):
        assert not heard.hung_up
        heard.feed(b"admin\r\nadmin123\r\n")
    assert heard.hung_up
    assert heard.sent.endswith(b"Login incorrect\r\nMaximum number of tries exceeded (5)\r\n")
    assert heard.kinds() == ["CredentialTried"] * 5


def test_who_guesses_well_gets_a_shell_again_and_again() -> None:
    for _ in range(2):
        script = """
            > root\\r\\nxc3511\\r\\nenable\\r\\n/bin/busybox ECCHI\\r\\nexit
            ! CredentialTried username='root' secret='xc3511' method='password' accepted=True
            ! CommandRun command='enable'
            ! CommandRun command='/bin/busybox ECCHI'
            ! CommandRun command='exit'
        """
        came = transcript(TelnetLure, script, source_ip=SOURCE)
        for line in written(script).splitlines()[1:]:
            assert line in came
        assert (
            "< ~ # enable\n< -sh: enable: not found\n< ~ # /bin/busybox ECCHI\n< ECCHI: applet not found\n"
            in came
        )
        assert came.endswith("hung up")


def test_a_user_that_is_an_option_is_let_in() -> None:
    heard = Heard(TelnetLure(visit())).feed(
        b"\xff\xfc\x18\xff\xfc\x20\xff\xfc\x23\xff\xfb\x27\xff\xfc\x24",
        b"\xff\xfa\x27\x00\x00USER\x01-f root\xff\xf0",
        ANSWERED,
        b"id\r\n",
    )
    tried, named, ran = heard.events
    assert isinstance(tried, CredentialTried)
    assert (tried.username, tried.method, tried.accepted) == ("-f root", "environ", True)
    assert b"-f root" in tried.payload
    assert isinstance(named, ClientIdentified)
    assert ran == CommandRun("id", b"id")
    assert b"uid=0(root) gid=0(root)" in heard.sent


def test_a_plain_user_in_the_environment_is_asked_for_the_password() -> None:
    heard = Heard(TelnetLure(visit(source_ip=STRANGER))).feed(
        b"\xff\xfc\x18\xff\xfc\x20\xff\xfc\x23\xff\xfb\x27\xff\xfc\x24",
        b"\xff\xfa\x27\x00\x00USER\x01bob\xff\xf0",
        ANSWERED,
    )
    assert heard.sent.endswith(b"\r\n\r\nPassword: ")
    heard.feed(b"pw\r\n")
    assert heard.events[-1] == CredentialTried("bob", "pw", "password")


def test_the_terminal_and_the_negotiation_name_the_client() -> None:
    heard = Heard(TelnetLure(visit())).feed(
        b"\xff\xfb\x18\xff\xfc\x20\xff\xfc\x23\xff\xfc\x27\xff\xfc\x24",
        b"\xff\xfa\x18\x00XTERM\xff\xf0",
        ANSWERED,
    )
    (event,) = heard.events
    assert isinstance(event, ClientIdentified)
    assert event.software == "XTERM"
    assert event.fingerprint != at_fingerprint()


def at_fingerprint() -> str:
    (event,) = Heard(TelnetLure(visit())).feed(REFUSED, ANSWERED).events
    assert isinstance(event, ClientIdentified)
    return event.fingerprint


def test_who_negotiates_nothing_is_served_at_the_first_byte() -> None:
    heard = Heard(TelnetLure(visit())).feed(b"root\nadmin\n")
    assert heard.kinds() == ["CredentialTried"]
    assert heard.sent.count(b"login: ") >= 1


def test_lines_commands_and_passwords_are_bounded() -> None:
    heard = at_prompt(SOURCE).feed(b"x" * 10_000 + b"\r\n" + b"y" * 10_000 + b"\r\n")
    (tried,) = heard.events
    assert isinstance(tried, CredentialTried)
    assert (len(tried.username), len(tried.secret)) == (LINE_BYTES, LINE_BYTES)
    heard = at_prompt(SOURCE).feed(b"root\r\nxc3511\r\n" + b":\r\n" * (MAX_COMMANDS + 5))
    assert heard.hung_up
    assert heard.kinds().count("CommandRun") == MAX_COMMANDS


def test_control_d_and_control_c_end_the_login_but_not_the_shell() -> None:
    assert at_prompt().feed(b"\x04").hung_up
    assert at_prompt().feed(b"ab\x03").hung_up
    heard = at_prompt(SOURCE).feed(b"root\r\nxc3511\r\n", b"sleep 9\x03id\r\n\x04")
    assert heard.kinds() == ["CredentialTried", "CommandRun"]
    assert heard.hung_up


def test_an_endless_subnegotiation_is_malformed_once() -> None:
    heard = play(TelnetLure, *[b"\xff\xfa\x27" + b"x" * 5_000] * 3)
    assert [event.reason for event in heard.events if isinstance(event, Malformed)] == [
        "subnegotiation length"
    ]


@pytest.mark.root
@pytest.mark.skipif(not shutil.which("telnet"), reason="Debian's telnet is not installed")
async def test_the_real_client_logs_in() -> None:
    async with serve(TelnetLure) as (port, events):
        client = await asyncio.create_subprocess_exec(
            *("telnet", "-l", "-f root", "127.0.0.1", str(port)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert client.stdin
        assert client.stdout
        shown = await asyncio.wait_for(client.stdout.readuntil(b"~ # "), 20)
        client.stdin.write(b"cat /proc/mounts\n")
        shown += await asyncio.wait_for(client.stdout.readuntil(b"proc /proc proc"), 20)
        client.stdin.write(b"exit\n")
        await asyncio.wait_for(client.communicate(), 20)
    assert b"BusyBox v1.35.0" in shown
    kinds = {type(event).__name__ for event in events}
    assert {"CredentialTried", "ClientIdentified", "CommandRun"} <= kinds


@pytest.mark.skipif(not NMAP.exists(), reason="nmap is not installed")
def test_nmap_knows_no_honeypot_that_speaks_so() -> None:
    lines = [
        line for line in NMAP.read_text("latin-1").splitlines() if "oneypot" in line and "match " in line
    ]
    patterns = [re.match(r"(?:soft)?match \S+ m(.)(.*?)\1([is]*)", line) for line in lines]
    known = [re.compile(found[2].encode("latin-1"), re.DOTALL) for found in patterns if found]
    assert len(known) > 3
    greeting = Heard(TelnetLure(visit())).sent
    assert not any(pattern.match(greeting) for pattern in known)
    assert any(pattern.match(b"\xff\xfd\x1f") for pattern in known)


PIECES = st.sampled_from(
    [
        REFUSED,
        ANSWERED,
        b"root\r\n",
        b"xc3511\r\n",
        b"\xff",
        b"\xff\xfa",
        b"\xff\xf0",
        b"\x03",
        b"\x7f",
        b"sh\n",
        b"cat a|b\r",
    ]
)


@given(st.lists(PIECES | st.binary(max_size=20), max_size=14), st.lists(st.integers(0, 200), max_size=5))
@settings(max_examples=300, deadline=None)
def test_any_bytes_survive_split_anywhere(pieces: list[bytes], cuts: list[int]) -> None:
    raw = b"".join(pieces)
    edges = sorted({0, *(cut for cut in cuts if cut < len(raw)), len(raw)})
    heard = play(TelnetLure, *(raw[a:b] for a, b in pairwise(edges)), source_ip=SOURCE)
    assert heard.kinds().count("Malformed") <= 1


@given(st.lists(st.integers(0, 80), max_size=8))
@settings(max_examples=60)
def test_splitting_does_not_change_what_is_told(cuts: list[int]) -> None:
    raw = REFUSED + ANSWERED + b"root\r\nxc3511\r\nid\r\0uname -a\nexit\r\n"
    edges = sorted({0, *(cut for cut in cuts if cut < len(raw)), len(raw)})
    split = play(TelnetLure, *(raw[a:b] for a, b in pairwise(edges)), source_ip=SOURCE)
    whole = play(TelnetLure, raw, source_ip=SOURCE)
    assert split.events == whole.events
    assert split.sent == whole.sent
