"""Findings and an operator's words in, entries out; and what must hold whatever comes."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judging import NOW, SETTINGS, STRANGER, finding, trusting
from nouns import findings
from propolis.clock import SECOND
from propolis.config import Decisions
from propolis.decisions import (
    EVERYWHERE,
    LIMITING,
    BudgetExhausted,
    Decided,
    Decider,
    Decision,
    Drill,
    Entry,
    Expired,
    Extended,
    ModeChanged,
    Networks,
    Refused,
    Revoked,
    about,
    decode_entry,
    encode_entry,
    fold,
)
from propolis.decisions import decider as module
from propolis.decisions.lifetime import CLOCK_TOLERANCE
from propolis.decisions.networks import UNUSABLE
from propolis.findings import Finding

MINUTE = 60 * SECOND


def armed(trusted: Networks | None = None, **changes: Any) -> Decider:
    decider = Decider(msgspec.structs.replace(SETTINGS, **changes), trusted or Networks())
    decider.arm("ana", "tests", NOW)
    return decider


def decided(entries: tuple[Entry, ...]) -> Decision:
    (entry,) = entries
    assert isinstance(entry, Decided | Extended)
    return entry.decision


def refused(entries: tuple[Entry, ...]) -> Refused:
    (entry,) = entries
    assert isinstance(entry, Refused)
    return entry


def test_a_finding_becomes_a_block_with_an_end_and_a_reason() -> None:
    decision = decided(armed().judge(finding(), NOW + 5))
    assert (decision.target.value, decision.action, decision.state) == (STRANGER, "block", "active")
    assert (decision.since, decision.until) == (NOW + 5, NOW + 5 + 600 * SECOND)
    assert decision.scope == (EVERYWHERE,)
    assert "ssh-guessing" in decision.reason


def test_it_starts_in_shadow_and_arming_does_not_turn_shadows_active() -> None:
    decider = Decider(SETTINGS, Networks())
    shadow = decided(decider.judge(finding(), NOW))
    assert shadow.state == "shadow"
    (change,) = decider.arm("ana", "looks right", NOW)
    assert change == ModeChanged(time=NOW, mode="armed", by="ana", reason="looks right")
    assert decider.arm("ana", "again", NOW) == ()
    assert decider.present.in_state("active") == ()
    replaced, fresh = decider.judge(finding(number=1), NOW + 1)
    assert isinstance(replaced, Revoked)
    assert replaced.decision == shadow.id
    assert isinstance(fresh, Decided)
    assert fresh.decision.state == "active"
    assert replaced.reason == f"replaced by {fresh.decision.id}"


def test_shadows_expire_like_the_others() -> None:
    decider = Decider(SETTINGS, Networks())
    shadow = decided(decider.judge(finding(), NOW))
    assert decider.expire(shadow.until - 1) == ()
    (ended,) = decider.expire(shadow.until)
    assert isinstance(ended, Expired)
    assert decider.expire(shadow.until) == ()


def test_a_finding_is_judged_once() -> None:
    decider = armed()
    assert len(decider.judge(finding(), NOW)) == 1
    for later in (0, SECOND, MINUTE, 3_600 * SECOND):
        assert decider.judge(finding(), NOW + later) == ()


def test_a_replay_after_a_crash_gives_the_same_id() -> None:
    first, again = armed(), armed()
    one, two = first.judge(finding(), NOW), again.judge(finding(), NOW + 9 * SECOND)
    assert one[0].id == two[0].id
    restarted = Decider(SETTINGS, Networks(), one)
    assert restarted.judge(finding(), NOW) == ()


def test_fresh_evidence_extends_and_takes_no_further_rung() -> None:
    decider = armed()
    first = decided(decider.judge(finding(), NOW))
    later = NOW + 100 * SECOND
    (entry,) = decider.judge(finding(number=1, at=later), later)
    assert isinstance(entry, Extended)
    longer = entry.decision
    assert (longer.id, longer.revision, longer.step, longer.since) == (first.id, 2, 0, first.since)
    assert longer.until == later + 600 * SECOND
    assert (longer.decided, longer.finding) == (later, finding(number=1).id)
    assert len(decider.expire(first.until)) == 0
    assert len(decider.expire(longer.until)) == 1


def test_an_extension_that_gains_nothing_is_not_written() -> None:
    decider = armed()
    decided(decider.judge(finding(), NOW))
    assert decider.judge(finding(number=1), NOW + SECOND // 2) == ()
    assert decider.judge(finding(number=1), NOW + 9 * SECOND) == ()  # judged already, though it left no entry


def test_milder_evidence_neither_weakens_nor_lengthens() -> None:
    decider = armed()
    block = decided(decider.judge(finding(), NOW))
    later = NOW + 300 * SECOND
    assert decider.judge(finding(number=1, at=later, grade="seen"), later) == ()
    assert decider.judge(finding(number=2, at=later, evidence_class="spoofable"), later) == ()
    assert decider.present.by_id(block.id) == block


def test_stronger_evidence_strengthens() -> None:
    decider = armed()
    watching = decided(decider.judge(finding(grade="seen"), NOW))
    assert watching.action == "monitor"
    block = decided(decider.judge(finding(number=1), NOW))
    assert (block.id, block.revision, block.action) == (watching.id, 2, "block")


def test_who_comes_back_is_held_longer() -> None:
    decider, now, held = armed(), NOW, []
    for number in range(5):
        decision = decided(decider.judge(finding(number=number, at=now), now))
        held.append((decision.step, (decision.until - now) // SECOND))
        now = decision.until
        assert len(decider.expire(now)) == 1
    assert held == [(0, 600), (1, 1_800), (2, 7_200), (3, 28_800), (3, 28_800)]


def test_what_is_over_is_ended_before_the_next_begins() -> None:
    decider = armed()
    first = decided(decider.judge(finding(), NOW))
    expired, second = decider.judge(finding(number=1, at=first.until), first.until)
    assert isinstance(expired, Expired)
    assert isinstance(second, Decided)
    assert second.decision.step == 1


def test_a_revoked_block_does_not_count_as_one_that_came_back() -> None:
    decider = armed()
    first = decided(decider.judge(finding(), NOW))
    (revoked,) = decider.revoke(STRANGER, "ours", "ana", NOW + 1)
    assert revoked == Revoked(time=NOW + 1, target=first.target, decision=first.id, reason="ours", by="ana")
    assert decided(decider.judge(finding(number=1), NOW + 2)).step == 0
    assert decider.revoke(first.id, "ours", "ana", NOW + 3) == ()


@pytest.mark.parametrize("what", ["", "9.9.9.8", "nonsense", "9.9.9.0/24", "\ud800"])
def test_revoking_what_is_not_held_does_nothing(what: str) -> None:
    decider = armed()
    decider.judge(finding(), NOW)
    assert decider.revoke(what, "", "", NOW) == ()


@pytest.mark.parametrize(
    ("changes", "guard"),
    [
        ({"source": "nonsense"}, "syntax"),
        ({"source": "9.9.0.0/16"}, "syntax"),
        ({"source": "10.0.0.1"}, "bogon"),
        ({"source": "127.0.0.1"}, "bogon"),
        ({"source": "1.1.1.1"}, "never-block"),
        ({"at": NOW - 3_600 * SECOND}, "evidence"),
    ],
)
def test_refusals_name_their_guard(changes: dict[str, Any], guard: str) -> None:
    entry = refused(armed(trusting("1.1.1.0/24")).judge(finding(**changes), NOW))
    assert entry.guard == guard
    assert entry.reason


def test_a_finding_that_no_line_fits_is_refused() -> None:
    assert refused(armed(policy=()).judge(finding(), NOW)).guard == "policy"


def test_a_flood_of_refusals_leaves_one_a_minute_and_target() -> None:
    decider = armed()
    for number in range(100):
        entries = decider.judge(finding("10.0.0.1", number), NOW)
        assert len(entries) == (number == 0)
    assert decider.unrecorded == 99
    assert len(decider.judge(finding("10.0.0.1", 100), NOW + MINUTE)) == 1


def test_a_flood_from_forged_sources_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REFUSALS_PER_MINUTE", 10)
    decider = armed()
    entries = [entry for last in range(100) for entry in decider.judge(finding(f"10.0.0.{last}"), NOW)]
    assert len(entries) == 10
    assert decider.unrecorded == 90


def test_the_budget_refuses_and_raises_one_alarm() -> None:
    decider = armed(max_blocks_per_minute=3)
    entries = [entry for last in range(6) for entry in decider.judge(finding(f"9.9.9.{last}"), NOW)]
    kinds = [type(entry) for entry in entries]
    assert kinds == [Decided] * 3 + [BudgetExhausted] + [Refused] * 3
    assert entries[3] == BudgetExhausted(time=NOW, budget="max_blocks_per_minute", limit=3)
    assert decided(decider.judge(finding("9.9.9.9", at=NOW + MINUTE), NOW + MINUTE)).action == "block"


def test_blocks_that_were_only_shadow_are_not_charged_to_the_armed_budget() -> None:
    decider = Decider(msgspec.structs.replace(SETTINGS, max_blocks_per_minute=1), Networks())
    decided(decider.judge(finding("9.9.9.1"), NOW))
    assert isinstance(decider.judge(finding("9.9.9.2"), NOW)[-1], Refused)
    decider.arm("ana", "go", NOW)
    assert decided(decider.judge(finding("9.9.9.3"), NOW)).state == "active"


def test_forged_sources_cannot_crowd_out_defence() -> None:
    decider = armed(max_active=10)
    for last in range(20):
        decider.judge(finding(f"9.9.8.{last}", evidence_class="spoofable"), NOW)
    assert len(decider.present.held) == 5
    assert decided(decider.judge(finding(), NOW)).action == "block"


def test_a_shared_address_is_slowed_down() -> None:
    decider = armed()
    decider.legitimate = {STRANGER}
    decision = decided(decider.judge(finding(), NOW))
    assert decision.action == "rate-limit"
    assert "legitimate sessions" in decision.reason


def test_an_operators_block_holds_in_shadow_mode_too() -> None:
    decider = Decider(SETTINGS, Networks())
    decision = decided(decider.add("9.9.9.0/24", 60.0, "seen elsewhere", "ana", NOW))
    assert (decision.state, decision.by, decision.reason) == ("active", "ana", "seen elsewhere")
    assert decision.until == NOW + 60 * SECOND
    assert decided(decider.judge(finding(), NOW)).state == "shadow"
    replaced, block = decider.add(STRANGER, 60.0, "", "", NOW + 1)
    assert isinstance(replaced, Revoked)
    assert isinstance(block, Decided)
    assert (block.decision.state, block.decision.reason, block.decision.by) == (
        "active",
        "no reason was given",
        "operator",
    )


def test_shadow_mode_does_not_touch_what_an_operator_put_in_force() -> None:
    decider = Decider(SETTINGS, Networks())
    block = decided(decider.add(STRANGER, 60.0, "seen elsewhere", "ana", NOW))
    assert decider.judge(finding(), NOW + 10 * SECOND) == ()
    assert decider.present.in_state("active") == (block,)


@pytest.mark.parametrize(
    ("text", "ttl", "guard"),
    [
        ("10.0.0.1", 60.0, "bogon"),
        ("127.0.0.1", 60.0, "bogon"),
        ("1.1.0.0/16", 60.0, "never-block"),
        ("9.0.0.0/8", 60.0, "prefix-cap"),
        ("host.example", 60.0, "syntax"),
        ("\ud800\x1b[2J", 60.0, "syntax"),
        (STRANGER, 0.0, "syntax"),
        (STRANGER, -1.0, "syntax"),
        (STRANGER, float("nan"), "syntax"),
    ],
)
def test_an_operator_cannot_talk_the_guards_over(text: str, ttl: float, guard: str) -> None:
    entries = armed(trusting("1.1.1.1")).add(text, ttl, "because", "ana", NOW)
    entry = refused(entries)
    assert (entry.guard, entry.by) == (guard, "ana")
    assert decode_entry(encode_entry(entry)) == entry


def test_an_operators_endless_block_ends() -> None:
    decision = decided(armed().add(STRANGER, float("inf"), "for good", "ana", NOW))
    assert decision.until == NOW + 86_400 * SECOND


def test_an_operator_can_lengthen_and_not_shorten() -> None:
    decider = armed()
    first = decided(decider.judge(finding(), NOW))
    assert decider.add(STRANGER, 60.0, "shorter", "ana", NOW) == ()
    longer = decided(decider.add(STRANGER, 3_600.0, "longer", "ana", NOW))
    assert (longer.id, longer.revision, longer.by) == (first.id, 2, "ana")


def test_standing_down_lifts_everything_and_says_why() -> None:
    decider = armed()
    for last in range(5):
        decider.judge(finding(f"9.9.9.{last}"), NOW)
    decider.add("9.9.8.0/24", 60.0, "mine", "ana", NOW)
    change, *revoked = decider.stand_down("bo", "customers complain", NOW + 1)
    assert change == ModeChanged(time=NOW + 1, mode="shadow", by="bo", reason="customers complain")
    assert len(revoked) == 6
    assert all(
        isinstance(one, Revoked) and one.reason == "customers complain" and one.by == "bo" for one in revoked
    )
    assert decider.present.held == {}
    assert decided(decider.judge(finding(number=9), NOW + 2)).state == "shadow"
    assert decider.stand_down("bo", "again", NOW + 3) == ()


def test_standing_down_works_while_the_clock_stands_still() -> None:
    decider = armed()
    for _ in range(3):
        assert len(decider.stand_down("bo", "x", NOW)) == 1
        assert decider.present.mode == "shadow"
        assert len(decider.arm("bo", "x", NOW)) == 1
        assert decider.present.mode == "armed"


def test_standing_down_without_a_word_still_works() -> None:
    decider = armed()
    decider.judge(finding(), NOW)
    entries = decider.stand_down("", "", NOW)
    assert [entry.reason for entry in entries if isinstance(entry, Revoked)] == ["no reason was given"]


def test_a_network_that_becomes_trusted_is_let_go() -> None:
    decider = armed()
    block = decided(decider.judge(finding(), NOW))
    decided(decider.judge(finding("9.8.8.8"), NOW))
    (revoked,) = decider.protect(trusting("9.9.0.0/16"), NOW + 1)
    assert isinstance(revoked, Revoked)
    assert (revoked.decision, revoked.by) == (block.id, "never-block")
    assert decider.protect(trusting("9.9.0.0/16"), NOW + 2) == ()
    assert refused(decider.judge(finding(number=1), NOW + 2)).guard == "never-block"


def test_a_restart_with_another_trusted_list_lets_go_as_well() -> None:
    first = armed()
    ledger = first.judge(finding(), NOW)
    restarted = Decider(SETTINGS, trusting(STRANGER), ledger)
    assert len(restarted.protect(trusting(STRANGER), NOW)) == 1


def test_a_drill_blocks_loopback_by_one_enforcer_until_it_is_over() -> None:
    decider = Decider(SETTINGS, trusting("127.0.0.0/8"))
    assert refused(decider.judge(finding("127.7.0.1"), NOW)).guard == "bogon"
    decider.drill = Drill("127.7.0.0/16", "dry-run", NOW + 30 * SECOND)
    decision = decided(decider.judge(finding("127.7.0.1", 1), NOW))
    assert (decision.state, decision.scope, decision.until) == ("active", ("dry-run",), NOW + 30 * SECOND)
    assert decider.protect(trusting("127.0.0.0/8"), NOW) == ()
    decider.drill = Drill("127.7.0.0/16", "nftables", NOW + 60 * SECOND)
    revoked, other = decider.judge(finding("127.7.0.1", 2), NOW)
    assert isinstance(revoked, Revoked)
    assert isinstance(other, Decided)
    assert other.decision.scope == ("nftables",)
    late = NOW + MINUTE
    assert decided(decider.judge(finding(at=late), late)).state == "shadow"
    expired, entry = decider.judge(finding("127.7.0.1", 3, at=late), late)
    assert isinstance(expired, Expired)
    assert isinstance(entry, Refused)


def test_why_tells_the_story_of_a_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENDED", 2)
    decider, ledger = armed(), []
    for minute in range(6):
        now = NOW + minute * MINUTE
        ledger += decider.judge(finding(number=minute, at=now), now)
    first = decided((ledger[0],))
    ledger += decider.revoke(first.id, "ours", "ana", NOW + 6 * MINUTE)
    story = decider.why(first.id)
    assert story == (ledger[0], *ledger[-module.MAX_TRAIL + 1 :])
    assert list(about(ledger, first.id)) == ledger
    assert decider.why("nobody") == ()
    for last in range(2):
        decider.judge(finding(f"9.9.8.{last}"), NOW)
        decider.revoke(f"9.9.8.{last}", "x", "ana", NOW)
    assert decider.why(first.id) == ()


def test_ends_come_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_EXPIRED", 4)
    decider = armed()
    for last in range(10):
        decider.judge(finding(f"9.9.9.{last}"), NOW)
    later = NOW + 3_600 * SECOND
    assert [len(decider.expire(later)) for _ in range(4)] == [4, 4, 2, 0]
    for last in range(10):
        decider.judge(finding(f"9.9.9.{last}", 1, at=later), later)
    assert [len(decider.expire(NOW)) for _ in range(4)] == [4, 4, 2, 0]


@pytest.mark.parametrize(("days", "step"), [(-365, 0), (-1, 0), (1, 1), (365, 1)])
def test_a_clock_that_jumps_leaves_no_endless_block(days: int, step: int) -> None:
    decider = armed()
    first = decided(decider.judge(finding(), NOW))
    now = NOW + days * 86_400 * SECOND
    (ended,) = decider.expire(now)
    assert isinstance(ended, Expired)
    assert ended.decision == first.id
    again = decided(decider.judge(finding(number=1, at=now), now))
    assert (again.step, again.until) == (step, now + (600, 1_800)[step] * SECOND)


def test_a_clock_set_back_a_little_is_tolerated() -> None:
    decider = armed()
    block = decided(decider.judge(finding(), NOW))
    assert decider.expire(NOW - CLOCK_TOLERANCE) == ()
    assert decider.present.by_id(block.id) == block


def test_many_sources_cost_bounded_memory() -> None:
    decider = armed(max_active=500, max_blocks_per_minute=10**6)
    for number in range(3_000):
        decider.judge(finding(f"9.{number >> 8}.{number & 255}.1"), NOW + number)
    assert len(decider.present.held) == 500
    for round_ in range(5):
        now = NOW + (round_ + 1) * 86_400 * SECOND
        while decider.expire(now):
            pass
        for number in range(500):
            decider.judge(finding(f"9.{number >> 8}.{number & 255}.2", round_, at=now), now)
    assert len(decider._due) <= 2 * 500 + module.MAX_ENDED
    assert len(decider._trails) <= 500 + module.MAX_ENDED + 1


@settings(max_examples=150)
@given(st.lists(findings(), max_size=4), st.booleans())
def test_any_finding_is_judged_without_a_fault(judged: list[Finding], arm: bool) -> None:  # noqa: FBT001 - hypothesis
    decider = Decider(Decisions(allow_private=True), Networks())
    if arm:
        decider.arm("ana", "tests", 0)
    for one in judged:
        for entry in decider.judge(one, one.found):
            assert decode_entry(encode_entry(entry)) == entry


SOURCES = [
    "9.9.9.1",
    "9.9.9.2",
    "2a00::9",
    "1.1.1.1",
    "10.0.0.1",
    "127.7.0.1",
    "127.0.0.1",
    "198.18.0.1",
    "junk",
]
DRILL = Drill("127.7.0.0/16", "dry-run", NOW + 500 * SECOND)


class Story:
    """Any life of a decider, and what must hold at every step of it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.settings = Decisions(
            max_active=4, max_blocks_per_minute=3, allow_private=self.random.random() < 0.5
        )
        self.decider = Decider(self.settings, trusting("1.1.1.0/24", "127.0.0.0/8"))
        self.ledger: list[Entry] = []
        self.now = NOW
        self.ends: dict[str, int] = {}

    def step(self) -> tuple[Entry, ...]:
        decider, now, choose = self.decider, self.now, self.random.choice
        match self.random.randrange(12):
            case 0:
                return decider.arm("ana", "x", now)
            case 1:
                return decider.stand_down("ana", "x", now)
            case 2:
                return decider.add(choose(SOURCES), choose([1.0, 100.0, 1e12]), "x", "ana", now)
            case 3:
                return decider.revoke(choose(SOURCES), "x", "ana", now)
            case 4 | 5:
                return decider.expire(now)
            case 6:
                decider.drill = choose([None, DRILL])
                return ()
            case _:
                judged = finding(
                    choose(SOURCES),
                    self.random.randrange(30),
                    at=now - self.random.randrange(200) * SECOND,
                    grade=choose(["seen", "scan", "attempt", "confirmed"]),
                    evidence_class=choose(["dialogue", "handshake", "spoofable"]),
                )
                entries = decider.judge(judged, now)
                assert decider.judge(judged, now) == ()
                return entries

    def run(self) -> None:
        for _ in range(120):
            self.now += self.random.choice(
                [0, 1, SECOND, 10 * SECOND, 300 * SECOND, -30 * SECOND, -10_000 * SECOND]
            )
            mode = self.decider.present.mode
            entries = self.step()
            self.ledger += entries
            for entry in entries:
                self.check(entry, mode)
        assert fold(self.ledger) == self.decider.present
        again = Decider(self.settings, self.decider.trusted, [*self.ledger, *self.ledger])
        assert again.present == self.decider.present
        assert len({entry.id for entry in self.ledger if not isinstance(entry, Refused)}) == sum(
            not isinstance(entry, Refused) for entry in self.ledger
        )
        for state in ("active", "shadow"):
            assert len(self.decider.present.in_state(state)) <= 2 * self.settings.max_active  # type: ignore[arg-type]

    def check(self, entry: Entry, mode: str) -> None:
        if not isinstance(entry, Decided | Extended):
            assert not hasattr(entry, "reason") or entry.reason
            return
        decision = entry.decision
        assert decision.reason
        assert self.now < decision.until
        if isinstance(entry, Decided):
            assert decision.since == self.now
            assert decision.until <= self.now + 86_400 * SECOND
        else:
            assert decision.until >= self.ends[decision.id]
        self.ends[decision.id] = decision.until
        unusable = UNUSABLE.touched_by(decision.target.network)
        assert (decision.scope == ("dry-run",)) == bool(unusable)
        assert unusable or not self.decider.trusted.touched_by(decision.target.network)
        assert decision.state == (
            "active" if mode == "armed" or unusable or decision.by != "policy" else "shadow"
        )
        if decision.action in LIMITING:
            assert decision.evidence_class != "spoofable"
        if unusable:
            assert decision.until <= DRILL.until


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_happens(seed: int) -> None:
    Story(seed).run()
