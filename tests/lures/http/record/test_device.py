"""The page of a small device."""

from propolis.lures.http.record.device import PAGE


def test_the_page_is_a_login_form() -> None:
    assert "<form" in PAGE
    assert PAGE.count("<input") == 3
