import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.flaws.request import HTTP_09, MAX_RAW, PLAIN, Request, is_field
from propolis.flaws.unwrap import MAX_UNWRAPPED

GET = (
    b"GET /a/../b.php?x=1+2&y=%27&x=3 HTTP/1.1\r\nHost: 192.0.2.1:8080\r\nX-A:  v \r\nx-a: w\r\n"
    b"Cookie: s=1; t=a=b\r\n\r\n"
)

HEADERS = [
    *(
        b"Content-Type: multipart/form-data; boundary=x",
        b"--x",
        b"Content-Encoding: gzip",
        b"{",
        b'"\\',
        b"${",
        b"\xff",
    ),
    *(b"Transfer-Encoding: chunked", b"Content-Length: 9", b"<a>", b"Cookie: a=b;"),
]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("method", b"GET"),
        ("version", b"HTTP/1.1"),
        ("host", b"192.0.2.1:8080"),
        ("target", b"/a/../b.php?x=1+2&y=%27&x=3"),
        ("raw_path", b"/a/../b.php"),
        ("path", b"/b.php"),
        ("query", b"x=1+2&y=%27&x=3"),
        ("query.x", b"1 2"),
        ("query.y", b"'"),
        ("query.z", None),
        ("header.X-A", b"v"),
        ("header_names", b"Host, X-A, x-a, Cookie"),
        ("cookie.t", b"a=b"),
        ("cookie.u", None),
        ("body", None),
        ("json", None),
        ("file", None),
        ("ja4", None),
        ("raw", GET),
        ("unknown", None),
        ("query.", None),
        ("unknown.x", None),
    ],
)
def test_fields_of_a_get(field: str, value: bytes | None) -> None:
    request = Request.parse(GET)
    assert request[field] == value
    assert request[field] == value


def test_the_header_block_is_as_sent() -> None:
    assert Request.parse(GET)["headers"] == GET.partition(b"\r\n")[2].rstrip(b"\r\n")
    assert Request.parse(b"GET /")["headers"] == b""


def post(body: bytes, *headers: bytes) -> Request:
    return Request.parse(b"\r\n".join((b"POST / HTTP/1.0", *headers, b"", body)))


def test_a_form() -> None:
    request = post(b"user=a%40b&password=+")
    assert request["form.user"] == b"a@b"
    assert request["form.password"] == b" "
    assert request["body"] == b"user=a%40b&password=+"


def test_a_multipart_form() -> None:
    request = post(
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x\r\nContent-Disposition: form-data; '
        b'name="f"; filename="s.jsp"\r\n\r\n<%\r\n--x--',
        b"Content-Type: multipart/form-data; boundary=x",
    )
    assert request["form.a"] == b"1"
    assert request["form.f"] is None
    assert request["file"] == request["file.f"] == b"s.jsp"
    assert request["file.a"] is None
    assert request["part.f"] == b"<%"
    assert request["part.a"] == b"1"


def test_json_and_xml() -> None:
    request = post(b'{"a": ["x", {"b": 1}]}')
    assert request["json.a.1.b"] == b"1"
    assert request["json.a"] == b"x 1"
    assert request["json"] == request["body"]
    assert post(b"<a><b>1</b></a>")["xml.b"] == b"1"


def test_the_length_ends_a_body_and_chunks_make_one() -> None:
    assert post(b"abcd", b"Content-Length: 2")["body"] == b"ab"
    assert post(b"2\r\nab\r\n0\r\n\r\n", b"Transfer-Encoding: Chunked")["body"] == b"ab"
    assert post(gzip.compress(b"q=1"), b"Content-Encoding: gzip")["form.q"] == b"1"


def test_a_client_hello_comes_with_the_request() -> None:
    request = Request.parse(GET, ja4=b"t13d", sni=b"example.org")
    assert (request["ja4"], request["ja3"], request["sni"]) == (b"t13d", None, b"example.org")


