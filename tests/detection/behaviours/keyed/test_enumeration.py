from typing import Any

from facts import counts_of
from propolis.detection.behaviours.keyed import NAME


def asked(*paths: str, there: bool = False) -> list[tuple[int, dict[str, Any]]]:
    return [(n, {"path": path, "answered": "cms" if there else ""}) for n, path in enumerate(paths)]


def test_each_different_name_that_is_missed_counts() -> None:
    assert counts_of(NAME, "enumeration", asked("/a", "/b", "/a", "/c")) == [1, 2, 2, 3]


def test_a_crawler_finds_most_of_what_it_asks_for() -> None:
    rows = asked(*(f"/p{n}" for n in range(60)), there=True) + asked(*(f"/g{n}" for n in range(40)))
    assert max(counts_of(NAME, "enumeration", rows)) == 0


def test_a_client_with_one_old_link_asks_for_it_again() -> None:
    assert counts_of(NAME, "enumeration", asked(*["/gone", "/lost"] * 50))[-1] == 0
