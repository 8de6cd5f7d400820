"""Every counter's kernel says what its plain reference says, in one batch or in several."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facts import batch_of_family
from propolis.detection.behaviours.keyed import FAMILIES, Family
from propolis.events.flow import OUTCOMES
from propolis.findings import GRADES

KEY = np.array([1, 2], np.uint64)
ROWS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "flow": st.fixed_dictionaries(
        {
            "target": st.integers(1, 4) | st.integers(1, 400),
            "port": st.integers(1, 3) | st.integers(1, 400),
            "outcome": st.sampled_from(OUTCOMES),
            "protocol": st.sampled_from((6, 17)),
        }
    ),
    "login": st.fixed_dictionaries(
        {"user": st.integers(1, 300), "secret": st.integers(1, 4) | st.integers(1, 300)}
    ),
    "name": st.fixed_dictionaries(
        {"path": st.integers(0, 400).map("/{}?a".format), "answered": st.sampled_from(("", "cms"))}
    ),
    "key": st.fixed_dictionaries({"source": st.integers(1, 400), "key": st.integers(1, 2)}),
    "grade": st.fixed_dictionaries({"grade": st.sampled_from(GRADES)}),
}
GAPS = st.sampled_from((0, 0, 1, 6, 60, 60, 61, 180, 3_600, 90_000, -1, -50, -90_000))


@st.composite
def steps(draw: st.DrawFn, family: str) -> list[tuple[int, int, bool, dict[str, Any]]]:
    """Slot, seconds, whether the key begins anew, fields. Runs of alike rows, so that counts grow."""
    made, now, met = [], 0, set()
    for _ in range(draw(st.integers(0, 12))):
        slot, gap, fields = draw(st.integers(0, 2)), draw(GAPS), draw(ROWS[family])
        name = draw(st.sampled_from(sorted(fields)))
        for number in range(draw(st.sampled_from((1, 1, 3, 30, 150)))):
            varied = fields
            if isinstance(fields[name], int):
                varied = {**fields, name: fields[name] + number % draw(st.sampled_from((1, 7, 200)))}
            anew = slot not in met or draw(st.integers(0, 99)) == 0
            met.add(slot)
            made.append((slot, now, anew, varied))
            now += gap
    return made


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@given(data=st.data(), cut=st.integers(0, 200))
@settings(max_examples=40, deadline=None)
def test_kernel_and_reference_agree(family: Family, data: st.DataObject, cut: int) -> None:
    rows = data.draw(steps(family.name))
    whole = family.read(batch_of_family(family.name, [(when, fields) for _, when, _, fields in rows]), KEY)
    slots = np.array([slot for slot, _, _, _ in rows], np.int32)
    turned = np.array([anew for _, _, anew, _ in rows], np.bool_)
    plain: dict[str, np.ndarray] = {}
    for counter in family.counters:
        plain[counter.name] = np.array(counter.plain(whole, slots, turned, plain), np.int32)
    columns = [counter.columns(3) for counter in family.counters]
    parts: dict[str, list[int]] = {counter.name: [] for counter in family.counters}
    for start, end in pairwise((0, min(cut, len(rows)), len(rows))):
        facts = family.read(
            batch_of_family(family.name, [(when, fields) for _, when, _, fields in rows[start:end]]), KEY
        )
        given_ = {counter.name: np.zeros(end - start, np.int32) for counter in family.counters}
        for counter, state in zip(family.counters, columns, strict=True):
            counts = given_[counter.name]
            counter.count(facts, slots[start:end], turned[start:end], state, given_, counts)
            parts[counter.name] += counts.tolist()
    for counter in family.counters:
        assert parts[counter.name] == plain[counter.name].tolist(), counter.name
        assert plain[counter.name].max(initial=0) <= counter.most
