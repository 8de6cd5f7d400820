"""Every rule about a counter says with its examples what it means; a file that cannot be used says where and why."""

import random
from pathlib import Path

import pytest

from facts import batch_of_family
from propolis.detection.behaviours.keyed import FAMILIES, CounterEngine
from propolis.detection.behaviours.keyed.rule import BUILT_IN, CountRule, load, parse, read, rows
from propolis.errors import RuleError

RULES = sorted(BUILT_IN.glob("*.yaml"))
SOUND = (BUILT_IN / "scan-slow.yaml").read_bytes()


def fires(rule: CountRule, example: list[dict[str, str | int]]) -> bool:
    family = next(known for known in FAMILIES if known.name == rule.logsource.kind)
    engine = CounterEngine(family, (rule,), max_keys=64, entropy=random.Random(1))
    found, _ = engine.step(batch_of_family(family.name, list(rows(rule, example))), engine.fresh(), 1, 1)
    return bool(found)


@pytest.mark.parametrize("name", [path.name for path in RULES])
def test_a_rule_matches_its_examples_and_misses_the_near_ones(name: str) -> None:
    rule = read(BUILT_IN / name)
    assert f"{rule.id}.yaml" == name
    assert [example for example in rule.examples.match if not fires(rule, example)] == []
    assert [example for example in rule.examples.miss if fires(rule, example)] == []


def test_every_counter_but_the_memory_of_contacts_has_a_rule() -> None:
    asked = {(rule.logsource.kind, rule.detection.behaviour) for rule in load()}
    there = {(family.name, counter.name) for family in FAMILIES for counter in family.counters}
    assert there - asked == {("flow", "contacts")}


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        (b"behaviour: slow", b"behaviour: swift", "detection.behaviour.*horizontal"),
        (b"at_least: 6", b"at_least: 25", "detection.at_least.*1 to 24"),
        (b"kind: flow", b"kind: flood", "logsource.kind"),
        (b"outcome: refused", b"colour: red", r"examples.match\[1\].*colour"),
        (b"1..6", b"1..5000", "examples.match.*2000 rows"),
        (b"every: 3600}]", b"every: -1}]", "whole numbers"),
        (b"level:", b"lvl:", "lvl"),
        (b"title: Slow scan", b"title: [", "line"),
        (b"tags: [attack", b"tags: &t [*t, attack", "alias"),
    ],
)
def test_a_file_that_cannot_be_used_says_where_and_why(old: bytes, new: bytes, where: str) -> None:
    assert old in SOUND
    with pytest.raises(RuleError, match=where):
        parse(SOUND.replace(old, new), Path("mine.yaml"))


def test_a_rule_that_is_too_long_is_refused() -> None:
    with pytest.raises(RuleError, match="the limit is"):
        parse(SOUND + b"#" * 70_000, Path("mine.yaml"))


def test_a_folder_adds_rules_and_a_known_id_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_bytes(SOUND.replace(b"id: scan-slow", b"id: own"))
    assert "own" in {rule.id for rule in load(tmp_path)}
    (tmp_path / "again.yaml").write_bytes(SOUND)
    with pytest.raises(RuleError, match="scan-slow"):
        load(tmp_path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="cannot be read"):
        read(tmp_path / "none.yaml")
