from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.lures.redis.wire import (
    NULL_ARRAY,
    OK,
    REQUEST_BYTES,
    SILENCE,
    WORDS_MAX,
    Encoded,
    Error,
    Fault,
    Many,
    Reader,
    Request,
    Several,
    Value,
    Verbatim,
    encode,
    integer,
    number,
)


def read(*parts: bytes) -> list[Request | Fault]:
    reader, found = Reader(), []
    for part in parts:
        reader.feed(part)
        while (each := reader.next()) is not None:
            found.append(each)
            if isinstance(each, Fault):
                return found
    return found


def test_a_request_is_its_words_and_its_bytes() -> None:
    raw = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n"
    assert read(raw + b"PING x\r\n") == [
        Request([b"GET", b"a"], raw),
        Request([b"PING", b"x"], b"PING x\r\n"),
    ]


def test_words_may_be_split_anywhere() -> None:
    raw = b"*2\r\n$3\r\nSET\r\n$5\r\nab\r\nc\r\n"
    assert read(*[raw[place : place + 1] for place in range(len(raw))]) == [
        Request([b"SET", b"ab\r\nc"], raw)
    ]


def test_a_request_of_no_words_is_none() -> None:
    assert read(b"*0\r\n*-1\r\n\r\n  \r\nPING\r\n") == [Request([b"PING"], b"PING\r\n")]


def test_faults_have_the_servers_words() -> None:
    for data, reason in (
        (b"*x\r\n", "invalid multibulk length"),
        (b"*1\r\n:1\r\n", "expected '$', got ':'"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b'GET "a\r\n', "unbalanced quotes in request"),
        (b"x" * 65_537, "too big inline request"),
        (b"*" + b"1" * 65_537, "too big mbulk count string"),
        (b"*1\r\n$" + b"1" * 65_537, "too big bulk count string"),
    ):
        assert [each.reason for each in read(data) if isinstance(each, Fault)] == [reason]


def test_the_unfinished_is_bounded() -> None:
    assert read(b"*2\r\n$9\r\n", b"x" * REQUEST_BYTES) != []
    [fault] = read(b"*2\r\n$500000000\r\n" + b"x" * 10, b"x" * REQUEST_BYTES)
    assert isinstance(fault, Fault)
    [fault] = read(b"*1000000\r\n" + b"$0\r\n\r\n" * (WORDS_MAX + 2))
    assert isinstance(fault, Fault)


def test_what_is_unread_is_kept() -> None:
    reader = Reader()
    reader.feed(b"PING\r\n*2\r\n$3\r\nGET\r\n$100\r\n")
    assert isinstance(reader.next(), Request)
    assert reader.next() is None
    reader.feed(b"abc")
    assert reader.next() is None
    assert reader.unread == b"*2\r\n$3\r\nGET\r\n$100\r\nabc"


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.binary(max_size=20), min_size=1, max_size=5), max_size=5),
    st.lists(st.integers(1, 9)),
)
def test_what_is_written_is_read(requests: list[list[bytes]], sizes: list[int]) -> None:
    data = b"".join(encode(list(words), 2) or b"" for words in requests)
    parts, place = [], 0
    for size in sizes:
        parts.append(data[place : place + size])
        place += size
    found = read(*parts, data[place:])
    assert [each.words for each in found if isinstance(each, Request)] == requests
    assert b"".join(each.raw for each in found if isinstance(each, Request)) == data


def test_values_in_both_protocols() -> None:
    cases: list[tuple[Value, bytes, bytes]] = [
        (OK, b"+OK\r\n", b"+OK\r\n"),
        (Error("ERR a\r\nb\r\n"), b"-ERR a  b\r\n", b"-ERR a  b\r\n"),
        (None, b"$-1\r\n", b"_\r\n"),
        (NULL_ARRAY, b"*-1\r\n", b"_\r\n"),
        (True, b":1\r\n", b"#t\r\n"),
        (1.5, b"$3\r\n1.5\r\n", b",1.5\r\n"),
        (Verbatim(b"x"), b"$1\r\nx\r\n", b"=5\r\ntxt:x\r\n"),
        (Many("%", [b"a", 1]), b"*2\r\n$1\r\na\r\n:1\r\n", b"%1\r\n$1\r\na\r\n:1\r\n"),
        (Many("~", [[1], 2]), b"*2\r\n*1\r\n:1\r\n:2\r\n", b"~2\r\n*1\r\n:1\r\n:2\r\n"),
        (Several([1, 2]), b":1\r\n:2\r\n", b":1\r\n:2\r\n"),
        (SILENCE, b"", b""),
        (Encoded(b":9\r\n"), b":9\r\n", b":9\r\n"),
    ]
    for value, two, three in cases:
        assert (encode(value, 2), encode(value, 3)) == (two, three)


def test_a_reply_too_long_is_none() -> None:
    assert encode([b"x" * 50] * 10, 2, limit=500) is None


def test_numbers() -> None:
    assert [integer(text) for text in (b"0", b"-1", b"+1", b"01", b"-0", b"9223372036854775808", b"1 ")] == [
        0,
        -1,
        None,
        None,
        None,
        None,
        None,
    ]
    assert [number(value) for value in (3.0, 3.14, 1e20, float("inf"))] == [
        b"3",
        b"3.1400000000000001",
        b"1e+20",
        b"inf",
    ]
