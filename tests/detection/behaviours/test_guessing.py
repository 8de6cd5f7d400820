import numpy as np

from batches import batch_of, opens, tries
from propolis.detection.behaviours import Guessing
from propolis.detection.columns import Rows


def count(times: int, columns: dict) -> list[int]:
    rows = Rows(batch_of([*opens("192.0.2.7", 22), *tries("192.0.2.7", times)]))
    zeros = np.zeros(rows.count, np.int32)
    return Guessing().count(rows, zeros, zeros.astype(np.bool_), columns).tolist()


def test_only_credentials_count() -> None:
    assert count(3, Guessing().columns(1)) == [0, 1, 2, 3]


def test_the_count_goes_on_in_the_next_batch() -> None:
    columns = Guessing().columns(1)
    count(3, columns)
    assert count(2, columns) == [0, 4, 5]


def test_the_count_stops_at_its_bound() -> None:
    columns = Guessing().columns(1)
    columns["tries"][0] = Guessing.most - 1
    assert count(3, columns) == [0, Guessing.most, 0, 0]
    assert Guessing().held(columns).tolist() == [Guessing.most]
