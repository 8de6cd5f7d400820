"""What the ledger adds up to: the same however it is read, once for each entry, and bounded."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judging import NOW, finding
from propolis.clock import SECOND
from propolis.decisions import (
    ACTIONS,
    EVERYWHERE,
    LIMITING,
    BudgetExhausted,
    Decided,
    Decision,
    Entry,
    Expired,
    Extended,
    ModeChanged,
    Present,
    Refused,
    Revoked,
    Target,
    Verdict,
    fold,
)
from propolis.decisions.draft import by_policy
from propolis.decisions.ledger import MINUTE
from propolis.decisions.present import MAX_PAST, Generations

TARGETS = [Target("address", f"9.9.9.{last}") for last in range(3)]
times = st.integers(-200, 200).map(lambda seconds: NOW + seconds * SECOND)


def decision(target: Target, number: int, **changes: Any) -> Decision:
    verdict = Verdict(action="block", state="active", scope=(EVERYWHERE,))
    drafted = by_policy(finding(target.value, number), target, verdict, NOW + 600 * SECOND, 0, now=NOW)
    return msgspec.structs.replace(drafted, **changes)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Few targets and few findings, so that entries meet; any order, as a careless writer would leave them."""
    time, target, number = draw(times), draw(st.sampled_from(TARGETS)), draw(st.integers(0, 3))
    about = decision(
        target,
        number,
        action=draw(st.sampled_from(ACTIONS)),
        state=draw(st.sampled_from(("active", "shadow"))),
    )
    match draw(st.integers(0, 6)):
        case 0:
            return Decided(time=time, decision=about)
        case 1:
            return Extended(
                time=time, decision=msgspec.structs.replace(about, revision=draw(st.integers(2, 4)))
            )
        case 2:
            return Revoked(time=time, target=target, decision=about.id, reason="x", by="ana")
        case 3:
            return Expired(time=time, target=target, decision=about.id, reason="x")
        case 4:
            return ModeChanged(
                time=time, mode=draw(st.sampled_from(("armed", "shadow"))), by="ana", reason="x"
            )
        case 5:
            return BudgetExhausted(time=time, budget="max_active", limit=1)
        case _:
            return Refused(
                time=time,
                target=target.value,
                guard="bogon",
                reason="x",
                finding=about.finding,
                rule="r",
                by="policy",
            )


ledgers = st.lists(entries(), max_size=25)


def tallies(present: Present) -> None:
    """What is counted along the way is what a recount gives."""
    for state in ("active", "shadow"):
        kept = present.in_state(state)  # type: ignore[arg-type]
        assert present.kept.get(state, 0) == len(kept)  # type: ignore[call-overload]
        assert present.watching.get(state, 0) == sum(one.action not in LIMITING for one in kept)  # type: ignore[call-overload]
    assert present.targets == {one.id: key for key, one in present.held.items()}
    assert present.blocks == sorted(present.blocks)


@settings(max_examples=80)
@given(ledgers, st.integers(0, 25))
def test_folding_on_is_folding_the_whole(ledger: list[Entry], cut: int) -> None:
    present = fold(ledger[:cut])
    for entry in ledger[cut:]:
        present.apply(entry)
    assert present == fold(ledger)
    tallies(present)


@settings(max_examples=80)
@given(ledgers, st.data())
def test_an_entry_that_is_read_again_changes_nothing(ledger: list[Entry], data: st.DataObject) -> None:
    again = list(ledger)
    for _ in range(5 if ledger else 0):
        index = data.draw(st.integers(0, len(again) - 1))
        again.insert(data.draw(st.integers(index + 1, len(again))), again[index])
    assert fold(again) == fold(ledger)
    present = fold(ledger)
    assert not any(present.apply(entry) for entry in ledger)


