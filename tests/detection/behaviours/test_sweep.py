import numpy as np

from batches import batch_of, opens, tries
from propolis.detection.behaviours import Sweep
from propolis.detection.columns import Rows


def count(columns: dict, *ports: int) -> list[int]:
    rows = Rows(batch_of(opens("192.0.2.7", *ports)))
    zeros = np.zeros(rows.count, np.int32)
    return Sweep().count(rows, zeros, zeros.astype(np.bool_), columns).tolist()


def test_a_port_counts_once() -> None:
    columns = Sweep().columns(1)
    assert count(columns, 22, 23, 22, 80, 23) == [1, 2, 0, 3, 0]
    assert count(columns, 80, 443) == [0, 4]


def test_whatever_was_said_a_port_counts_once() -> None:
    rows = Rows(batch_of(tries("192.0.2.7", 3)))
    zeros = np.zeros(3, np.int32)
    assert Sweep().count(rows, zeros, zeros.astype(np.bool_), Sweep().columns(1)).tolist() == [1, 0, 0]


def test_the_memory_of_ports_is_bounded() -> None:
    columns = Sweep().columns(1)
    assert count(columns, *range(1, 20))[-4:] == [16, 0, 0, 0]
    assert Sweep().held(columns).tolist() == [Sweep.most]
