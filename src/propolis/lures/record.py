"""What recorders of personas share: a real server on loopback that is up before it is asked."""

import socket
import time

from propolis.errors import PropolisError

START_SECONDS = 10.0
_PAUSE_SECONDS = 0.02


def free_port() -> int:
    """A loopback TCP port that nobody listens on right now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def await_port(port: int) -> None:
    """Wait until something listens; raises :class:`~propolis.errors.PropolisError` if nothing does."""
    for _ in range(int(START_SECONDS / _PAUSE_SECONDS)):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(_PAUSE_SECONDS)
    raise PropolisError(
        f"nothing listens on port {port} after {START_SECONDS} s; does the server start by hand?"
    )
