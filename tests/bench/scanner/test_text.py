import pytest
from bench.scanner.text import (
    PatternError,
    bytewise,
    encoded,
    escaped_path,
    escaped_query,
    found,
    header_name,
    is_found,
    pattern,
    shown,
)


def test_text_is_bytes() -> None:
    assert len(bytewise("é")) == 2
    assert encoded(bytewise("é")) == "é".encode()


def test_a_whole_number_shows_no_fraction() -> None:
    assert [shown(value) for value in (200.0, 1.5, True, None, "a")] == ["200", "1.5", "true", "", "a"]


def test_patterns_are_re2s() -> None:
    assert is_found("(?i)ABC$", "xabc")
    assert not is_found("abc$", "abc\n")
    assert found("a(.)", "ab ac", 1) == ["b", "c"]
    assert found("a", "a", 3) == []
    with pytest.raises(PatternError):
        pattern("(?=a)")


def test_a_field_name_is_canonical() -> None:
    assert header_name("x-POWERED-by") == "X-Powered-By"
    assert header_name("odd name") == "odd name"


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/a/../b", "/a/../b"),
        ("/%2e%2e/etc", "/%2e%2e/etc"),
        ("/a b", "/a%20b"),
        ('/%2e"', "/.%22"),
        ("/100%", "/100%25"),
        ("/a;b=(1)", "/a;b=(1)"),
    ],
)
def test_a_path_is_left_alone_if_it_can_be_sent(path: str, sent: str) -> None:
    assert escaped_path(path) == sent


def test_a_query_keeps_what_attackers_write() -> None:
    assert escaped_query("q=<script>'\"&b=a b%20") == "q=<script>'\"&b=a+b%20"
    assert escaped_query(bytewise("q=é")) == "q=%c3%a9"
