import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.detection.columns import KIND_NAMES
from propolis.detection.fields import COLUMNS, SUMMARY_CHARS, Fields, has_field, printable
from propolis.flaws.unwrap import decode, resolve

REQUEST = (
    b"POST /a%2Fb?x=1+2 HTTP/1.1\r\nHost: 192.0.2.1\r\nX-One: first\r\nx-one: second\r\n"
    b"User-Agent: probe/1.0\r\n\r\nbody\r\n\r\nmore"
)

NESTED = (
    b"POST",
    b"/%2e",
    b"${jndi:",
    b"${lower:",
    b"}",
    b"+",
    b"\\u0024",
    b"\r\n",
    b"\r\n\r\n",
    b" HTTP/1.1",
    b":",
    b"?",
    b"a",
)
hostile = st.lists(st.sampled_from(NESTED) | st.binary(max_size=6), max_size=20).map(b"".join)


def request(payload: bytes) -> Fields:
    return Fields("RequestReceived", (payload, b"", b"", b"", b""))


def test_every_kind_with_columns_is_a_kind() -> None:
    assert set(COLUMNS) < set(KIND_NAMES)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("method", b"POST"),
        ("path", b"/a%2Fb?x=1+2"),
        ("path_decoded", b"/a/b?x=1 2"),
        ("query", b"x=1+2"),
        ("host", b"192.0.2.1"),
        ("user_agent", b"probe/1.0"),
        ("header.x-one", b"first"),
        ("header.absent", b""),
        ("body", b"body\r\n\r\nmore"),
        ("payload", REQUEST),
    ],
)
def test_a_request_has_its_parts(field: str, value: bytes) -> None:
    assert request(REQUEST)[field] == value


def test_a_request_without_its_message_is_put_together_from_its_columns() -> None:
    fields = Fields("RequestReceived", (b"", b"GET", b"/x?y", b"example", b"curl"))
    assert (fields["method"], fields["path"], fields["host"], fields["user_agent"]) == (
        b"GET",
        b"/x?y",
        b"example",
        b"curl",
    )


def test_lines_may_end_in_a_bare_line_feed() -> None:
    fields = request(b"GET / HTTP/1.0\nHost: h\n\nbody")
    assert (fields["host"], fields["body"]) == (b"h", b"body")


def test_a_summary_is_one_short_printable_line() -> None:
    assert Fields("CredentialTried", (b"root", b"a\x00b", b"password")).summary() == "root / a.b (password)"
    assert request(REQUEST).summary() == "POST /a%2Fb?x=1+2 body....more"
    assert len(printable(b"x" * 1000)) == SUMMARY_CHARS


@given(hostile)
@settings(max_examples=150, deadline=None)
def test_whatever_is_in_a_field_is_in_the_scanned_text(payload: bytes) -> None:
    fields = request(payload or b"x")
    scanned = fields.scanned().lower()
    names = (
        "raw",
        "decoded",
        "resolved",
        "method",
        "path",
        "path_decoded",
        "query",
        "headers",
        "body",
        "host",
        "header.a",
    )
    for name in names:
        assert fields[name].lower() in scanned


@given(st.sampled_from(sorted(COLUMNS)), hostile)
@settings(max_examples=80, deadline=None)
def test_any_bytes_have_fields(kind: str, data: bytes) -> None:
    fields = Fields(kind, (data,) * len(COLUMNS[kind]))
    assert resolve(decode(fields["raw"])) == fields["resolved"]
    assert all(" " <= char <= "~" for char in fields.summary())


def test_only_requests_have_headers() -> None:
    assert has_field("RequestReceived", "header.x-one")
    assert not has_field("RequestReceived", "header.")
    assert not has_field("CommandRun", "header.x-one")
    assert not has_field("ConnectionOpened", "raw")
    assert all(has_field(kind, "resolved") for kind in COLUMNS)


def request_of(raw: bytes) -> Fields:
    return Fields("RequestReceived", (raw, b"", b"", b"", b""))


def test_the_file_stands_between_line_breaks() -> None:
    assert request_of(b"GET /a%2Fb+c?d=e HTTP/1.1\r\n\r\n")["file"] == b"\n/a/b+c\n"


def test_parameters_are_a_line_each() -> None:
    raw = (
        b"POST /?a=1%0A2&B=X%2B HTTP/1.1\r\nCookie: c=%64\r\nAuthorization: Basic YWRtaW46cHdk\r\n"
        b'Content-Type: application/json\r\n\r\n{"k": ["v"]}'
    )
    assert request_of(raw)["parameters"] == b"\na=1 2\nb=x+\nk=v\nc=d\nauthorization=admin:pwd\n"
    assert request_of(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")["parameters"] == b""


def test_inputs_are_the_values_and_the_names_that_are_none() -> None:
    fields = request_of(b"GET /x?a=b&c%27d=e HTTP/1.1\r\nX-Y: Z\r\n\r\n")
    assert [line for line in fields["inputs"].split(b"\n") if line] == [b"b", b"e", b"c'd", b"z", b"/x"]
