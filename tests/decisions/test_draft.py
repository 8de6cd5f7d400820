"""What a finding, or an operator's word, puts into the fields of a decision."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judging import NOW, STRANGER, finding, proposal
from nouns import findings
from propolis.clock import SECOND
from propolis.decisions import EVERYWHERE, Lowered, Stopped, Target, Verdict, decode, encode
from propolis.decisions.draft import (
    MAX_TEXT,
    by_operator,
    by_policy,
    note_id,
    printable,
    source_of,
)
from propolis.decisions.draft import (
    given as said,
)
from propolis.findings import Finding

VERDICT = Verdict(
    action="count",
    state="active",
    scope=(EVERYWHERE,),
    remarks=(Lowered("evidence", "count", "the source may be forged"),),
)


def test_times_evidence_and_remarks_are_taken_over() -> None:
    judged = finding()
    decision = by_policy(judged, Target("address", STRANGER), VERDICT, NOW + SECOND, 2, now=NOW + 5)
    assert (decision.first_packet, decision.found, decision.decided) == (
        judged.first_seen,
        judged.found,
        NOW + 5,
    )
    assert (decision.finding, decision.rule, decision.step) == (judged.id, "ssh-guessing", 2)
    assert decision.reason == (
        "attempt by ssh-guessing, confidence 90; evidence: the source may be forged: Credentials tried on a decoy"
    )


@given(judged=findings(), late=st.integers(0, 2**40))
def test_the_id_is_the_finding_and_not_the_moment(judged: Finding, late: int) -> None:
    target = source_of(judged)
    assert isinstance(target, Target)
    first = by_policy(judged, target, VERDICT, 2**62, 0, now=judged.found)
    again = by_policy(judged, target, VERDICT, 2**62, 0, now=judged.found + late)
    assert first.id == again.id
    assert decode(encode(again)) == again


@pytest.mark.parametrize(
    "source", ["", "9.9.9.0/24", "2a00::/64", "host.example", "9.9.9.9.9", "fe80::1%eth0", "9" * 1_000]
)
def test_a_source_that_is_not_one_address_is_refused(source: str) -> None:
    assert isinstance(source_of(finding(source)), Stopped)


@pytest.mark.parametrize(
    ("source", "value"), [("::ffff:9.9.9.9", "9.9.9.9"), ("2A00::0001", "2a00::1"), (" 9.9.9.9 ", "9.9.9.9")]
)
def test_a_source_becomes_canonical(source: str, value: str) -> None:
    assert source_of(finding(source)) == Target("address", value)


def test_a_finding_without_an_id_is_refused() -> None:
    assert isinstance(source_of(finding(id="")), Stopped)


@given(st.text(st.characters(), max_size=2 * MAX_TEXT))
def test_text_is_bounded_and_nothing_a_terminal_obeys(text: str) -> None:
    shown = printable(text)
    assert len(shown) <= MAX_TEXT
    assert shown.isprintable()
    assert msgspec.json.decode(msgspec.json.encode(shown)) == shown
    assert said(text)


def test_an_operators_word_names_who_and_why() -> None:
    note = note_id(STRANGER, "seen in the shop's log\n", "ana\ud800", NOW)
    assert note == note_id(STRANGER, "seen in the shop's log\n", "ana\ud800", NOW)
    assert note != note_id(STRANGER, "seen in the shop's log\n", "ana\ud800", NOW + 1)
    decision = by_operator(proposal(by="operator"), note, NOW + SECOND, "\x1b[2J", "ana", now=NOW)
    assert (decision.reason, decision.by, decision.state) == ("\ufffd[2J", "ana", "active")
    assert decision.first_packet == decision.found == decision.decided == NOW
