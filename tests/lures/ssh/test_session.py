"""Programs in a channel, without the channel."""

import pytest

from propolis.events import CommandRun, PayloadReceived
from propolis.lures.lure import Emit
from propolis.lures.ssh.persona import load
from propolis.lures.ssh.session import MAX_COMMANDS, MAX_UPLOAD_BYTES, Session
from propolis.lures.ssh.shell import Shell
from propolis.lures.ssh.wire import Wire
from propolis.machine.host import host_of


class Channel:
    """What a session writes, and how it ends."""

    def __init__(self, *, has_terminal: bool = False) -> None:
        self.out, self.err, self.status = b"", b"", None
        self.wire = Wire()
        shell = Shell(load("debian12"), host_of(b"s"), "root")
        self.session = Session(shell, self.wire, self.write, self.finish, has_terminal=has_terminal)

    def write(self, data: bytes, *, is_error: bool = False) -> None:
        if is_error:
            self.err += data
        else:
            self.out += data

    def finish(self, status: int) -> None:
        assert self.status is None
        self.status: int | None = status

    def events(self) -> list[object]:
        return [effect.event for effect in self.wire.take() if isinstance(effect, Emit)]


def test_a_command_is_reported_before_it_is_answered() -> None:
    channel = Channel()
    channel.session.execute(b"id -u; nosuch\xff")
    assert (channel.out, channel.err, channel.status) == (
        b"0\n",
        b"bash: line 1: nosuch\xff: command not found\n",
        127,
    )
    assert channel.events() == [CommandRun("id -u; nosuch\\xff", b"id -u; nosuch\xff")]


def test_lines_through_a_pipe_count_their_lines() -> None:
    channel = Channel()
    channel.session.execute(b"sh")
    channel.session.feed(b"pwd\nnos")
    channel.session.feed(b"uch\nid -u")
    channel.session.end()
    assert (channel.out, channel.err) == (b"/root\n0\n", b"bash: line 2: nosuch: command not found\n")
    assert [event.command for event in channel.events()] == ["sh", "pwd", "nosuch", "id -u"]


def test_bytes_leave_as_they_were_meant() -> None:
    channel = Channel()
    channel.session.execute("echo -ne '\\xff\\x80'; echo é".encode())
    assert channel.out == b"\xff\x80\xc3\xa9\n"


def test_a_login_shell_says_goodbye() -> None:
    channel = Channel(has_terminal=True)
    channel.session.login()
    channel.session.feed(b"exit 3\r")
    assert channel.out.endswith(b"# exit 3\r\n\x1b[?2004l\rlogout\r\n")
    assert channel.status == 3


def test_an_upload_is_bounded_and_reported_once() -> None:
    channel = Channel()
    channel.session.execute(b"cat > /tmp/x")
    for _ in range(9):
        channel.session.feed(bytes(200_000))
    channel.session.end()
    channel.session.cut_off()
    assert channel.events()[1:] == [PayloadReceived(bytes(MAX_UPLOAD_BYTES))]
    assert channel.status == 0


@pytest.mark.parametrize("has_terminal", [True, False])
def test_commands_are_bounded(has_terminal: bool) -> None:  # noqa: FBT001 - a parameter
    channel = Channel(has_terminal=has_terminal)
    channel.session.login()
    channel.session.feed(b"true\n" * (MAX_COMMANDS + 10))
    assert channel.status == 0
    assert len(channel.events()) == MAX_COMMANDS
