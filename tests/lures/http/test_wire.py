from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.lures.http.wire import (
    CHUNK_LINE,
    HTTP_09,
    NO_BODY,
    Chunked,
    Chunks,
    Counted,
    Fault,
    Fields,
    RequestLine,
    Sized,
    fields,
    framing,
    head_end,
    head_lines,
    may_begin_request,
    request_line,
    signature,
    too_large,
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"GET / HTTP/1.1", RequestLine(b"GET", b"/", 1)),
        (b"GET  /a?b  HTTP/1.0  ", RequestLine(b"GET", b"/a?b", 0)),
        (b"POST http://b:80/x HTTP/1.1", RequestLine(b"POST", b"http://b:80/x", 1)),
        (b"GET http://[::1]?x HTTP/1.1", RequestLine(b"GET", b"http://[::1]?x", 1)),
        (b"GET /", RequestLine(b"GET", b"/", HTTP_09)),
        (b"GET /\xff HTTP/1.0", RequestLine(b"GET", b"/\xff", 0)),
        (b"GET / HTTP/2.0", Fault("version", 505)),
        (b"get / HTTP/1.1", Fault("request line")),
        (b"GET /a b HTTP/1.1", Fault("request line")),
        (b"GET /\x01 HTTP/1.1", Fault("request line")),
        (b"OPTIONS * HTTP/1.1", Fault("request line")),
        (b"", Fault("request line")),
    ],
)
def test_request_line_is_read_as_sent_or_refused(line: bytes, expected: RequestLine | Fault) -> None:
    assert request_line(line) == expected


@pytest.mark.parametrize(
    ("block", "end"),
    [
        (b"GET / HTTP/1.1\r\n\r\nrest", 18),
        (b"GET / HTTP/1.1\n\nrest", 16),
        (b"GET / HTTP/1.1\n\r\nrest\r\n\r\n", 17),
        (b"GET / HTTP/1.1\r\n", 0),
    ],
)
def test_a_head_ends_at_its_first_empty_line(block: bytes, end: int) -> None:
    assert head_end(block) == end


def test_lines_may_end_with_bare_lf() -> None:
    assert head_lines(b"a\r\nb\nc\r\r\npart") == [b"a", b"b", b"c\r"]


@pytest.mark.parametrize(
    "part", [b"G", b"GET", b"GET ", b"GET /x", b"GET http:", b"GET / HTTP/1.", b"GET / HT"]
)
def test_a_request_line_may_begin_so(part: bytes) -> None:
    assert may_begin_request(part)


@pytest.mark.parametrize(
    "part", [b"\x16\x03\x01", b"SSH-2.0", b" GET", b"get", b"GET *", b"GET /x HTTQ", b"\0"]
)
def test_a_request_line_cannot_begin_so(part: bytes) -> None:
    assert not may_begin_request(part)


def test_names_keep_order_and_case_and_the_first_value_counts() -> None:
    found = fields([b"hOsT:  a ", b"X_y: ignored", b"Accept: 1", b"ACCEPT: 2"])
    assert isinstance(found, Fields)
    assert found.names == (b"hOsT", b"X_y", b"Accept", b"ACCEPT")
    assert found.values == {b"host": b"a", b"accept": b"1"}


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([b"X y: z"], "header name"),
        ([b": z"], "header name"),
        ([b" folded"], "header name"),
        ([b"X: \0"], "header value"),
        ([b"X: a\rb"], "header value"),
        ([b"Host: a", b"Host: a"], "second host header"),
        ([b"Content-Length: 1", b"content-length: 1"], "second content-length header"),
    ],
)
def test_a_header_that_breaks_the_request(lines: list[bytes], reason: str) -> None:
    assert fields(lines) == Fault(reason)


LINE = RequestLine(b"POST", b"/", 1)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, NO_BODY),
        ({b"content-length": b"12"}, Sized(12)),
        ({b"transfer-encoding": b"Chunked"}, Chunked()),
        ({b"content-length": b"+1"}, Fault("content-length")),
        ({b"content-length": b"9" * 19}, Fault("content-length")),
        ({b"transfer-encoding": b"gzip, chunked"}, Fault("transfer-encoding", 501)),
        (
            {b"content-length": b"1", b"transfer-encoding": b"chunked"},
            Fault("content-length and transfer-encoding"),
        ),
        ({b"host": b"a/b"}, Fault("host")),
    ],
)
def test_how_long_a_body_is(values: dict[bytes, bytes], expected: object) -> None:
    assert framing(LINE, {b"host": b"a", **values}) == expected


def test_http_1_1_needs_a_host_and_1_0_knows_no_chunks() -> None:
    assert framing(LINE, {}) == Fault("no host")
    assert framing(RequestLine(b"GET", b"/", 0), {}) == NO_BODY
    assert framing(RequestLine(b"GET", b"/", 0), {b"transfer-encoding": b"chunked"}) == Fault(
        "transfer-encoding in HTTP/1.0"
    )


def test_heads_are_bounded_as_nginx_bounds_them() -> None:
    assert too_large([b"a" * 8_190, b""], 0, 9_000) is None
    assert too_large([b"a" * 8_191, b""], 0, 9_000) == Fault("request line length", 414)
    assert too_large([b"GET /", b"a" * 8_191], 0, 9_000) == Fault("header length", 494)
    assert too_large([b"GET /", *[b"a" * 1_000] * 40], 0, 41_000) == Fault("head length", 494)


def test_signature_keeps_order_and_case() -> None:
    known = {signature(1, names) for names in ((b"A", b"B"), (b"B", b"A"), (b"a", b"B"), (b"A", b"B", b"C"))}
    assert len(known) == 4
    assert signature(1, (b"Host",)).startswith("11-01-")
    assert signature(HTTP_09, ()).startswith("09-00-")


@pytest.mark.parametrize(
    ("raw", "content"),
    [
        (b"5\r\nabcde\r\n0\r\n\r\n", b"abcde"),
        (b"5;x=y\r\nabcde\r\n2\nfg\n0\nA: b\r\n\n", b"abcdefg"),
        (b"0\r\n\r\n", b""),
    ],
)
@given(cuts=st.lists(st.integers(0, 40), max_size=5))
@settings(max_examples=30)
def test_chunks_end_where_they_end_however_they_are_split(
    raw: bytes, content: bytes, cuts: list[int]
) -> None:
    chunks = Chunks(1_000)
    edges = sorted({0, *(cut for cut in cuts if cut < len(raw)), len(raw)})
    ends = [chunks.feed(raw[a:b], 0) for a, b in pairwise(edges)]
    assert ends[-1] == edges[-1] - edges[-2]
    assert all(end == -1 for end in ends[:-1])
    assert bytes(chunks.content) == content
    assert not chunks.is_broken


@pytest.mark.parametrize(
    "raw", [b"zz\r\n", b"5\r\nabcdefg", b"\r\n", b"-1\r\n", b"1" * 17 + b"\r\n", b"1" * (CHUNK_LINE + 1)]
)
def test_broken_chunks_end_the_body(raw: bytes) -> None:
    chunks = Chunks(1_000)
    assert chunks.feed(raw, 0) >= 0
    assert chunks.is_broken


@given(st.lists(st.binary(max_size=50), max_size=20), st.integers(0, 20))
@settings(max_examples=100)
def test_bodies_keep_no_more_than_asked(parts: list[bytes], keep: int) -> None:
    for body in (Chunks(keep), Counted(500, keep)):
        for part in parts:
            if body.feed(part, 0) >= 0:
                break
        assert len(body.content) <= keep
