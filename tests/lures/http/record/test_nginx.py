import pytest

from lures.http.record.compare import held, needs
from propolis.lures.http.record.nginx import recipe

NOT_HELD = (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encodi",)
"""Odd requests that it answers otherwise than our site of it."""


@pytest.mark.root
@needs("nginx")
def test_a_site_answers_as_nginx_does() -> None:
    held("nginx", recipe, NOT_HELD)
