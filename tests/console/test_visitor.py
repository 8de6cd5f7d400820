from typing import Any

import pytest

from propolis.console.console import Console
from propolis.console.visitor import MAX_REASON, Visitor
from propolis.decisions import ModeChanged


def test_a_visitor_is_in_while_the_session_lasts(lonely: Console) -> None:
    _, session = lonely.sessions.open("192.0.2.1")
    visitor = Visitor(lonely, session)
    assert visitor.is_in()
    assert visitor.by == "console from 192.0.2.1"
    lonely.sessions.end(session)
    assert not visitor.is_in()


@pytest.mark.root
def test_without_a_reason_nothing_is_done(visit: Any, hive: Any) -> None:
    before = sum(isinstance(entry, ModeChanged) for entry in hive.ledger())
    visit.click(".mode button", "Arm")
    visit.type(".q-dialog input", "   ")
    visit.click(".q-dialog button", "Arm")
    visit.until("return document.querySelector('.q-dialog')?.innerText.includes('A reason is needed')")
    visit.click(".q-dialog button", "Cancel")
    visit.until("return !document.querySelector('.q-dialog')")
    assert sum(isinstance(entry, ModeChanged) for entry in hive.ledger()) == before
    assert visit.text_of(".mode .badge") == "SHADOW"


@pytest.mark.root
def test_a_reason_is_bounded(visit: Any) -> None:
    visit.click(".mode button", "Arm")
    visit.type(".q-dialog input", "x" * (MAX_REASON + 20))
    assert visit.until("return document.querySelector('.q-dialog input').value.length") == MAX_REASON
    visit.click(".q-dialog button", "Cancel")
    visit.until("return !document.querySelector('.q-dialog')")
