import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.flaws.content import (
    MAX_CONTENT,
    MAX_FIELDS,
    Part,
    Xml,
    fields,
    inflate,
    json_at,
    json_of,
    json_texts,
    parts,
    unchunk,
)


def test_chunks_are_joined_as_far_as_they_are_sound() -> None:
    assert unchunk(b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n") == b"abcde"
    assert unchunk(b"3\r\nabc\r\nzz\r\n") == b"abc"
    assert unchunk(b"ffffffff\r\nabc") == b"abc"


@pytest.mark.parametrize("coding", [b"gzip", b" GZIP ", b"x-gzip"])
def test_gzip_is_undone(coding: bytes) -> None:
    assert inflate(gzip.compress(b"cmd=id"), coding) == b"cmd=id"


def test_deflate_is_undone_with_and_without_its_header() -> None:
    assert inflate(zlib.compress(b"cmd=id"), b"deflate") == b"cmd=id"
    assert inflate(zlib.compress(b"cmd=id")[2:-4], b"deflate") == b"cmd=id"


def test_a_bomb_stops_at_the_bound_and_rubbish_stays() -> None:
    assert len(inflate(gzip.compress(bytes(40 * MAX_CONTENT)), b"gzip")) == MAX_CONTENT
    assert inflate(b"rubbish", b"gzip") == b"rubbish"
    assert inflate(b"rubbish", b"br") == b"rubbish"


def test_the_first_value_of_a_field_counts() -> None:
    assert fields(b"a=1+2&a=3&b%5B%5D=%2f&c") == {b"a": b"1 2", b"b[]": b"/", b"c": b""}
    assert len(fields(b"&".join(b"%d" % number for number in range(5_000)))) == MAX_FIELDS


def test_parts_of_a_form() -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
        b'--x\r\nContent-Disposition: form-data; name=f; filename="s.jsp"\r\n\r\n<%\r\n%>\r\n'
        b"--x\r\nno name\r\n\r\n-\r\n--x--\r\n"
    )
    assert parts(body, b'multipart/form-data; boundary="x"') == (
        Part(b"a", None, b"1"),
        Part(b"f", b"s.jsp", b"<%\r\n%>"),
    )
    assert parts(body, b"multipart/form-data") == ()


def test_a_path_into_json() -> None:
    value = json_of(rb'{"a": {"b.c": [1.50, {"d": "\u002f\ud800"}, true, null]}, "": 1}')
    assert json_at(value, "a.b.c.0") == "1.50"
    assert json_texts(json_at(value, "a.b.c.1.d")) == [rb"/\ud800"]
    assert json_texts(json_at(value, "a")) == [b"1.50", rb"/\ud800", b"true", b"null"]
    assert json_texts({"k": ["v"]}, with_keys=True) == [b"k", b"v"]
    assert json_at(value, "a.b.c.9") is None
    assert json_at(value, "a.x") is None
    assert json_at(value, "a.b.c.0.z") is None


def test_json_that_goes_deep_is_no_json() -> None:
    assert json_of(b"[" * 100_000) is None
    assert json_of(b"\xff") is None
    assert json_of(b'{"a":"\xff"}') == {"a": "\udcff"}


def test_text_of_elements() -> None:
    xml = Xml(
        b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY x 'y'>]><s:a><b>1<!-- <b>0</b> -->2</b><b>3</b>"
        b"<c at='1'>&lt;&#x41;&x;<![CDATA[<d>]]></c><e/></s:a>"
    )
    assert xml.text(b"b") == b"12"
    assert xml.text(b"c") == b"<A&x;<d>"
    assert xml.text(b"e") == b""
    assert (xml.text(b"a") or b"").startswith(b"12")
    assert xml.text(b"d") is None


def test_elements_that_never_end() -> None:
    assert Xml(b"<a><b>x").text(b"b") == b""
    assert Xml(b"<a><b>x</a>y").text(b"a") == b"x"
    assert Xml(b"<a>" * 100_000).text(b"z") is None
    assert Xml(b"<" + b"a" * 300_000).text(b"z") is None
    assert Xml(b"<!" * 150_000).text(b"z") is None


@given(st.binary(max_size=200), st.binary(max_size=20))
def test_any_bytes_are_read(data: bytes, kind: bytes) -> None:
    unchunk(data)
    for coding in (b"gzip", b"deflate", kind):
        assert len(inflate(data, coding)) <= MAX_CONTENT
    fields(data)
    parts(data, b"multipart/form-data; boundary=" + kind)
    json_texts(json_of(data), with_keys=True)
    Xml(data).text(kind)
