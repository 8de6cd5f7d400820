import numpy as np

from facts import batch_of_family, counts_of
from propolis.detection.behaviours.keyed import GRADE
from propolis.detection.behaviours.keyed.sequence import Grades


def steps(*grades: str) -> list[int]:
    return counts_of(GRADE, "sequence", [(n, {"grade": grade}) for n, grade in enumerate(grades)])


def test_steps_count_in_their_order() -> None:
    assert steps("scan", "attempt", "confirmed") == [1, 2, 3]
    assert steps("scan", "scan", "seen", "attempt", "scan") == [1, 0, 0, 2, 0]


def test_a_step_that_was_left_out_waits() -> None:
    assert steps("attempt", "confirmed", "scan", "confirmed") == [0, 0, 1, 0]


def test_a_finding_can_be_cited() -> None:
    grades = Grades(batch_of_family("grade", [(0, {"grade": "scan"})]), np.array([1, 2], np.uint64))
    assert grades.summary(0) == "something (scan)"
    assert grades.place(0) == ("edge-1", 1, "ssh")
    assert grades.event(0) == (bytes(16), 0)
    assert Grades((), np.array([1, 2], np.uint64)).count == 0
