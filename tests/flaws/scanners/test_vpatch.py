"""A rule of CrowdSec's becomes a lure."""

import pytest

from propolis.flaws.check import check
from propolis.flaws.index import Catalogue
from propolis.flaws.request import Request
from propolis.flaws.scanners.document import TemplateError, load
from propolis.flaws.scanners.imported import ANSWERED, RECOGNISED, UNWRITABLE
from propolis.flaws.scanners.vpatch import UNSAID, is_one, study
from propolis.flaws.session import Session
from templates import VPATCH


def test_a_rule_becomes_a_lure_that_recognises_and_answers() -> None:
    tree = load(VPATCH)
    assert is_one(tree)
    known = study(tree, "vpatch-demo")
    assert known.verdict == ANSWERED
    flaw = known.flaw
    assert flaw is not None
    assert check(flaw) == ()
    assert (flaw.cve, flaw.kind, flaw.product) == (("CVE-2024-4322",), "traversal", "demo-panel")
    assert flaw.technique == "T1190"
    (step,) = flaw.steps
    assert (step.grade, step.confidence, step.reply.body) == (
        "attempt",
        95,
        "{{ file(value) or 'Not found' }}\n",
    )
    (found,) = Catalogue((flaw,)).matches(
        Request.parse(b"GET /x/Download.php?file=..%2f..%2fetc/passwd HTTP/1.1\r\n\r\n"), Session()
    )
    assert found.step.id == step.id
    assert not Catalogue((flaw,)).matches(
        Request.parse(b"GET /download.php?file=a HTTP/1.1\r\n\r\n"), Session()
    )


def test_several_rules_are_several_ways() -> None:
    more = "  - {zones: [URI], match: {type: equals, value: /other}}\nlabels:"
    flaw = study(load(VPATCH.replace("labels:", more)), "vpatch-demo").flaw
    assert flaw is not None
    (step,) = flaw.steps
    assert len(step.match) == 5
    assert len(flaw.tests.match) == 2


def test_either_of_two_tests() -> None:
    text = VPATCH.replace("  - and:", "  - or:")
    flaw = study(load(text), "vpatch-demo").flaw
    assert flaw is not None
    assert len(flaw.steps[0].match) == 5


def test_where_nothing_tells_the_answer_a_rule_only_recognises() -> None:
    known = study(load(VPATCH.replace("CWE-22", "CWE-502").replace("Path Traversal", "RCE")), "vpatch-demo")
    assert known.verdict == RECOGNISED
    assert known.flaw is not None


def test_what_no_condition_says_is_reported_with_its_key() -> None:
    known = study(load(VPATCH.replace("contains, value: ../", "ipmatch, value: ../")), "vpatch-demo")
    assert (known.flaw, known.verdict) == (None, UNSAID)
    assert known.why.startswith("rules[0].and[1]")


def test_a_rule_that_holds_in_part_is_told_too() -> None:
    more = "  - {zones: [WEATHER], match: {type: equals, value: x}}\nlabels:"
    known = study(load(VPATCH.replace("labels:", more)), "vpatch-demo")
    assert known.flaw is not None
    assert known.why.startswith("rules[1]")


def test_no_rule_is_refused() -> None:
    with pytest.raises(TemplateError):
        study(load("rules: []\nlabels: {}"), "x")


def test_a_pattern_that_is_none_is_told() -> None:
    known = study(load(VPATCH.replace("contains, value: ../", "regex, value: '(?=x)'")), "vpatch-demo")
    assert (known.flaw, known.verdict) == (None, UNWRITABLE)
    assert "look" in known.why
