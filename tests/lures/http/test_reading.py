"""How web servers read the head of a request."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.lures.http.reading import Refusal, Request, reader
from propolis.lures.http.server import SERVERS, load

READERS = {name: reader(load(name).rules) for name in SERVERS}


@pytest.mark.parametrize("name", SERVERS)
def test_every_server_takes_a_plain_request(name: str) -> None:
    raw = b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n"
    read = READERS[name](raw + b"rest")
    assert isinstance(read, Request)
    assert (read.line.target, read.path, read.end) == (b"/a?b", b"/a", len(raw))
    assert READERS[name](raw[:-2]) is None


def test_servers_differ_in_what_they_refuse() -> None:
    climbing = b"GET /../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n"
    assert {type(read(climbing)) for read in READERS.values()} == {Request, Refusal}


@settings(max_examples=60)
@given(st.binary(max_size=200), st.sampled_from(SERVERS))
def test_any_bytes_are_read(data: bytes, name: str) -> None:
    assert READERS[name](data) is None or isinstance(READERS[name](data), Request | Refusal)
