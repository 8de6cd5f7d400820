"""Every behaviour's kernel says what its plain reference says, in one batch or in several."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batches import batch_of
from propolis.detection.behaviours import BEHAVIOURS, Behaviour, Step
from propolis.detection.columns import Rows
from propolis.events import CommandRun, ConnectionOpened, CredentialTried

MADE = (ConnectionOpened(), CredentialTried("a", "b"), CommandRun("id"))
steps = st.lists(
    st.tuples(st.integers(-1, 3), st.booleans(), st.integers(0, 2), st.integers(1, 40)), max_size=80
)


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour.name)
@given(given=steps, cut=st.integers(0, 80))
@settings(max_examples=60, deadline=None)
def test_kernel_and_reference_agree(
    behaviour: Behaviour, given: list[tuple[int, bool, int, int]], cut: int
) -> None:
    columns = behaviour.columns(4)
    counts: list[int] = []
    plain: list[Step] = []
    for part in (given[:cut], given[cut:]):
        rows = Rows(batch_of([("192.0.2.7", MADE[kind], port) for _, _, kind, port in part]))
        slots = np.array([slot for slot, _, _, _ in part], np.int32)
        turned = np.array([anew and slot >= 0 for slot, anew, _, _ in part], np.bool_)
        counts += behaviour.count(rows, slots, turned, columns).tolist()
        plain += [
            Step(slot, anew and slot >= 0, int(rows.kind[row]), port)
            for row, (slot, anew, _, port) in enumerate(part)
        ]
    assert counts == behaviour.plain(plain)
    assert behaviour.held(columns).max(initial=0) <= behaviour.most
