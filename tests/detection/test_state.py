import hashlib
import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batches import BEGIN, batch_of, built_in, engine_of, opens, tries
from propolis.clock import SECOND
from propolis.detection import Engine, RuleSet, State
from propolis.detection.reported import bits
from propolis.detection.state import MAGIC, Layout
from propolis.errors import CodecError
from propolis.events import CommandRun
from propolis.findings import Finding

SOURCES = tuple(f"198.51.100.{number}" for number in range(8))
acts = st.lists(
    st.tuples(
        st.sampled_from(SOURCES),
        st.sampled_from(["try", "open", "run"]),
        st.integers(0, 200),
        st.integers(20, 30),
    ),
    min_size=1,
    max_size=40,
)


def busy(engine: Engine) -> State:
    state = engine.fresh()
    rows = [row for source in SOURCES for row in (*tries(source, 3), *opens(source, 22, 23))]
    _, state = engine.step(batch_of(rows), state, 0, 7)
    return state


def play(
    engine: Engine, state: State, given: list[tuple[str, str, int, int]], *, restart: bool
) -> list[Finding]:
    found: list[Finding] = []
    for sequence, (source, act, second, port) in enumerate(sorted(given, key=lambda act: act[2])):
        row = {
            "try": tries(source, 2),
            "open": opens(source, port),
            "run": [(source, CommandRun("CONFIG SET dir /tmp"))],
        }[act]
        some, state = engine.step(batch_of(row, begin=BEGIN + second * SECOND), state, 0, sequence)
        found += some
        if restart:
            state = State.from_bytes(state.to_bytes(), engine)
    return found


_SMALL = {room: engine_of(max_sources=room) for room in (1, 3, 6)}


@given(acts, st.sampled_from(sorted(_SMALL)))
@settings(max_examples=40, deadline=None)
def test_a_restart_between_any_two_batches_changes_nothing(
    given: list[tuple[str, str, int, int]], room: int
) -> None:
    engine = _SMALL[room]
    assert play(engine, engine.fresh(), given, restart=True) == play(
        engine, engine.fresh(), given, restart=False
    )


def test_a_state_comes_back_as_it_went() -> None:
    engine = engine_of()
    data = busy(engine).to_bytes()
    state = State.from_bytes(data, engine)
    assert state.count == len(SOURCES)
    assert state.to_bytes() == data


def test_the_state_of_nobody_comes_back() -> None:
    engine = engine_of()
    assert State.from_bytes(engine.fresh().to_bytes(), engine).count == 0


def test_the_key_of_the_table_decides_nothing() -> None:
    one, two = (Engine(built_in(), max_sources=8, entropy=random.Random(seed)) for seed in (1, 2))
    assert busy(one).to_bytes() == busy(two).to_bytes()


@given(st.binary(max_size=80))
@settings(max_examples=80, deadline=None)
def test_garbage_is_refused(data: bytes) -> None:
    for attempt in (data, MAGIC + data):
        with pytest.raises(CodecError):
            State.from_bytes(attempt, _ENGINE)


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_a_damaged_state_is_refused(data: st.DataObject) -> None:
    whole = bytearray(_STORED)
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CodecError):
        State.from_bytes(bytes(whole), _ENGINE)
    with pytest.raises(CodecError):
        State.from_bytes(_STORED[:place], _ENGINE)


_ENGINE = engine_of()
_STORED = busy(_ENGINE).to_bytes()


def test_windows_of_another_length_are_refused() -> None:
    with pytest.raises(CodecError, match="window_seconds: is 60, here it is 10"):
        State.from_bytes(_STORED, engine_of(window_seconds=10))


def test_a_smaller_table_keeps_the_latest() -> None:
    state = State.from_bytes(_STORED, engine_of(max_sources=3))
    assert state.count == 3
    found, _ = engine_of(max_sources=3).step(batch_of(tries(SOURCES[-1], 2)), state, 0, 8)
    assert [finding.rule for finding in found] == ["password-guessing"]


def test_what_was_reported_is_known_by_the_rules_name() -> None:
    fewer = Engine(
        RuleSet(tuple(rule for rule in built_in().rules if rule.id != "config-file-probe")), max_sources=64
    )
    state = State.from_bytes(_STORED, fewer)
    found, state = fewer.step(batch_of(tries(SOURCES[0], 1)), state, 0, 8)
    assert found == ()
    again = State.from_bytes(state.to_bytes(), _ENGINE)
    found, _ = _ENGINE.step(batch_of(tries(SOURCES[0], 1)), again, 0, 9)
    assert [finding.rule for finding in found] == ["password-guessing"]


def test_a_source_costs_little_room() -> None:
    engine = engine_of(max_sources=4096)
    state = engine.fresh()
    rows = [row for number in range(4096) for row in opens(f"198.51.{number // 256}.{number % 256}", 22)]
    _, state = engine.step(batch_of(rows), state, 0, 1)
    assert len(state.to_bytes()) / state.count < 30
    arrays = [
        *state.sources,
        state.reported,
        *(c for kept in state.columns for c in kept.values()),
        *(c for kept in state.firsts for c in kept),
    ]
    assert sum(array.nbytes for array in arrays) / 4096 <= 300


def test_a_state_from_before_flaws_were_told_is_read() -> None:
    length = int.from_bytes(_STORED[4:8], "little")
    header = msgspec.json.decode(_STORED[8 : 8 + length])
    assert (header.pop("claims"), header.pop("answered")) == (0, 0)
    old, body = msgspec.json.encode({**header, "version": 1}), _STORED[24 + length :]
    digest = hashlib.blake2b(old + body, digest_size=16).digest()
    stored = MAGIC + len(old).to_bytes(4, "little") + old + digest + body
    assert State.from_bytes(stored, _ENGINE).count == len(SOURCES)


def test_sources_whose_window_is_over_are_forgotten() -> None:
    engine = engine_of()
    state = busy(engine)
    for second in (130, 131):
        _, state = engine.step(batch_of(opens("203.0.113.1", 22), begin=BEGIN + second * SECOND), state, 0, 8)
    assert state.count == 9
    for second in (190, 191):
        _, state = engine.step(batch_of(opens("203.0.113.1", 22), begin=BEGIN + second * SECOND), state, 0, 9)
    assert state.count == 1
    assert state.evicted == 0


def test_one_batch_of_a_wrong_clock_does_not_empty_the_table() -> None:
    engine = engine_of()
    state = busy(engine)
    _, state = engine.step(batch_of(opens("203.0.113.1", 22), begin=BEGIN + 10**6 * SECOND), state, 0, 8)
    _, state = engine.step(batch_of(opens("203.0.113.2", 22), begin=BEGIN + SECOND), state, 0, 9)
    assert state.count == len(SOURCES) + 2


def test_other_rules_take_over_what_was_reported_by_those_that_stay() -> None:
    engine = engine_of()
    _, state = engine.step(batch_of(tries("192.0.2.1", 6)), engine.fresh(), 0, 1)
    before = state.reported[:1].copy()
    names = engine.layout.rules
    moved = Layout(("new", *reversed(names)), engine.layout.window_seconds, engine.layout.max_sources)
    state.adopt(moved)
    told = {moved.rules[number] for number in bits(tuple(state.reported[0].tolist()))}
    assert told == {names[number] for number in bits(tuple(before[0].tolist()))} != set()
    state.adopt(engine.layout)
    assert (state.reported[:1] == before).all()
