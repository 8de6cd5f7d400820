"""A server for the scanner's tests: what it answers is a function of the bytes it was sent."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def serving(answer: Callable[[bytes], bytes]) -> Iterator[tuple[tuple[str, int], list[bytes]]]:
    """Its address and what it received; one request a connection."""
    received: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5)
                data = b""
                while b"\r\n\r\n" not in data or len(data) < _length(data):
                    piece = connection.recv(65_536)
                    if not piece:
                        break
                    data += piece
                received.append(data)
                connection.sendall(answer(data))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield listener.getsockname(), received
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _length(data: bytes) -> int:
    head, _, _ = data.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return len(head) + 4 + int(value)
    return 0


def page(body: str, status: str = "200 OK", *fields: str) -> bytes:
    """A small answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields, "", body]
    return "\r\n".join(lines).encode("latin-1")
