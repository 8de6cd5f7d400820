"""The engine of counters: what is found, once, and what bad input cannot do."""

import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batches import BEGIN
from facts import ATTACKER, batch_of_family, flow, key_batch
from propolis import notes
from propolis.clock import SECOND
from propolis.detection.behaviours.keyed import FAMILIES, FLOW, GRADE, KEY, CounterEngine, State, load
from propolis.events.flow import SCHEMA, Flow, decode, encode, to_batch
from propolis.findings import Finding

RULES = load()
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
OTHER = "198.51.100.77"


def engine(max_keys: int = 64, **changes: Any) -> CounterEngine:
    return CounterEngine(FLOW, RULES, max_keys=max_keys, entropy=random.Random(1), **changes)


def sweep(count: int = 8, *, begin: int = BEGIN, first: int = 1, **changes: Any) -> list[Flow]:
    """One port of as many targets, a second apart."""
    return [flow(first + n, 22, time=begin + n * SECOND, **changes) for n in range(count)]


def step(
    own: CounterEngine, flows: list[Flow], state: State | None = None
) -> tuple[tuple[Finding, ...], State]:
    return own.step(to_batch(flows), own.fresh() if state is None else state, 99, 5)


def names(found: tuple[Finding, ...]) -> list[str]:
    return [finding.rule for finding in found]


def test_a_scan_is_found_after_eight_connections_and_says_why() -> None:
    found, _ = step(engine(), sweep())
    assert names(found) == ["scan-suspected", "scan"]
    (_, scan) = found
    assert (scan.source, scan.grade, scan.confidence, scan.count) == (ATTACKER, "scan", 95, 4)
    assert (scan.first_seen, scan.last_seen, scan.found) == (BEGIN + 2 * SECOND, BEGIN + 7 * SECOND, 99)
    assert (scan.technique, scan.sensors, scan.evidence_class) == ("T1046", ("border",), "spoofable")
    (evidence,) = scan.evidence
    assert (evidence.sequence, evidence.row, evidence.summary) == (5, 7, "10.0.0.8 port 22: no answer")


def test_what_goes_on_is_said_once_a_window() -> None:
    own = engine()
    found, state = step(own, sweep(12))
    again, state = step(own, sweep(12, begin=BEGIN + 60 * SECOND, first=20), state)
    anew, _ = step(own, sweep(3, begin=BEGIN + HOUR, first=40), state)
    assert (names(found), names(again)) == (["scan-suspected", "scan"], [])
    assert sorted(names(anew)) == ["scan", "scan-suspected"]
    assert {finding.id for finding in anew}.isdisjoint(finding.id for finding in found)


def test_a_replay_gives_the_same_findings() -> None:
    assert step(engine(), sweep(40))[0] == step(engine(), sweep(40))[0]


def test_batches_of_any_size_find_the_same() -> None:
    flows = sweep(40)
    whole, _ = step(engine(), flows)
    own = engine()
    state, found = own.fresh(), list[Finding]()
    for start in range(0, len(flows), 3):
        found += step(own, flows[start : start + 3], state)[0]
    assert [finding.id for finding in found] == [finding.id for finding in whole]


def test_a_crowd_is_named_by_its_key_and_told_of_by_its_last_source() -> None:
    own = CounterEngine(KEY, RULES, max_keys=8, entropy=random.Random(1))
    found, _ = own.step(key_batch([(n, n, 1) for n in range(1, 40)]), own.fresh(), 1, 1)
    assert names(found) == ["distributed"]
    assert found[0].source.startswith("10.0.0.")
    assert found[0].evidence[0].summary.startswith("payload ")


def test_findings_are_facts_of_the_next_engine() -> None:
    own = CounterEngine(GRADE, RULES, max_keys=8)
    scans, _ = step(engine(), sweep())
    found, state = own.step(scans, own.fresh(), 1, 1)
    assert found == ()
    tried = batch_of_family("grade", [(20, {"grade": "attempt"})])
    found, _ = own.step(tried, state, 1, 1)
    assert names(found) == ["intrusion-begun"]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_an_empty_batch_is_no_event(family: Any) -> None:
    own = CounterEngine(family, RULES, max_keys=8)
    batch = batch_of_family(family.name, [(0, _row(family.name))])
    empty = () if family is GRADE else batch.slice(0, 0)
    found, state = own.step(empty, own.fresh(), 1, 1)
    assert (found, state.count) == ((), 0)


def _row(family: str) -> dict[str, object]:
    return {
        "flow": {"target": 1, "port": 1, "outcome": "refused", "protocol": 6},
        "login": {"user": "a", "secret": "b"},
        "name": {"path": "/", "answered": ""},
        "key": {"source": 1, "key": 1},
        "grade": {"grade": "scan"},
    }[family]  # type: ignore[return-value]


# --- bad input ---------------------------------------------------------------------------------------------------


def test_duplicated_rows_count_once() -> None:
    found, _ = step(engine(), [one for one in sweep(7) for _ in range(20)])
    assert "scan" not in names(found)


