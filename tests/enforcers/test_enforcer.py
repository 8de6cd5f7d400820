from pathlib import Path
from typing import get_type_hints

import pytest

from propolis import config
from propolis.clock import ManualClock
from propolis.enforcers import CATALOGUE, Enforcer


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_entry_is_an_enforcer_and_touches_nothing_until_opened(name: str, tmp_path: Path) -> None:
    made: Enforcer = CATALOGUE[name](config.Enforcers(), ManualClock(), tmp_path)
    assert made.name == name
    assert made.enforces is (name != "dry-run")
    assert not list(tmp_path.iterdir())
    for method in ("open", "apply", "read_back", "close", "remove"):
        assert callable(getattr(made, method))


def test_the_catalogue_is_what_configuration_offers() -> None:
    assert set(config.Enforcers().run) <= set(CATALOGUE)
    sections = set(get_type_hints(config.Enforcers)) - {"run", "reconcile_seconds"}
    assert sections <= set(CATALOGUE)
