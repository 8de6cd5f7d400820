import numpy as np

from facts import batch_of_family
from propolis.detection.behaviours.keyed.names import Names


def read(*rows: tuple[str, str]) -> Names:
    batch = batch_of_family("name", [(0, {"path": path, "answered": answered}) for path, answered in rows])
    return Names(batch, np.array([1, 2], np.uint64))


def test_a_name_is_the_path_without_its_query() -> None:
    names = read(("/a?x=1", ""), ("/a?x=2", ""), ("/b", ""), ("/a", ""))
    assert names.name[0] == names.name[1] == names.name[3] != names.name[2]
    assert names.summary(0) == "GET /a?x=1"


def test_what_a_lure_answered_and_the_front_page_are_there() -> None:
    names = read(("/", ""), ("/robots.txt", ""), ("/wp-login.php", "wordpress"), ("/wp-admin", ""), ("", ""))
    assert names.missed.tolist() == [False, False, False, True, False]
