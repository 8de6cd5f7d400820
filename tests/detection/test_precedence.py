import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches import built_in
from catalogued import flaw
from propolis.detection.knowledge import Named
from propolis.detection.precedence import MAX_ALTERNATIVES, account
from propolis.detection.rules import Rule
from propolis.findings import GRADES

_ANY = built_in().rules[0]


def rule(name: str, weakness: str = "", grade: str = "attempt", confidence: int = 90, cve: str = "") -> Rule:
    return msgspec.structs.replace(
        _ANY, id=name, weakness=weakness, grade=grade, confidence=confidence, cve=(cve,) if cve else ()
    )


def named(name: str, score: int, **changes: object) -> Named:
    one = flaw(name, **changes)
    return one, one.steps[0], score


CVE = "CVE-2020-0001"


@pytest.mark.parametrize(
    ("rules", "flaws", "told", "name", "alternatives"),
    [
        ([rule("sqli", "sqli")], [], ["sqli"], "", ()),
        ([rule("low", "a", confidence=80), rule("high", "b")], [], ["high"], "", ("low:80",)),
        ([rule("scan", "a", "scan", 99), rule("attempt", "b")], [], ["attempt"], "", ("scan:99",)),
        ([rule("exact", cve=CVE), rule("class", "a")], [], ["exact"], "", ("class:90",)),
        ([rule("seen", grade="seen"), rule("class", "a")], [], ["seen", "class"], "", ()),
        ([rule("class", "a")], [named("box", 700)], [], "box", ("class:90",)),
        ([rule("class", "a")], [named("box", 700, grade="scan")], ["class"], "box", ()),
        ([rule("exact", cve=CVE)], [named("box", 700, cve=[CVE])], [], "box", ()),
        ([rule("exact", cve=CVE)], [named("box", 700)], ["exact"], "box", ()),
        ([], [named("box", 700), named("other", 20)], [], "box", ("other/ask:20",)),
    ],
)
def test_the_more_specific_speaks(
    rules: list[Rule], flaws: list[Named], told: list[str], name: str, alternatives: tuple[str, ...]
) -> None:
    given = account(rules, range(len(rules)), flaws)
    assert [rules[number].id for number in given.rules] == told
    assert (given.flaw.name if given.flaw else "", given.alternatives) == (name, alternatives)


def test_alternatives_are_bounded() -> None:
    given = account([], (), [named(f"box-{number}", 9) for number in range(30)])
    assert len(given.alternatives) == MAX_ALTERNATIVES


@given(st.lists(st.tuples(st.sampled_from(["", "a", "b"]), st.sampled_from(GRADES)), max_size=6))
def test_whatever_fits_is_told_or_stands_beside(fitting: list[tuple[str, str]]) -> None:
    rules = [rule(f"rule-{number}", weakness, grade) for number, (weakness, grade) in enumerate(fitting)]
    given = account(rules, range(len(rules)))
    beside = {alternative.partition(":")[0] for alternative in given.alternatives}
    assert {rules[number].id for number in given.rules} | beside == {known.id for known in rules}
    if rules:
        highest = max(GRADES.index(known.grade) for known in rules)
        assert any(GRADES.index(rules[number].grade) == highest for number in given.rules)
