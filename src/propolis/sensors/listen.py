"""Listening sockets, shared by the workers of a sensor; and what an operator is told when one cannot be had."""

import socket
from pathlib import Path

from propolis.errors import ConfigError


def listen(path: Path, key: str, address: str, port: int, *, shared: bool = True) -> socket.socket:
    """A bound socket, shared with the other workers. Raises :class:`ConfigError` when it cannot be had."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigError(
            path, key, f"{address}: this host does not speak it ({error.strerror}); leave it out of addresses"
        ) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
    except OSError as error:
        listener.close()
        cure = {
            13: "needs root; choose a port above 1023",
            98: "is in use; stop what listens there or choose another port",
            99: "is not an address of this host",
        }.get(error.errno or 0, f"cannot be bound ({error.strerror})")
        raise ConfigError(path, key, f"{address} port {port} {cure}") from error
    listener.setblocking(False)  # noqa: FBT003 - the socket's own word
    return listener
