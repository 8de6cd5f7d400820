"""One catalogue a plugin kind, complete, and everything in it loads."""

import importlib
from pathlib import Path

import pytest

from propolis.config import Config

ROOT = Path(__file__).resolve().parents[2]
RULES = sorted((ROOT / "src/propolis/detection/rules").glob("*.yaml"))


def test_every_lure_that_listens_by_default_is_in_the_catalogue() -> None:
    catalogue = importlib.import_module("propolis.lures.catalogue").CATALOGUE
    names = [lure.name for lure in catalogue]
    assert len(names) == len(set(names))
    assert set(Config().lures) <= set(names)
    assert all(lure.ports for lure in Config().lures.values())


def test_every_enforcer_goes_by_its_name() -> None:
    catalogue = importlib.import_module("propolis.enforcers").CATALOGUE
    assert all(name == enforcer.name for name, enforcer in catalogue.items())
    assert set(Config().enforcers.run) <= set(catalogue)


def test_no_behaviour_is_named_twice() -> None:
    behaviours = importlib.import_module("propolis.detection.behaviours").BEHAVIOURS
    names = [behaviour.name for behaviour in behaviours]
    assert names
    assert len(names) == len(set(names))


def test_there_are_rules() -> None:
    assert RULES


@pytest.mark.parametrize("rule", [path.name for path in RULES])
def test_a_rule_loads_under_its_files_name(rule: str) -> None:
    load = importlib.import_module("propolis.detection.rules.load")
    assert load.read(load.BUILT_IN / rule).id == Path(rule).stem


@pytest.mark.parametrize("bench", sorted(path.stem for path in (ROOT / "bench").glob("[a-z]*.py")))
def test_a_benchmark_imports_and_says_its_method(bench: str) -> None:
    module = importlib.import_module(f"bench.{bench}")
    assert module.__doc__
