"""What a template says of the flaw it looks for."""

from propolis.flaws.scanners import describe
from propolis.flaws.scanners.document import load
from propolis.flaws.scanners.nuclei import read
from templates import TEMPLATE


def test_a_template_is_described() -> None:
    template = read(load(TEMPLATE))
    assert describe.kind(template) == "command-injection"
    assert describe.severity(template) == "critical"
    assert describe.product(template) == "demo-panel"
    assert describe.server(template) == ""


def test_names_become_ids() -> None:
    assert describe.identity("CVE-2024-1234") == "cve-2024-1234"
    assert describe.slug("Demo Panel!") == "demo-panel"
