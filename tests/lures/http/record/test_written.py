"""Servers that are written down instead of recorded."""

import pytest

from propolis.lures.http.record.written import boa, goahead, iis
from propolis.lures.http.server import Persona, load


@pytest.mark.parametrize(("name", "made"), [("iis", iis()), ("boa", boa()), ("goahead", goahead())])
def test_what_is_written_is_what_is_stored_and_says_so(name: str, made: Persona) -> None:
    assert load(name) == made
    assert not made.is_recorded
