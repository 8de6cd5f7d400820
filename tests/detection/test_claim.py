import msgspec

from batches import built_in
from catalogued import flaw
from propolis.detection.claim import CANARY_USED, claim_of_canary, claim_of_rule, claim_of_step
from propolis.events import pack
from propolis.events.canary import Canary


def test_a_rule_says_what_its_file_says() -> None:
    rule = next(rule for rule in built_in().rules if rule.id == "sql-injection")
    claim = claim_of_rule(rule)
    assert (claim.name, claim.kind, claim.grade, claim.key) == (
        "sql-injection",
        "sqli",
        "attempt",
        "sql-injection",
    )


def test_a_flaw_says_what_the_step_says() -> None:
    one = flaw("box", cve=("CVE-2020-0001",))
    claim = claim_of_step(one, one.steps[0])
    assert (claim.name, claim.title, claim.cve, claim.kind) == ("box", one.name, ("CVE-2020-0001",), "sqli")
    assert (claim.grade, claim.confidence, claim.step) == ("attempt", 80, "ask")


def test_a_step_may_be_for_some_of_the_cves_of_its_file_or_for_none() -> None:
    one = flaw("box", cve=("CVE-2020-0001", "CVE-2020-0002"))
    for said, cve in (((), ()), (("CVE-2020-0002",), ("CVE-2020-0002",)), (None, one.cve)):
        step = msgspec.structs.replace(one.steps[0], cve=said)
        assert claim_of_step(one, step).cve == cve


def test_who_only_looks_at_a_product_is_after_none_of_its_flaws_in_particular() -> None:
    look = flaw("box", cve=("CVE-2020-0001",), grade="scan")
    assert claim_of_step(look, look.steps[0]).cve == ()
    probe = msgspec.structs.replace(look, source="a scanner's template")
    assert claim_of_step(probe, probe.steps[0]).cve == look.cve


def test_steps_of_other_grades_are_findings_of_their_own() -> None:
    one = flaw("box", grade="scan")
    other = flaw("box", grade="confirmed")
    assert claim_of_step(one, one.steps[0]).key != claim_of_step(other, other.steps[0]).key


def test_a_canary_says_whom_it_was_given_to() -> None:
    claim = claim_of_canary(Canary("aws_key", "AKIA", pack("203.0.113.9")))
    assert (claim.name, claim.grade, claim.confidence) == (CANARY_USED, "confirmed", 99)
    assert claim.title == "Used the aws key that a decoy had given to 203.0.113.9"
    assert "an IPv6 source" in claim_of_canary(Canary("path", "x", b"1234")).title
