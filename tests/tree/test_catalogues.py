"""One catalogue a plugin kind, and everything in it loads."""

import importlib

import pytest

from propolis.config import LURES, Config

CATALOGUES = ("propolis.lures.catalogue", "propolis.enforcers.catalogue", "propolis.detection.catalogue")


@pytest.mark.parametrize("name", CATALOGUES)
def test_a_catalogue_loads_and_names_nothing_twice(name: str) -> None:
    catalogue = importlib.import_module(name).CATALOGUE
    assert len(catalogue) > 0
    names = [getattr(entry, "name", getattr(entry, "__name__", entry)) for entry in catalogue]
    assert len(names) == len(set(names))


def test_every_lure_can_be_configured_and_has_a_port() -> None:
    catalogue = importlib.import_module("propolis.lures.catalogue").CATALOGUE
    assert sorted(lure.name for lure in catalogue) == sorted(LURES)
    assert sorted(Config().lures) == sorted(LURES)
