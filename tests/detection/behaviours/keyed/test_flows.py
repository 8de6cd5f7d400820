"""What a flow says: whether somebody was there, and which service it was."""

import numpy as np
import pyarrow as pa

from facts import ATTACKER, flow
from propolis.detection.behaviours.keyed.flows import Flows
from propolis.events.flow import SCHEMA, Flow, to_batch

KEY = np.array([1, 2], np.uint64)


def read(*flows: Flow) -> Flows:
    return Flows(to_batch(flows), KEY)


def test_only_tcp_takes_silence_for_absence() -> None:
    flows = read(
        *(flow(outcome=name) for name in ("established", "refused", "no answer", "reset", "unknown")),
        flow(outcome="no answer", protocol=17),
        flow(outcome="refused", protocol=17),
    )
    assert flows.succeeded.tolist() == [True] + [False] * 6
    assert flows.failed.tolist() == [False, True, True, False, False, False, True]


def test_a_service_is_target_port_and_protocol() -> None:
    flows = read(flow(1, 80), flow(1, 80), flow(2, 80), flow(1, 81), flow(1, 80, protocol=17))
    assert flows.service[0] == flows.service[1]
    assert len(set(flows.service.tolist())) == 4


def test_codes_of_a_newer_sensor_say_nothing() -> None:
    batch = to_batch([flow(outcome="refused", evidence_class="dialogue")])
    for name in ("outcome", "evidence_class"):
        place = SCHEMA.get_field_index(name)
        batch = batch.set_column(place, SCHEMA.field(place), pa.array([200], pa.uint8()))
    flows = Flows(batch, KEY)
    assert (flows.failed.any(), flows.succeeded.any(), flows.evidence.tolist()) == (False, False, [0])
    assert flows.summary(0) == "10.0.0.1 port 443: unknown"


def test_a_row_can_be_cited() -> None:
    flows = read(flow(1), flow(2, 22, "refused", id=bytes(range(16))))
    assert flows.event(1) == (bytes(range(16)), 1)
    assert flows.place(1)[0] == "border"
    assert flows.summary(1) == "10.0.0.2 port 22: refused"


def test_a_slice_and_an_empty_batch_are_read() -> None:
    batch = to_batch([flow(n, 80 + n) for n in range(5)])
    assert (Flows(batch.slice(2, 2), KEY).port & 0xFFFF).tolist() == [82, 83]
    assert Flows(batch.slice(0, 0), KEY).count == 0
    assert ATTACKER not in Flows(batch, KEY).summary(0)
