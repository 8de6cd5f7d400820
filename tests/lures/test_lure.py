"""The contract that every lure in the catalogue keeps: any bytes, split anywhere, give effects and raise nothing."""

import asyncio
import importlib
import random
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from propolis.clock import ManualClock
from propolis.config import Config
from propolis.events import Event, PayloadReceived
from propolis.lures.lure import Effect, Emit, Hangup, Lure, Reply, Visit

MAX_REPLY_BYTES = 2_000_000
"""More than any lure's whole answer to a few hundred bytes: a decoy must not be an amplifier."""


def made(name: str, keys: Path) -> Lure:
    catalogue = importlib.import_module("propolis.lures.catalogue").CATALOGUE
    (kind,) = (lure for lure in catalogue if lure.name == name)
    return kind(
        Visit(
            source_ip="198.51.100.7",
            source_port=40_000,
            target_ip="192.0.2.1",
            target_port=8_080,
            seed=b"seed",
            random=random.Random(7),
            keys=keys,
            clock=ManualClock(),
        )
    )


def play(name: str, keys: Path, chunks: list[bytes]) -> list[Effect]:
    async def dialogue() -> list[Effect]:
        lure = made(name, keys)
        effects = [*lure.connected()]
        for chunk in chunks:
            effects += lure.receive(chunk)
        return [*effects, *lure.closed()]

    return asyncio.run(dialogue())


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.mark.parametrize("name", sorted(Config().lures))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chunks=st.lists(
        st.binary(max_size=200) | st.sampled_from([b"\r\n", b"GET / HTTP/1.1\r\n", b"*1\r\n"]), max_size=6
    )
)
def test_any_bytes_are_answered_or_ended(name: str, keys: Path, chunks: list[bytes]) -> None:
    effects = play(name, keys, chunks)
    assert all(isinstance(effect, Reply | Emit | Hangup) for effect in effects)
    assert sum(len(effect.data) for effect in effects if isinstance(effect, Reply)) <= MAX_REPLY_BYTES
    for effect in effects:
        if isinstance(effect, Emit):
            # what a lure reports can travel: text is text, and the journal takes it
            assert msgspec.msgpack.decode(msgspec.msgpack.encode(effect.event), type=Event) == effect.event


def test_effects_are_values() -> None:
    assert Reply(b"a") == Reply(b"a", 0.0)
    assert Emit(PayloadReceived(b"x")) == Emit(PayloadReceived(b"x"))
    with pytest.raises(AttributeError):
        Hangup().after_seconds = 1.0  # type: ignore[misc]
