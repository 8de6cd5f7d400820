import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.detection import parameters as module
from propolis.detection.parameters import from_base64, parameters

FORM = b"application/x-www-form-urlencoded"


def test_a_query_and_a_form_are_decoded_once() -> None:
    assert parameters(b"a=1%2B2&b+c=d+e&f", b"", FORM, b"g=%2527&h") == [
        (b"a", b"1+2"),
        (b"b c", b"d e"),
        (b"", b"f"),
        (b"g", b"%27"),
        (b"", b"h"),
    ]


def test_cookies_are_parameters() -> None:
    assert parameters(b"", b"a=b%27; c", b"", b"") == [(b"a", b"b'"), (b"c", b"")]


def test_the_leaves_of_json_go_by_their_nearest_name() -> None:
    body = b'{"a": {"b": [1, {"c": "x"}]}, "d": null, "e": true}'
    assert parameters(b"", b"", b"application/json", body) == [(b"b", b"1"), (b"c", b"x"), (b"e", b"True")]


def test_json_within_a_form_is_looked_into() -> None:
    assert (b"role", b"root") in parameters(b"", b"", FORM, b"data=%5B%7B%22role%22%3A%22root%22%7D%5D")


def test_the_parts_of_a_multipart_body_and_their_file_names() -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\none\r\n'
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="x.php"\r\nContent-Type: text/xml\r\n\r\n'
        b"<r><k>v</k></r>\r\n--b--\r\n"
    )
    assert parameters(b"", b"", b"multipart/form-data; boundary=b", body)[:4] == [
        (b"a", b"one"),
        (b"f.filename", b"x.php"),
        (b"f", b"<r><k>v</k></r>"),
        (b"k", b"v"),
    ]


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        (b'"1.grf;.aspx"', b"1.grf;.aspx"),
        (b"a.jsp; size=1", b"a.jsp"),
        (b'"unclosed.php', b"unclosed.php"),
        (b'""', b""),
    ],
)
def test_a_quoted_file_name_ends_at_its_quote(sent: bytes, name: bytes) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="f"; filename=' + sent + b"\r\n\r\nx\r\n--b--\r\n"
    assert (b"f.filename", name) in parameters(b"", b"", b"multipart/form-data; boundary=b", body)


def test_xml_within_a_form_is_looked_into() -> None:
    pairs = parameters(b"dp=%3cr%3e%3cdata%3e select 1%2b1 %3c/data%3e%3c/r%3e", b"", b"", b"")
    assert (b"data", b" select 1+1 ") in pairs


def test_json_within_a_text_of_json_is_looked_into() -> None:
    inner = json.dumps({"token": {"$regex": "^A"}})
    body = json.dumps({"message": json.dumps({"params": [inner]}), "note": "[see] {below}"}).encode()
    pairs = parameters(b"", b"", b"application/json", body)
    assert (b"$regex", b"^A") in pairs
    assert (b"note", b"[see] {below}") in pairs


def test_a_part_without_a_name_is_looked_into() -> None:
    body = b"--b\r\ncontent-type: text/plain\r\n\r\n<m><id>x</id></m>\r\n--b--\r\n"
    assert (b"id", b"x") in parameters(b"", b"", b"multipart/mixed; boundary=b", body)


def test_base64_of_text_is_given_as_the_text_too() -> None:
    coded = base64.b64encode(b"<script>alert(1)</script>")
    assert parameters(b"s=" + coded, b"", b"", b"") == [(b"s", coded), (b"s", b"<script>alert(1)</script>")]


@pytest.mark.parametrize("value", [b"", b"abc", b"not base64!", base64.b64encode(bytes(16)), b"abcde=f"])
def test_what_encodes_no_text_is_only_itself(value: bytes) -> None:
    assert from_base64(value) == b""


def test_the_number_of_parameters_is_bounded() -> None:
    assert len(parameters(b"&".join([b"a=b"] * 10_000), b"", b"", b"")) == module.PARAMETERS


@pytest.mark.parametrize(
    "body",
    [
        b"".join(b"--%d\n" % number for number in range(10_000)),
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"9" * 60_000,
        b'{"a": ' + b"9" * 60_000 + b"}",
        b"content-disposition:" * 3_000,
        b"<a>" * 20_000,
    ],
)
def test_deep_and_long_bodies_are_read_in_time_and_do_not_fail(body: bytes) -> None:
    for kind in (b"", b"multipart/form-data; boundary=content-disposition:", b"multipart/form-data", FORM):
        assert len(parameters(b"", b"", kind, body)) <= 2 * module.PARAMETERS


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.binary(max_size=60),
    st.binary(max_size=30),
    st.sampled_from([b"", FORM, b"multipart/form-data; boundary=b", b"multipart/x; boundary="])
    | st.binary(max_size=30),
    st.binary(max_size=120) | trees.map(lambda tree: json.dumps(tree).encode()),
)
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_parameters(query: bytes, cookie: bytes, content_type: bytes, body: bytes) -> None:
    assert all(
        isinstance(name, bytes) and isinstance(value, bytes)
        for name, value in parameters(query, cookie, content_type, body)
    )
