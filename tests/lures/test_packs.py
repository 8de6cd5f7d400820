"""The lures that come with Propolis: each is what its own tests say, and no two of them are in each other's way."""

from pathlib import Path

import pytest

from propolis.flaws.check import check
from propolis.flaws.file import load
from propolis.flaws.index import Catalogue
from propolis.flaws.packs import BUILT_IN
from propolis.flaws.request import Request
from propolis.flaws.session import Session

FILES = sorted(BUILT_IN.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_lure_does_what_its_tests_say(path: Path) -> None:
    assert check(load(path)) == ()


def test_every_lure_is_found_among_all_of_them() -> None:
    flaws = [load(path) for path in FILES]
    catalogue = Catalogue(flaws)
    for flaw in flaws:
        first = flaw.tests.match[0]
        raw = (first.request or first.requests[0]).replace("\n", "\r\n").encode("latin-1", "replace")
        named = [match.flaw.id for match in catalogue.matches(Request.parse(raw), Session())]
        assert flaw.id in named, flaw.id


def test_almost_every_lure_is_found_without_looking_at_all_of_them() -> None:
    assert len(Catalogue([load(path) for path in FILES]).unguarded) < 20
