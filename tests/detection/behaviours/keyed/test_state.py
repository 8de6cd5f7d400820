"""A state goes on where it was stored, and nothing else is taken for one."""

import hashlib
import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batches import BEGIN
from facts import flow
from propolis.clock import SECOND
from propolis.detection.behaviours.keyed import FLOW, LOGIN, CounterEngine, State, load
from propolis.detection.behaviours.keyed.state import MAGIC, VERSION
from propolis.errors import CodecError
from propolis.events.flow import to_batch
from propolis.findings import Finding

RULES = load()


def engine(max_keys: int = 32, **changes: Any) -> CounterEngine:
    return CounterEngine(FLOW, RULES, max_keys=max_keys, entropy=random.Random(1), **changes)


def parts(seed: int, count: int) -> Iterator[Any]:
    """Batches of a few sources, of which some scan; a minute apart."""
    chance = random.Random(seed)
    for part in range(count):
        yield to_batch(
            [
                flow(
                    chance.randint(1, 60),
                    chance.choice((22, 443)),
                    chance.choice(("established", "refused", "no answer")),
                    source=f"192.0.2.{chance.randint(1, 50)}",
                    time=BEGIN + 60 * part * SECOND,
                )
                for _ in range(60)
            ]
        )


def run(own: CounterEngine, state: State, batches: Iterator[Any]) -> list[Finding]:
    found: list[Finding] = []
    for sequence, batch in enumerate(batches):
        new, _ = own.step(batch, state, 7, sequence)
        found += new
    return found


def test_a_stored_state_goes_on_as_if_it_had_never_been_stored() -> None:
    own = engine()
    state = own.fresh()
    assert run(own, state, parts(1, 20))
    read = own.load(state.to_bytes())
    assert (read.count, read.evicted) == (state.count, state.evicted)
    assert read.evicted > 0
    assert run(own, read, parts(2, 20)) == run(own, state, parts(2, 20))
    assert read.to_bytes() == state.to_bytes()


def test_a_state_is_a_few_bytes_of_each_key() -> None:
    own = engine(max_keys=1_000)
    state = own.fresh()
    run(own, state, parts(1, 3))
    assert len(state.to_bytes()) < 1_000 + 120 * state.count
    assert state.nbytes < 300_000 + 40 * 4_096


def test_a_smaller_table_keeps_those_seen_latest() -> None:
    own, small = engine(), engine(max_keys=8)
    state = own.fresh()
    run(own, state, parts(1, 20))
    read = small.load(state.to_bytes())
    assert read.count == 8
    assert min(read.keys.entries["seen"].tolist()) >= sorted(state.keys.entries["seen"].tolist())[-8]
    run(small, read, parts(2, 3))


def test_with_other_rules_what_was_reported_may_be_said_again_under_its_id() -> None:
    own = engine()
    state = own.fresh()
    first = run(own, state, parts(1, 20))
    other = CounterEngine(FLOW, tuple(rule for rule in RULES if rule.id != "beacon"), max_keys=32)
    again = run(other, other.load(state.to_bytes()), parts(1, 20))
    assert {finding.id for finding in again} & {finding.id for finding in first}


@pytest.mark.parametrize(
    ("spoil", "where"),
    [
        (lambda _: b"", "do not begin"),
        (lambda data: data[:-1], "damaged"),
        (lambda data: b"XXXX" + data[4:], "do not begin"),
        (lambda data: data[:4] + b"\xff\xff\xff\x7f" + data[8:], "do not begin"),
    ],
)
def test_damage_is_refused(spoil: Any, where: str) -> None:
    with pytest.raises(CodecError, match=where):
        engine().load(spoil(engine().fresh().to_bytes()))


def rewritten(data: bytes, **changes: object) -> bytes:
    """The same with another header, as whoever can write states could."""
    end = 8 + int.from_bytes(data[4:8], "little")
    header = msgspec.json.encode({**msgspec.json.decode(data[8:end]), **changes})
    body = data[end + 16 :]
    digest = hashlib.blake2b(header + body, digest_size=16).digest()
    return MAGIC + len(header).to_bytes(4, "little") + header + digest + body


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"version": VERSION + 1}, "version.*newer"),
        ({"count": 3}, "hold more"),
        ({"count": 1_000}, "end too early"),
        ({"count": 1 << 30}, "header"),
        ({"size": 1}, "decompressed|end too early"),
        ({"size": 1 << 40}, "header"),
        ({"family": "login"}, "another kind"),
        ({"window_seconds": 1}, "another kind"),
        ({"columns": ["x"]}, "another kind"),
        ({"mood": "calm"}, "header"),
        ({"key": [1]}, "header"),
        ({"hand": -1}, "header"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(changes: dict[str, object], where: str) -> None:
    own = engine()
    state = own.fresh()
    run(own, state, parts(1, 1))
    with pytest.raises(CodecError, match=where):
        own.load(rewritten(state.to_bytes(), **changes))


def test_another_family_is_refused() -> None:
    with pytest.raises(CodecError, match="another kind"):
        CounterEngine(LOGIN, RULES, max_keys=32).load(engine().fresh().to_bytes())


@given(data=st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_refused(data: bytes) -> None:
    for message in (data, MAGIC + data, MAGIC + len(data).to_bytes(4, "little") + data):
        with pytest.raises(CodecError):
            engine().load(message)
