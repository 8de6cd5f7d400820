"""The lures that come with Propolis: each is what its own tests say, and no two of them are in each other's way."""

from pathlib import Path

import pytest

from propolis.detection.claim import claim_of_step
from propolis.detection.precedence import account
from propolis.flaws.check import check, message
from propolis.flaws.file import load
from propolis.flaws.index import Catalogue
from propolis.flaws.packs import BUILT_IN
from propolis.flaws.request import Request
from propolis.flaws.session import Session
from propolis.lures.http.exchange import MAX_NAMED

FILES = sorted(BUILT_IN.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_lure_does_what_its_tests_say(path: Path) -> None:
    assert check(load(path)) == ()


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue([load(path) for path in FILES])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_among_all_of_them_a_lure_is_found_and_called_by_its_own_name(
    path: Path, catalogue: Catalogue
) -> None:
    for case in load(path).tests.match:
        first = Request.parse(message(case.request or case.requests[0]))
        matches = catalogue.matches(first, Session())[:MAX_NAMED]
        own = next(match for match in matches if match.flaw.id == path.stem)
        told = account((), (), [(match.flaw, match.step, match.score) for match in matches]).flaw
        if told is not None and told.cve and own.step.grade != "seen":
            assert not {*told.cve}.isdisjoint(claim_of_step(own.flaw, own.step).cve), told


def test_almost_every_lure_is_found_without_looking_at_all_of_them(catalogue: Catalogue) -> None:
    assert len(catalogue.unguarded) < 20
