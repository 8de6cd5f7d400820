from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.lures.redis.quoting import quoted, readable, split


def test_a_line_is_split_as_the_server_splits_it() -> None:
    assert split(b'SET a "b c\\x41\\n"') == [b"SET", b"a", b"b cA\n"]
    assert split(b"SET 'it\\'s' \"\"") == [b"SET", b"it's", b""]
    assert split(b'a"b c"') == [b"ab c"]
    assert split(b'"a"b') is None
    assert split(b"'a") is None


def test_words_are_quoted_where_they_must_be() -> None:
    assert readable([b"SET", b"a b", b'"', b"", b"\x00\xff"], 100) == 'SET "a b" "\\"" "" "\\x00\\xff"'
    assert len(readable([b"x" * 1_000] * 9, 300)) == 300


@settings(max_examples=100)
@given(st.binary(max_size=40))
def test_what_is_quoted_splits_into_itself(word: bytes) -> None:
    assert split(quoted(word).encode()) == [word]


@settings(max_examples=100)
@given(st.binary(max_size=40))
def test_any_line_survives(line: bytes) -> None:
    words = split(line)
    assert words is None or len(words) <= len(line)
