import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.detection.novelty.signature import (
    BANDS,
    HASHES,
    alike,
    bands,
    plain_signature,
    shingles,
    signature,
)

KEY = bytes(range(16))
ROWS = st.lists(st.binary(max_size=6), max_size=40)


@settings(max_examples=100)
@given(ROWS)
def test_the_arrays_make_what_is_said_plainly(row: list[bytes]) -> None:
    pairs = shingles(row, KEY)
    assert len(pairs)
    assert signature(pairs).tolist() == plain_signature(pairs.tolist())


@settings(max_examples=100)
@given(ROWS, ROWS)
def test_the_estimate_is_near_the_share_that_two_rows_have_in_common(
    one: list[bytes], other: list[bytes]
) -> None:
    left, right = shingles(one, KEY), shingles(other, KEY)
    share = len(np.intersect1d(left, right)) / len(np.union1d(left, right))
    assert abs(alike(signature(left), signature(right)) - share) <= 0.35  # five standard errors and some


def test_a_row_is_wholly_like_itself_and_meets_itself_in_every_band() -> None:
    minima = signature(shingles([b"wget", b"http"], KEY))
    assert alike(minima, minima) == 1.0
    assert len(set(bands(minima))) == BANDS
    assert minima.shape == (HASHES,)


def test_the_key_decides_what_collides() -> None:
    assert shingles([b"a"], KEY).tolist() != shingles([b"a"], bytes(16)).tolist()
