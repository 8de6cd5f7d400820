import numpy as np
import pyarrow as pa

from batches import batch_of, opens, tries
from propolis.detection.behaviours.keyed.said import Said, words

KIND = pa.scalar("CredentialTried")


def test_only_the_kind_counts_and_its_row_is_kept() -> None:
    said = Said(
        batch_of([*opens("192.0.2.7", 22), *tries("192.0.2.8", 1), *opens("192.0.2.7", 23)]),
        KIND,
        ("command",),
    )
    assert (said.count, said.rows.tolist(), said.event(0)[1]) == (1, [1], 1)
    assert said.place(0)[0] == "sensor-1"
    assert said.place(0)[2] == "http"
    assert said.text("command", 0) == ""


def test_what_could_be_forged_does_not_count() -> None:
    assert Said(batch_of(tries("192.0.2.8", 3), evidence_class="spoofable"), KIND, ("command",)).count == 0
    assert Said(
        batch_of(tries("192.0.2.8", 1), evidence_class="dialogue"), KIND, ("command",)
    ).evidence.tolist() == [2]


def test_addresses_are_two_words_also_of_a_slice() -> None:
    column = batch_of(tries("192.0.2.8", 3)).column("source_ip")
    assert words(column.slice(1, 2)).shape == (2, 2)
    assert words(column.slice(0, 0)).shape == (0, 2)
    assert words(column)[0].tobytes() == column[0].as_py()
    assert words(column).dtype == np.uint64
