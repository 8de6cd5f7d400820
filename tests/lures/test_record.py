import socket

import pytest

from propolis.errors import PropolisError
from propolis.lures import record


def test_a_free_port_can_be_bound_and_is_waited_for() -> None:
    port = record.free_port()
    with socket.create_server(("127.0.0.1", port)):
        record.await_port(port)


def test_a_server_that_never_listens_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "START_SECONDS", 0.05)
    with pytest.raises(PropolisError, match="nothing listens"):
        record.await_port(record.free_port())
