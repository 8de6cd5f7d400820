import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.detection import corpus
from propolis.errors import PropolisError


def test_both_forms_are_read(tmp_path: Path) -> None:
    path = tmp_path / "benign.jsonl"
    path.write_text(
        '{"request": "GET /a HTTP/1.1\\nHost: h\\n\\n"}\n\n'
        '{"method": "POST", "path": "/b", "headers": [["Host", "h"]], "body": "AP8=", "body_encoding": "base64"}\n'
    )
    assert list(corpus.requests(path)) == [
        b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
        b"POST /b HTTP/1.1\r\nHost: h\r\n\r\n\x00\xff",
    ]


@pytest.mark.parametrize(
    "line",
    ["{", "{}", "[]", '{"method": "GET"}', '{"method":"G","path":"/","body":"x","body_encoding":"base64"}'],
)
def test_a_line_that_is_no_request_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "benign.jsonl"
    path.write_text('{"request": "GET / HTTP/1.1"}\n' + line)
    with pytest.raises(PropolisError, match=r"benign\.jsonl:2: "):
        list(corpus.requests(path))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(PropolisError, match="cannot be read"):
        list(corpus.requests(tmp_path / "none"))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_request_or_told(line: bytes) -> None:
    with contextlib.suppress(PropolisError):
        assert corpus._raw(line, "f:1")
