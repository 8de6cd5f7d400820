"""A recorded web server is data."""

import pytest

from propolis.lures.http.server import ALIASES, SERVERS, load


@pytest.mark.parametrize("name", SERVERS)
def test_every_server_has_its_pages(name: str) -> None:
    persona = load(name)
    assert {"200", "404"} <= {page.split()[0] for page in persona.pages}
    assert "*" in persona.methods
    assert "*" in persona.order


def test_whoever_is_unknown_is_nginx() -> None:
    assert load("nobody") == load("nginx") == load(next(iter(ALIASES)))
