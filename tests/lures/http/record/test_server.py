"""Real web servers on loopback, asked things."""

import sys

from propolis.lures.http.record.server import ask, folder, running
from propolis.lures.record import free_port


def test_a_server_is_up_and_answers() -> None:
    port = free_port()
    command = (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1")
    with folder() as place, running(command, port, cwd=place):
        reply, is_closed = ask(port, b"GET / HTTP/1.0\r\n\r\n")
    assert reply.startswith(b"HTTP/1.0 200")
    assert is_closed
