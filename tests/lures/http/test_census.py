"""Floods of frames are seen by their number, however they are split."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.lures.http.census import LIMITS, MOST_EMPTY, MOST_UNKNOWN, PREFACE, Census


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


@pytest.mark.parametrize(
    ("one", "most", "name"),
    [
        *((frame(kind, b"xyz"), limit.most, limit.name) for kind, limit in LIMITS.items()),
        (frame(0), MOST_EMPTY, "empty DATA"),
        (frame(0xBE, b"grease"), MOST_UNKNOWN, "unknown"),
    ],
)
def test_one_more_than_the_limit_is_too_many(one: bytes, most: int, name: str) -> None:
    census = Census()
    assert census.count(PREFACE + one * most) == ""
    assert census.count(one) == name


def test_data_is_no_flood() -> None:
    data = frame(0, b"x" * 100) * 5_000 + frame(0, flags=1) * 5_000
    assert Census().count(PREFACE + data) == ""


@given(cut=st.integers(1, 40))
@settings(max_examples=20, deadline=None)
def test_it_may_be_split_anywhere(cut: int) -> None:
    said = PREFACE + frame(3, b"\0\0\0\x08", stream=1) * (LIMITS[3].most + 1)
    census = Census()
    found = [census.count(said[place : place + cut]) for place in range(0, len(said), cut)]
    assert [name for name in found if name] == ["RST_STREAM"]


@given(data=st.binary(max_size=400))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_counted(data: bytes) -> None:
    Census().count(PREFACE + data)
