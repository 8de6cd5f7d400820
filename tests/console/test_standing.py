from typing import Any

import pytest
from hypothesis import given

from nouns import decisions
from propolis.clock import SECOND
from propolis.console.standing import _row
from propolis.decisions import Decided, Decision, ModeChanged, Revoked
from watching import NOW, decision


@given(decisions())
def test_every_decision_is_a_row_of_text(held: Decision) -> None:
    row = _row(held, NOW)
    assert all(isinstance(value, str) and len(value) <= 200 and value.isprintable() for value in row.values())


def test_a_row_counts_down() -> None:
    assert _row(decision(), NOW)["left"] == "10:00"
    assert _row(decision(), NOW + 599 * SECOND)["left"] == "0:01"


def test_a_decision_that_one_enforcer_alone_carries_out_says_so() -> None:
    assert _row(decision(), NOW)["state"] == "active"
    assert _row(decision(scope=("drill",)), NOW)["state"] == "active (drill)"


@pytest.mark.root
def test_shadow_says_that_nothing_is_blocked_and_how_to_arm(visit: Any, hive: Any) -> None:
    visit.until("return document.querySelector('.mode.shadow .badge')?.innerText == 'SHADOW'")
    hive.attack("203.0.113.40")
    says = visit.until(
        "return document.querySelector('.mode .says')?.innerText.match(/Would have blocked [1-9]\\d*/)?.[0]"
    )
    assert says
    assert "propolis defence arm" in visit.text_of(".mode")


@pytest.mark.root
def test_a_decision_is_revoked_with_a_reason_that_reaches_the_ledger(visit: Any, hive: Any) -> None:
    found = hive.attack("203.0.113.41")
    visit.until(
        "const rows = [...document.querySelectorAll('.decisions tbody tr')];"
        "const row = rows.find(r => r.innerText.includes('203.0.113.41'));"
        "row?.querySelector('button').click(); return Boolean(row)"
    )
    assert "203.0.113.41" in visit.text_of(".q-dialog .heading")
    visit.type(".q-dialog input", "our own scanner")
    visit.click(".q-dialog button", "Revoke")
    visit.until(
        "return ![...document.querySelectorAll('.decisions tbody tr')].some(r => r.innerText.includes('203.0.113.41'))"
    )
    entries = hive.ledger()
    (made,) = [e.decision for e in entries if isinstance(e, Decided) and e.decision.finding == found.id]
    (revoked,) = [e for e in entries if isinstance(e, Revoked) and e.decision == made.id]
    assert (revoked.reason, revoked.by) == ("our own scanner", "console from 127.0.0.1")


@pytest.mark.root
def test_what_a_guard_refused_is_there_with_its_reason(visit: Any, hive: Any) -> None:
    hive.attack("127.0.0.1")
    visit.until("return [...document.querySelectorAll('.item')].some(i => i.innerText.includes('127.0.0.1'))")
    assert "loopback" in visit.text_of(".item")


@pytest.mark.root
def test_armed_and_stood_down_again_with_a_reason_each(visit: Any, hive: Any) -> None:
    visit.click(".mode button", "Arm")
    visit.type(".q-dialog input", "the test begins")
    visit.click(".q-dialog button", "Arm")
    visit.until("return document.querySelector('.mode.armed .badge')?.innerText == 'ARMED'")
    visit.click(".mode button", "Stand down")
    visit.type(".q-dialog input", "the test ends")
    visit.click(".q-dialog button", "Stand down")
    visit.until("return document.querySelector('.mode.shadow .badge')?.innerText == 'SHADOW'")
    modes = [(e.mode, e.reason) for e in hive.ledger() if isinstance(e, ModeChanged)]
    assert modes[-2:] == [("armed", "the test begins"), ("shadow", "the test ends")]
