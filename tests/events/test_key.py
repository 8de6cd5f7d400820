import pyarrow as pa
import pytest

from facts import key_batch
from propolis.errors import CodecError
from propolis.events import interaction
from propolis.events.key import SCHEMA, decode, encode


def test_keys_come_back_as_they_went() -> None:
    batch = key_batch([(0, 1, 2), (1, 2, 2)])
    assert decode(encode(batch)).equals(batch, check_metadata=True)


def test_another_class_is_refused() -> None:
    with pytest.raises(CodecError, match=r"key batch: metadata propolis\.schema"):
        decode(interaction.encode(interaction.to_batch([])))


def test_a_key_of_another_length_is_no_key() -> None:
    with pytest.raises(pa.ArrowException):
        pa.array([b"short"], SCHEMA.field("key").type)
