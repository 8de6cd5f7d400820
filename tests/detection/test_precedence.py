import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches import built_in
from catalogued import flaw
from propolis.detection.knowledge import Named
from propolis.detection.precedence import MAX_ALTERNATIVES, MAX_CVES, account
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
        ([rule("class", "a")], [named("box", 700, grade="scan")], ["class"], "", ("box/ask:700",)),
        ([rule("class", "a", "scan")], [named("box", 700, grade="scan")], [], "box", ("class:90",)),
        ([rule("exact", cve=CVE)], [named("box", 700, grade="scan")], ["exact"], "", ("box/ask:700",)),
        (
            [rule("exact", cve=CVE)],
            [named("box", 700, grade="scan", cve=[CVE])],
            ["exact"],
            "",
            ("box/ask:700",),
        ),
        (
            [rule("exact", grade="scan", cve=CVE)],
            [named("box", 700, grade="scan", cve=[CVE], source="x")],
            [],
            "box",
            (),
        ),
        ([rule("exact", cve=CVE)], [named("box", 700, cve=[CVE])], [], "box", ()),
        ([rule("exact", cve=CVE)], [named("box", 700)], ["exact"], "box", ()),
        ([], [named("box", 700, grade="seen"), named("other", 20)], [], "other", ()),
        ([], [named("box", 700), named("other", 20)], [], "box", ("other/ask:20",)),
        ([], [named("page", 700, grade="scan"), named("lookup", 20)], [], "lookup", ("page/ask:700",)),
    ],
)
def test_the_more_specific_speaks(
    rules: list[Rule], flaws: list[Named], told: list[str], name: str, alternatives: tuple[str, ...]
) -> None:
    given = account(rules, range(len(rules)), flaws)
    assert [rules[number].id for number in given.rules] == told
    assert (given.flaw.name if given.flaw else "", given.alternatives) == (name, alternatives)


@pytest.mark.parametrize(
    ("source", "score", "cve"),
    [("a scanner's template", 700, (CVE,)), ("a scanner's template", 150, ()), ("", 700, ())],
)
def test_a_look_that_could_be_for_any_flaw_of_the_product_names_no_cve(
    source: str, score: int, cve: tuple[str, ...]
) -> None:
    told = account([], (), [named("box", score, grade="scan", cve=[CVE], source=source)]).flaw
    assert told is not None
    assert told.cve == cve


@pytest.mark.parametrize(
    ("others", "cve"),
    [
        ([(700, "attempt", 1)], 2),
        ([(640, "attempt", 1)], 2),
        ([(600, "attempt", 1)], 1),
        ([(700, "scan", 1)], 1),
        ([(700, "attempt", 0)], 1),
        ([(700, "attempt", 1)] * (MAX_CVES - 1), MAX_CVES),
        ([(700, "attempt", 1)] * MAX_CVES, 0),
    ],
)
def test_what_serves_several_flaws_as_well_names_them_together_or_none(
    others: list[tuple[int, str, int]], cve: int
) -> None:
    rivals = [
        named(f"rival-{place}", score, grade=grade, cve=[f"CVE-2021-000{place}"][:count])
        for place, (score, grade, count) in enumerate(others)
    ]
    told = account([], (), [named("box", 700, cve=[CVE]), *rivals]).flaw
    assert told is not None
    assert len(told.cve) == cve
    assert not cve or told.cve[0] == CVE


def test_a_request_that_is_for_no_cve_is_given_none_by_its_neighbours() -> None:
    told = account([], (), [named("login", 700), named("box", 700, cve=[CVE])]).flaw
    assert told is not None
    assert told.cve == ()


def test_a_file_may_name_more_cves_than_several_together() -> None:
    many = [f"CVE-2020-000{number}" for number in range(MAX_CVES + 2)]
    told = account([], (), [named("box", 700, cve=many), named("same", 700, cve=many[1:])]).flaw
    assert told is not None
    assert told.cve == tuple(many)


def test_a_rule_that_knows_further_cves_is_told_beside_the_flaw() -> None:
    both = msgspec.structs.replace(rule("both"), cve=(CVE, "CVE-2020-0002"))
    assert account([both], (0,), [named("box", 700, cve=[CVE])]).rules == (0,)


def test_where_people_have_business_the_use_of_an_interface_is_no_attack() -> None:
    interface, exploit = named("box", 700, kind="missing-authentication"), named("other", 20)
    assert account([], (), [interface]).flaw is not None
    assert account([], (), [interface], is_decoy=False) == account([], ())
    assert account([], (), [named("box", 700, grade="scan")], is_decoy=False) == account([], ())
    login = named("login", 700)
    step = msgspec.structs.replace(login[1], cve=())
    assert account([], (), [(login[0], step, 700)]).flaw is not None
    assert account([], (), [(login[0], step, 700)], is_decoy=False) == account([], ())
    told = account([], (), [interface, exploit], is_decoy=False).flaw
    assert told is not None
    assert told.name == "other"
    suspicious = account([rule("class", "a", "scan")], (0,), [interface], is_decoy=False)
    assert suspicious.flaw is not None


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
