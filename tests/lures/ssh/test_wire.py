from propolis.events import CommandRun
from propolis.lures.lure import Emit, Hangup, Reply
from propolis.lures.ssh.wire import Wire


def test_replies_at_once_travel_together_and_order_is_kept() -> None:
    wire = Wire()
    wire.write(b"a")
    wire.write(b"b")
    wire.emit(CommandRun("x"))
    wire.pause(2.0)
    wire.write(b"c")
    wire.write(b"d")
    wire.close()
    wire.abort()
    assert wire.take() == [Reply(b"ab"), Emit(CommandRun("x")), Reply(b"cd", 2.0), Hangup()]
    assert wire.take() == []
    assert wire.is_closing()
