"""A response as matchers see it."""

import pytest

from propolis.flaws.scanners.dsl import Literal
from propolis.flaws.scanners.formula import Want
from propolis.flaws.scanners.response import Response, holds, ordered


def test_figures_stand_in_an_order() -> None:
    assert ordered(6, ">=", 5)
    assert not ordered(4, ">", 5)
    assert ordered(5, "==", 5)


ANSWER = Response(200, ((b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"X-Own", b"y")), b"text")


@pytest.mark.parametrize("is_wanted", [True, False])
def test_nothing_holds_of_a_header_that_was_not_sent(*, is_wanted: bool) -> None:
    want = Want(1, "equal", "x_other", Literal(b"z"), is_wanted=is_wanted)
    assert not holds(want, {1: ANSWER}, lambda _: None)
    assert holds(want, {1: Response(200, ((b"X-Other", b"z" * is_wanted),), b"")}, lambda _: None)


def test_headers_as_each_scanner_shows_them() -> None:
    assert (
        ANSWER.part("header") == b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Own: y\r\n\r\n"
    )
    assert ANSWER.part("raw_header") == b"Set-Cookie: a=1\nX-Own: y"
