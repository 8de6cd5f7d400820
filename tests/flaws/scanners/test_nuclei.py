"""A template becomes a lure that its own scanner believes."""

from propolis.flaws.check import check
from propolis.flaws.file import Flaw
from propolis.flaws.scanners.imported import BELIEVED, Refused
from propolis.flaws.scanners.nuclei import import_template, study
from templates import TEMPLATE


def test_a_template_becomes_a_lure_that_computes_what_the_scanner_expects() -> None:
    known = study(TEMPLATE, "demo-rce")
    assert known.verdict == BELIEVED
    flaw = import_template(TEMPLATE, "demo-rce")
    assert isinstance(flaw, Flaw)
    assert flaw.cve == ("CVE-2024-1234",)
    assert flaw.kind == "command-injection"
    assert check(flaw) == ()


def test_what_is_no_template_is_refused_with_a_reason() -> None:
    assert isinstance(import_template("id: x", "x"), Refused)