def test_rows_out_of_order_find_the_same_scan() -> None:
    assert "scan" in names(step(engine(), sweep(8)[::-1])[0])


def test_a_late_row_counts_in_the_present_window() -> None:
    own = engine()
    _, state = step(own, sweep(7, begin=BEGIN + HOUR))
    found, _ = step(own, sweep(1, first=50, begin=BEGIN + HOUR - 600 * SECOND), state)
    assert "scan" in names(found)


def test_a_row_from_the_future_harms_only_its_own_source() -> None:
    own = engine()
    _, state = step(own, sweep(7) + sweep(1, begin=BEGIN + 5_000 * DAY, first=90, source=OTHER))
    found, state = step(own, sweep(1, first=50, begin=BEGIN + 60 * SECOND), state)
    assert names(found) == ["scan"]
    found, state = step(own, sweep(8, source=OTHER), state)
    assert [(finding.rule, finding.source) for finding in found] == [
        ("scan-suspected", OTHER),
        ("scan", OTHER),
    ]


def test_a_clock_that_was_set_back_begins_anew() -> None:
    own = engine()
    _, state = step(own, sweep(7, begin=BEGIN + 3 * DAY))
    found, _ = step(own, sweep(7), state)
    assert "scan" not in names(found)


def test_a_source_that_was_silent_for_more_than_a_day_begins_anew() -> None:
    own = engine()
    _, state = step(own, sweep(7))
    found, _ = step(own, sweep(7, begin=BEGIN + DAY + HOUR, first=50), state)
    assert "scan" not in names(found)


@given(
    times=st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(BEGIN, BEGIN + DAY), max_size=40),
    codes=st.lists(st.integers(0, 255), min_size=40, max_size=40),
)
@settings(max_examples=60, deadline=None)
def test_any_times_and_codes_are_survived(times: list[int], codes: list[int]) -> None:
    own = engine(max_keys=2)
    rows = [flow(n % 7, n % 5, source=f"192.0.2.{n % 3}") for n in range(len(times))]
    batch = to_batch(rows)
    for name, values in (
        ("time", pa.array(np.array(times, np.int64)).cast(SCHEMA.field("time").type)),
        ("outcome", pa.array(codes[: len(times)], pa.uint8())),
        ("protocol", pa.array(codes[::-1][: len(times)], pa.uint8())),
        ("evidence_class", pa.array(codes[: len(times)], pa.uint8())),
    ):
        place = SCHEMA.get_field_index(name)
        batch = batch.set_column(place, SCHEMA.field(place), values)
    found, state = own.step(decode(encode(batch)), own.fresh(), 1, 1)
    again = own.load(state.to_bytes())
    assert again.count == state.count <= 2
    assert all(finding.first_seen <= finding.last_seen for finding in found)


def test_ten_million_forged_sources_cost_no_memory_are_told_and_hide_no_scanner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[notes.Note] = []
    monkeypatch.setattr("propolis.detection.behaviours.keyed.engine.tell", told.append)
    own, flood = engine(max_keys=50_000), Flood()
    state = own.fresh()
    _, state = step(own, sweep(7), state)
    before, rows, found = state.nbytes, 0, list[Finding]()
    while rows < 10_000_000:
        batch = flood.batch()
        findings, state = own.step(batch, state, rows, 1)
        rows += batch.num_rows
        found += findings
        step(own, [flow(1, 22)] * 3, state)  # more than one row in as many as the table has room for
    late, state = step(own, sweep(1, first=50), state)
    assert (state.nbytes, state.count) == (before, 50_000)
    assert state.evicted > 9_900_000
    assert found == []
    assert [(finding.rule, finding.source) for finding in late] == [("scan", ATTACKER)]
    assert all(isinstance(note, notes.LimitHit) and note.limit == "max_keys" for note in told)
    assert told[0].cost.endswith("keys of flow forgotten before their day was over")  # type: ignore[attr-defined]


class Flood:
    """Batches in which every row has a source that was never seen before."""

    def __init__(self, rows: int = 65_536) -> None:
        self._next, self._rows = 0, rows
        self._batch = to_batch([flow(1, 80)])
        self._place = SCHEMA.get_field_index("source_ip")

    def batch(self) -> pa.RecordBatch:
        sources = np.zeros((self._rows, 2), ">u8")
        sources[:, 0] = 0x20010DB8 << 32
        sources[:, 1] = np.arange(self._next, self._next + self._rows)
        self._next += self._rows
        columns = [
            pa.Array.from_buffers(field.type, self._rows, [None, pa.py_buffer(sources)])
            if place == self._place
            else pa.repeat(self._batch.column(place)[0], self._rows)
            for place, field in enumerate(SCHEMA)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def test_a_bound_is_told_at_most_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[notes.Note] = []
    monkeypatch.setattr("propolis.detection.behaviours.keyed.engine.tell", told.append)
    own = engine(max_keys=2)
    state = own.fresh()
    for n in range(20):
        own.step(to_batch([flow(source=f"192.0.2.{n}")]), state, n * SECOND // 4, 1)
    assert 4 <= len(told) <= 5
