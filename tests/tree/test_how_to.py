"""What the how-to pages tell a newcomer to write is taken as it stands there."""

import re
import sys
import textwrap
import types
from pathlib import Path

import pytest

from propolis import enforcers
from propolis.detection.rules.load import parse
from propolis.enforcers.enforcer import Enforcer
from propolis.lures.catalogue import CATALOGUE

PAGES = Path(__file__).parents[2] / "docs" / "how-to"


def blocks(page: str, language: str) -> list[str]:
    text = (PAGES / page).read_text()
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(block) for block in found]


def test_the_rule_of_the_page_is_one() -> None:
    rule = parse(blocks("add-a-rule.md", "yaml")[0].encode(), Path("netgear-setup-cgi.yaml"))
    assert (rule.id, rule.grade, rule.technique) == ("netgear-setup-cgi", "attempt", "T1190")


def test_the_lure_of_the_page_passes_the_test_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    dialogue, _, catalogue, test = blocks("add-a-lure.md", "python")
    echo = types.ModuleType("propolis.lures.echo")
    exec(dialogue, echo.__dict__)
    monkeypatch.setitem(sys.modules, "propolis.lures.echo", echo)
    names: dict[str, object] = {}
    exec(test, names)
    case = names["test_says_what_it_hears"]
    assert callable(case)
    case()
    listed = re.findall(r"\w+Lure\b", catalogue.partition("= ")[2])
    assert set(listed) == {"EchoLure", *(lure.__name__ for lure in CATALOGUE)}


def test_the_enforcer_of_the_page_has_all_that_the_contract_asks_for() -> None:
    code, line = blocks("add-an-enforcer.md", "python")
    asked = {name for name in vars(Enforcer) if not name.startswith("_")} | set(Enforcer.__annotations__)
    assert asked <= set(re.findall(r"^    (?:def )?(\w+)(?=[:(])", code, re.MULTILINE))
    assert line.strip() == '"hosts-deny": HostsDeny,'
    assert "hosts-deny" not in enforcers.CATALOGUE
