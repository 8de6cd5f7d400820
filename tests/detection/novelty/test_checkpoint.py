import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batches import batch_of
from propolis.detection.novelty import checkpoint
from propolis.detection.novelty.novelty import Novelty
from propolis.errors import CodecError
from propolis.events import CommandRun


def written() -> bytes:
    novelty = Novelty(random.Random(1))
    novelty.begin("monday")
    novelty.take(7, batch_of([(f"198.18.0.{number}", CommandRun("uname -a; id")) for number in range(5)]))
    return novelty.to_bytes()


def test_it_comes_back_as_it_went() -> None:
    data = written()
    clusters, stream, sequence = checkpoint.read(data)
    assert (stream, sequence) == ("monday", 7)
    assert checkpoint.write(clusters, stream, sequence) == data


def test_one_of_another_version_is_refused() -> None:
    fields = msgspec.msgpack.decode(written())
    with pytest.raises(CodecError, match="version"):
        checkpoint.read(msgspec.msgpack.encode([99, *fields[1:]]))


@settings(max_examples=100)
@given(st.integers(0, 4_000), st.binary(min_size=1, max_size=8))
def test_damage_is_refused_or_harmless(place: int, bits: bytes) -> None:
    data = written()
    damaged = data[:place] + bits + data[place + len(bits) :]
    try:
        clusters, _, _ = checkpoint.read(damaged)
    except CodecError:
        return
    assert len(clusters.by_id) <= 1


@given(st.binary(max_size=100))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(CodecError):
        checkpoint.read(data)
