import math

from hypothesis import given
from hypothesis import strategies as st

from propolis.clock import MILLISECOND, SECOND
from propolis.decisions import (
    Acknowledgement,
    Decided,
    Decision,
    Entry,
    ModeChanged,
    Revoked,
    decision_id,
    target_of,
)
from propolis.measure import BUCKETS_MS, Spread, histogram, spread, summarise

NOW = 1_800_000_000 * SECOND


def block(address: str, at: int = NOW) -> Decision:
    target = target_of(address)
    return Decision(
        id=decision_id(f"finding of {address}", target, at),
        target=target,
        action="block",
        state="active",
        since=at,
        until=at + 600 * SECOND,
        reason="attempt by a rule",
        finding=f"finding of {address}",
        rule="phpunit",
        grade="attempt",
        confidence=97,
        evidence_class="dialogue",
        first_packet=at - 5 * MILLISECOND,
        found=at - 2 * MILLISECOND,
        decided=at,
    )


def read_back(decision: Decision, after_ms: float = 3, **changes: object) -> Acknowledgement:
    values: dict[str, object] = {
        "decision": decision.id,
        "revision": decision.revision,
        "target": decision.target,
        "rule": decision.rule,
        "enforcer": "nftables",
        "host": "web-1",
        "holds": True,
        "first_packet": decision.first_packet,
        "found": decision.found,
        "decided": decision.decided,
        "applied": decision.decided + int(after_ms * MILLISECOND),
        "clock_error": MILLISECOND,
    }
    return Acknowledgement(**{**values, **changes})  # type: ignore[arg-type]


def decided(*decisions: Decision) -> list[Entry]:
    return [Decided(time=decision.since, decision=decision) for decision in decisions]


def test_nothing_is_a_report_of_nothing() -> None:
    report = summarise([])
    assert report.stages["total"] == Spread()
    assert (report.blocks, report.never_defended, report.false_block_rate) == (0, 0, 0.0)
    assert sum(report.histogram) == 0


def test_a_defence_is_from_the_first_packet_to_the_read_back() -> None:
    one = block("93.184.216.34")
    report = summarise([read_back(one)], decided(one), NOW)
    assert report.stages["detect"].mean == 3.0
    assert report.stages["decide"].mean == 2.0
    assert report.stages["enforce"].mean == 3.0
    assert report.stages["total"] == Spread(1, 8.0, 8.0, 8.0, 8.0, 8.0)
    assert report.clock_error_ms == 1.0
    assert [(path.rule, path.enforcer, path.host) for path in report.paths] == [
        ("phpunit", "nftables", "web-1")
    ]


def test_extensions_ends_and_pretence_are_no_defences() -> None:
    one = block("93.184.216.34")
    acknowledgements = [
        read_back(block("93.184.216.35"), revision=2),
        read_back(one, holds=False),
        read_back(one, enforcer="dry-run", enforces=False),
    ]
    report = summarise(acknowledgements, decided(one), NOW + 60 * SECOND)
    assert report.stages["total"].n == 0
    assert report.never_defended == 1
    assert [path.enforces for path in report.paths] == [False]


def test_an_enforcer_that_starts_again_and_finds_its_work_done_defends_against_nobody_new() -> None:
    one = block("93.184.216.34")
    again = read_back(one, after_ms=600_000)
    report = summarise(
        [again, read_back(one), again, read_back(one, after_ms=5, host="web-2")], decided(one), NOW
    )
    assert report.stages["total"] == Spread(2, 9.0, 8.0, 10.0, 10.0, 10.0)


def test_what_was_extended_before_anybody_got_to_it_is_a_defence() -> None:
    one = block("93.184.216.34")
    late = read_back(one, revision=2)
    assert summarise([late], decided(one), NOW + 60 * SECOND).never_defended == 0
    assert summarise([late], decided(one), NOW).stages["total"].n == 1
    assert summarise([late, read_back(one, after_ms=1)], decided(one), NOW).stages["total"].mean == 6.0
    assert summarise([late], [], NOW).stages["total"].n == 0


def test_what_is_still_on_its_way_is_not_yet_undefended() -> None:
    one = block("93.184.216.34")
    assert summarise([], decided(one), NOW + SECOND).never_defended == 0
    assert summarise([], decided(one), NOW + 60 * SECOND).never_defended == 1


def test_what_an_operator_lifts_one_by_one_is_false_and_a_stand_down_is_not() -> None:
    one, two, three = block("93.184.216.34"), block("93.184.216.35"), block("93.184.216.36")
    lifted = Revoked(time=NOW, target=one.target, decision=one.id, reason="our scanner", by="ana")
    replaced = Revoked(time=NOW, target=two.target, decision=two.id, reason="replaced", by="policy")
    down = ModeChanged(time=NOW, mode="shadow", by="ana", reason="enough")
    all_of_it = Revoked(time=NOW, target=three.target, decision=three.id, reason="enough", by="ana")
    report = summarise([], [*decided(one, two, three), lifted, replaced, down, all_of_it], NOW)
    assert (report.revoked, report.blocks) == (1, 3)
    assert report.false_block_rate == round(1 / 3, 6)


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=60))
def test_percentiles_are_by_nearest_rank(durations: list[int]) -> None:
    ordered = sorted(duration / MILLISECOND for duration in durations)
    result = spread(durations)
    assert result.n == len(durations)
    assert result.max == round(ordered[-1], 3)
    for share, value in ((0.5, result.p50), (0.95, result.p95), (0.99, result.p99)):
        assert value == round(ordered[math.ceil(share * len(ordered)) - 1], 3)
    assert result.p50 <= result.p95 <= result.p99 <= result.max


@given(st.lists(st.integers(0, 10**13), max_size=60))
def test_a_histogram_counts_everything_once(durations: list[int]) -> None:
    counts = histogram(durations)
    assert len(counts) == len(BUCKETS_MS) + 1
    assert sum(counts) == len(durations)
    assert counts[0] == sum(duration <= BUCKETS_MS[0] * MILLISECOND for duration in durations)