def test_a_request_that_somebody_took_apart() -> None:
    head = b"PUT /x HTTP/1.1\r\nHost: a\r\n\r\n"
    request = Request.of(b"PUT", b"/x", 1, [b"Host: a"], head + b"1\r\nb\r\n0\r\n\r\n", len(head), b"b")
    assert request["body"] == b"b"
    assert request["headers"] == b"Host: a"


@pytest.mark.parametrize(
    ("line", "method", "target", "minor"),
    [
        (b"GET / HTTP/1.0", b"GET", b"/", 0),
        (b"GET /", b"GET", b"/", HTTP_09),
        (b"GET /a b HTTP/1.1", b"GET", b"/a b", 1),
        (b"GET / HTTP/1.x", b"GET", b"/", 1),
        (b"", b"", b"", HTTP_09),
        (b"\xff\x00", b"\xff\x00", b"", HTTP_09),
    ],
)
def test_request_lines(line: bytes, method: bytes, target: bytes, minor: int) -> None:
    request = Request.parse(line + b"\r\n\r\n")
    assert (request.method, request.target, request.minor) == (method, target, minor)


def test_any_goes_through_what_payloads_are_wrapped_in() -> None:
    request = Request.parse(b"GET /?q=%24%7B%6Andi:LDAP HTTP/1.1\nX: ${${::-j}ndi:rmi}\n\n")
    assert b"${jndi:ldap" in (request["any"] or b"")
    assert b"${jndi:rmi}" in (request["any"] or b"")
    assert b"/?q=%24%7B%6Andi:LDAP" in (request["any"] or b"")


def test_escapes_are_undone_in_as_much_as_they_can_cost() -> None:
    request = Request.parse(b"GET / HTTP/1.1\r\n\r\n" + b"%41" * MAX_UNWRAPPED)
    assert len(request["any"] or b"") <= len(request.raw) + 1 + MAX_UNWRAPPED


def test_what_is_scanned_holds_every_view() -> None:
    assert Request.parse(
        GET.replace(b"+", b"").replace(b"%", b"").replace(b"/a/..", b"")
    ).scanned() == GET.replace(b"+", b"").replace(b"%", b"").replace(b"/a/..", b"")
    scanned = Request.parse(GET).scanned()
    assert b"/b.php" in scanned
    assert b"x=1 2&y='" in scanned
    assert b"\nkey\n/\n" in post(rb'{"key": "\u002f", "b": 1}').scanned() + b"\n"
    assert b"secret" in post(gzip.compress(b"secret"), b"Content-Encoding: gzip").scanned()


def test_names_of_fields() -> None:
    assert all(is_field(name) for name in PLAIN)
    assert is_field("query.a|b")
    assert not is_field("query.")
    assert not is_field("cookie")
    assert not is_field("nothing.x")


def test_only_so_much_is_read() -> None:
    assert len(Request.parse(b"GET / HTTP/1.1\r\n\r\n" + bytes(2 * MAX_RAW)).raw) == MAX_RAW


@given(
    st.one_of(
        st.binary(max_size=300),
        st.lists(
            st.sampled_from(
                [
                    b"GET ",
                    b"/",
                    b"?",
                    b"a=",
                    b"&",
                    b"%2",
                    b"+",
                    b" HTTP/1.1",
                    b"\r\n",
                    b"\n",
                    b"\r\n\r\n",
                    *HEADERS,
                ]
            ),
            max_size=25,
        ).map(b"".join),
    )
)
def test_any_bytes_are_a_request(raw: bytes) -> None:
    request = Request.parse(raw)
    for field in (
        *sorted(PLAIN),
        "query.a",
        "header.a",
        "cookie.a",
        "form.a",
        "file.a",
        "part.a",
        "json.a.0",
        "xml.a",
    ):
        value = request[field]
        assert value is None or isinstance(value, bytes)
    assert isinstance(request.scanned(), bytes)
