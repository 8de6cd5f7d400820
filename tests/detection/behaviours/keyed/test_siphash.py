"""The kernels hash as the plain reference does, and that one as others do."""

import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.detection.behaviours.keyed.siphash import hash_pairs, hash_texts, siphash

words = st.integers(0, 2**64 - 1)
keys = st.tuples(words, words)


def test_the_reference_hashes_as_python_does() -> None:
    """CPython's own SipHash-1-3, whose key is zero without randomisation."""
    program = "print([hash(bytes(range(size))) % 2**64 for size in range(8, 40)])"
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    said = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    assert json.loads(said.stdout) == [siphash(bytes(range(size)), (0, 0)) for size in range(8, 40)]


@given(data=st.lists(st.binary(min_size=16, max_size=16), max_size=20), key=keys)
@settings(max_examples=40, deadline=None)
def test_pairs_hash_as_their_bytes(data: list[bytes], key: tuple[int, int]) -> None:
    pairs = np.frombuffer(b"".join(data), np.uint64).reshape(-1, 2)
    assert hash_pairs(pairs, np.array(key, np.uint64)).tolist() == [siphash(one, key) for one in data]


@given(data=st.lists(st.binary(max_size=40) | st.none(), max_size=20), key=keys, skip=st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_texts_hash_as_their_bytes(data: list[bytes | None], key: tuple[int, int], skip: int) -> None:
    column = pa.array(data, pa.binary()).slice(skip)
    expected = [siphash(one or b"", key) for one in data[skip:]]
    assert hash_texts(column, np.array(key, np.uint64)).tolist() == expected


def test_another_key_hashes_otherwise() -> None:
    assert siphash(b"198.51.100.7", (1, 2)) != siphash(b"198.51.100.7", (1, 3))
