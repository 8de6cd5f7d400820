"""One catalogue a plugin kind, complete, and everything in it loads."""

import importlib
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from propolis.config import LURES, Config, Enforcers

ROOT = Path(__file__).resolve().parents[2]
RULES = sorted((ROOT / "src/propolis/detection/rules").glob("*.yaml"))


def test_every_lure_can_be_configured_and_has_a_port() -> None:
    catalogue = importlib.import_module("propolis.lures.catalogue").CATALOGUE
    assert sorted(lure.name for lure in catalogue) == sorted(LURES)
    assert sorted(Config().lures) == sorted(LURES)
    assert all(lure.ports for lure in Config().lures.values())


def test_every_enforcer_can_be_configured() -> None:
    catalogue = importlib.import_module("propolis.enforcers").CATALOGUE
    (names, _) = get_args(get_type_hints(Enforcers)["run"])
    assert sorted(catalogue) == sorted(get_args(names))


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
