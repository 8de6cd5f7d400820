"""What a web server with nothing but its index answers."""

import pytest

from propolis.lures.http.reading import Refusal, Request
from propolis.lures.http.server import SERVERS
from propolis.lures.http.site import site
from propolis.lures.http.static import answer, asker, choose, keeps, refuse


def read(name: str, line: bytes) -> Request | Refusal | None:
    return site(name, b"seed").read(line + b" HTTP/1.1\r\nHost: a\r\n\r\n")


@pytest.mark.parametrize("name", SERVERS)
def test_the_index_is_there_and_nothing_else(name: str) -> None:
    place = site(name, b"seed")
    there, missing = read(name, b"GET /"), read(name, b"GET /nothing-there")
    assert isinstance(there, Request)
    assert isinstance(missing, Request)
    assert answer(place, there, 10**18).data.split()[1] == b"200"
    assert answer(place, missing, 10**18).data.split()[1] == b"404"
    assert choose(place, missing).startswith("404")
    assert isinstance(keeps(place, there), bool)
    assert asker(there, keep=True).host == b"a"


def test_a_refusal_is_a_page() -> None:
    refusal = read("nginx", b"GET /%zz")
    assert isinstance(refusal, Refusal)
    assert b" 400 " in refuse(site("nginx", b"seed"), refusal, 10**18)[:16]