def test_a_decision_lives_through_the_ledger() -> None:
    first = decision(TARGETS[0], 1)
    longer = msgspec.structs.replace(first, revision=2, until=first.until + SECOND)
    present = fold([Decided(time=NOW, decision=first)])
    assert present.by_id(first.id) == first
    assert present.by_id("nobody") is None
    present.apply(Extended(time=NOW, decision=longer))
    assert present.in_state("active") == (longer,)
    present.apply(Extended(time=NOW, decision=msgspec.structs.replace(first, revision=1)))
    assert present.by_id(first.id) == longer
    present.apply(Expired(time=longer.until + 5, target=first.target, decision=first.id, reason="x"))
    assert present.held == {}
    assert present.past.get(first.target.key) == (longer.until + 5,)
    assert first.finding in present.judged


def test_only_what_limited_a_target_and_ran_out_makes_it_one_that_comes_back() -> None:
    watched, revoked = decision(TARGETS[0], 1, action="monitor"), decision(TARGETS[1], 1)
    present = fold(
        [
            Decided(time=NOW, decision=watched),
            Decided(time=NOW, decision=revoked),
            Expired(time=watched.until, target=watched.target, decision=watched.id, reason="x"),
            Revoked(time=NOW, target=revoked.target, decision=revoked.id, reason="x", by="ana"),
        ]
    )
    assert present.held == {}
    assert len(present.past) == 0


def test_an_end_under_another_id_or_target_ends_nothing() -> None:
    first = decision(TARGETS[0], 1)
    present = fold([Decided(time=NOW, decision=first)])
    present.apply(Expired(time=NOW, target=TARGETS[1], decision=first.id, reason="x"))
    present.apply(Revoked(time=NOW, target=first.target, decision="other", reason="x", by="ana"))
    assert present.by_id(first.id) == first


def test_blocks_of_the_last_minute() -> None:
    present = Present.empty()
    for second in (0, 30, 50, 61):
        present.apply(Decided(time=NOW + second * SECOND, decision=decision(TARGETS[0], second)))
    now = NOW + 61 * SECOND
    assert len(present.blocks) == 3
    assert present.blocks_since(now - MINUTE, now) == 3
    assert present.blocks_since(now - 20 * SECOND, now) == 2
    assert present.blocks_since(NOW - 2 * MINUTE, NOW - MINUTE) == 0
    present.apply(
        Decided(time=NOW + 40 * SECOND, decision=decision(TARGETS[0], 99))
    )  # the clock was set back
    assert present.blocks == [NOW + 30 * SECOND, NOW + 40 * SECOND]
    present.apply(ModeChanged(time=NOW, mode="armed", by="ana", reason="x"))
    assert present.blocks == []


def test_a_memory_keeps_the_newest_and_no_more() -> None:
    memory: Generations[int] = Generations(span=100, capacity=10)
    for number in range(1_000):
        memory.put(str(number), number, 0)
        assert len(memory) <= 20
        assert all(str(recent) in memory for recent in range(max(number - 9, 0), number + 1))
    assert memory.get("999") == 999
    assert memory.get("5") is None


@settings(max_examples=50)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=40))
def test_a_memory_keeps_what_is_younger_than_its_span(steps: list[int]) -> None:
    memory: Generations[int] = Generations(span=100)
    time, put = 0, {}
    for number, step in enumerate(steps):
        time += step
        memory.put(str(number), number, time)
        put[number] = time
        assert all(str(known) in memory for known, at in put.items() if time - at < 100)


@pytest.mark.parametrize("jump", [-(10**18), 10**18])
def test_a_clock_that_jumps_turns_one_generation_over(jump: int) -> None:
    memory: Generations[int] = Generations(span=100)
    memory.put("a", 1, NOW)
    memory.put("b", 2, NOW + jump)
    assert "a" in memory
    assert "b" in memory


def test_the_past_of_one_target_is_bounded() -> None:
    present = Present.empty()
    for number in range(3 * MAX_PAST):
        one = decision(TARGETS[0], number)
        present.apply(Decided(time=NOW, decision=one))
        present.apply(Expired(time=one.until + number, target=one.target, decision=one.id, reason="x"))
    past = present.past.get(TARGETS[0].key)
    assert past == tuple(NOW + 600 * SECOND + number for number in range(2 * MAX_PAST, 3 * MAX_PAST))
