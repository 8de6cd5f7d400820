"""afrog POCs as they stand in their files, and the lures that come of them."""

import pytest

from propolis.flaws.check import check
from propolis.flaws.scanners.afrog import is_one, read
from propolis.flaws.scanners.document import TemplateError, load
from propolis.flaws.scanners.folder import study
from propolis.flaws.scanners.imported import BELIEVED, THIRD_PARTY
from templates import AFROG


def test_a_poc_is_read() -> None:
    tree = load(AFROG)
    assert is_one(tree)
    template = read(tree)
    assert (template.scanner, template.cves, template.flow) == (
        "afrog",
        ("CVE-2024-4321",),
        "(http(1) && http(2))",
    )
    first, second = template.blocks
    assert first.requests == ("GET /login HTTP/1.1\nHost: {{Hostname}}\n\n",)
    assert [(one.name, one.group) for one in first.extractors] == [("r0_token_taken", 1)]
    assert second.requests[0].endswith("token={{token}}&cmd=expr+{{r1}}+%2B+{{r2}}")


def test_its_answer_satisfies_its_expressions() -> None:
    known = study(AFROG, "demo-afrog")
    assert known.verdict == BELIEVED
    assert known.flaw is not None
    assert check(known.flaw) == ()
    assert known.flaw.product == "demo-panel"
    assert "int(" in known.flaw.steps[-1].reply.body


def test_rules_one_of_which_is_enough_need_no_flow() -> None:
    assert read(load(AFROG.replace("r0() && r1()", "r1() || r0()"))).flow == ""


def test_a_callback_is_a_third_partys() -> None:
    text = AFROG.replace("200 && response.body", "200 && oobCheck(oob, oob.ProtocolDNS, 3) && response.body")
    assert study(text, "demo-afrog").verdict == THIRD_PARTY


@pytest.mark.parametrize("made", ["newReverse()", "oob()"])
def test_an_older_ones_callback_is_too(made: str) -> None:
    text = AFROG.replace("set:", f"set:\n  back: {made}\n  url: back.url").replace(
        "cmd=expr", "u={{url}}&cmd=expr"
    )
    known = study(text.replace("200 && response.body", "200 && back.wait(5) && response.body"), "demo-afrog")
    assert known.verdict == THIRD_PARTY
    assert known.flaw is not None
    assert "callback" in known.flaw.steps[-1].extract


def test_values_of_a_list_stand_open() -> None:
    text = AFROG.replace("  r1: random", "  words: [a, b]\n  r1: random").replace(
        "  r1:\n    request:", "  r1:\n    brute: {mode: clusterbomb, user: '{{words}}'}\n    request:"
    )
    block = read(load(text.replace("cmd=expr", "user={{user}}&cmd=expr"))).blocks[1]
    assert block.payloads == {"user": ("a", "b")}
    assert study(text, "demo-afrog").verdict == BELIEVED


def test_braces_that_nobody_knows_are_sent() -> None:
    text = AFROG.replace("cmd=expr", "x={{7*7}}{{base64(r9)}}&cmd=expr")
    flaw = study(text, "demo-afrog").flaw
    assert flaw is not None
    assert any("{{7*7}}{{base64(r9)}}" in str(step.match) for step in flaw.steps)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("method: GET", "type: tcp", "tcp"),
        ("r0() && r1()", "r0() &&", "expression"),
        ("response.status == 200 &&", "response.status == &&", "expression"),
        ("(?P<token>", "(?P<token", "output"),
    ],
)
def test_what_cannot_be_read_says_where(old: str, new: str, why: str) -> None:
    with pytest.raises(TemplateError, match=why):
        read(load(AFROG.replace(old, new)))


def test_a_function_that_nobody_knows_is_told() -> None:
    known = study(AFROG.replace("response.status == 200 &&", "smells(response.body) &&"), "demo-afrog")
    assert "smells" in known.why
