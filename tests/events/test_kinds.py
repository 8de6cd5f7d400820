"""Events are frozen facts; the catalogue of them is complete."""

import typing

import msgspec
import pytest

from nouns import BY_KIND
from propolis.events import KINDS, Connection, Event, Interaction, kinds


def test_the_catalogue_is_the_union_and_every_kind_in_the_module() -> None:
    assert set(typing.get_args(Event)) == set(KINDS)
    here = {
        value
        for value in vars(kinds).values()
        if isinstance(value, type)
        and issubclass(value, msgspec.Struct)
        and value.__module__ == kinds.__name__
    }
    assert here - {Connection, Interaction} == set(KINDS)


def test_every_kind_is_tried_by_the_property_tests() -> None:
    assert set(BY_KIND) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_is_frozen_tagged_and_documented(kind: type[Event]) -> None:
    assert kind.__struct_config__.frozen
    assert kind.__struct_config__.tag == kind.__name__
    assert kind.__doc__


def test_an_unknown_kind_in_a_journal_is_refused_by_name() -> None:
    with pytest.raises(msgspec.ValidationError, match="Rumour"):
        msgspec.msgpack.decode(msgspec.msgpack.encode({"type": "Rumour"}), type=Event)
