import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec import json

from judging import finding
from propolis.clock import SECOND, ManualClock, SystemClock
from propolis.config import Config
from propolis.console.board import (
    FORGET_SECONDS,
    MAX_ACKNOWLEDGEMENTS,
    MAX_ENFORCERS,
    MAX_ENTRIES,
    MAX_FINDINGS,
    MAX_REFUSALS,
    MAX_STAGES,
    Board,
)
from propolis.decisions import BudgetExhausted, Expired, ModeChanged, encode, encode_entry, target_of
from propolis.findings import encode as encode_findings
from propolis.stream import EmbeddedServer, Pulse, Stream, subjects
from propolis.stream.heartbeat import TTL_SECONDS
from watching import NOW, acknowledgement, decided, decision, heartbeat, refused


@pytest.fixture
def board(clock: ManualClock) -> Board:
    return Board(clock, 7 * 86_400.0)


def test_the_latest_findings_are_kept_newest_first(board: Board) -> None:
    for number in range(MAX_FINDINGS + 50):
        board.on_finding(finding(number=number))
    newest = [found.id for found in board.latest_findings()]
    assert len(newest) == MAX_FINDINGS
    assert newest[0] == finding(number=MAX_FINDINGS + 49).id
    assert board.grades == {"attempt": MAX_FINDINGS + 50}


def test_a_later_word_on_a_finding_takes_its_place_and_counts_once(board: Board) -> None:
    board.on_finding(finding(count=1))
    board.on_finding(finding(number=1))
    board.on_finding(finding(count=9))
    assert [found.count for found in board.latest_findings()] == [9, 3]
    assert board.grades.total() == 2


def test_the_ledger_adds_up_to_what_is_held(board: Board) -> None:
    one, two = decided("203.0.113.1", 1), decided("203.0.113.2", 2)
    for entry in (one, two, one):
        board.on_entry(entry)
    assert [held.target.value for held in board.decisions("active", 10)] == ["203.0.113.2", "203.0.113.1"]
    assert board.decisions("active", 1) == (two.decision,)
    board.on_entry(Expired(time=NOW + 1, target=two.decision.target, decision=two.decision.id, reason="over"))
    assert (board.count("active"), board.count("shadow")) == (1, 0)
    assert board.why(one.decision.id) == (one,)


def test_what_shadow_would_have_blocked_is_counted_until_the_mode_changes(board: Board) -> None:
    board.on_entry(decided("203.0.113.1", 1, state="shadow"))
    board.on_entry(decided("203.0.113.2", 2, state="shadow", action="monitor"))
    assert board.would_have_blocked == 1
    board.on_entry(ModeChanged(time=NOW, mode="armed", by="test", reason="test"))
    assert (board.present.mode, board.would_have_blocked) == ("armed", 0)


def test_refusals_are_kept_with_their_reason_and_counted_by_guard(board: Board) -> None:
    for minute in range(MAX_REFUSALS + 5):
        board.on_entry(refused(at=NOW + minute * 60 * SECOND))
    board.on_entry(refused("192.0.2.1", guard="never-block"))
    board.on_entry(BudgetExhausted(time=NOW, budget="max_active", limit=3))
    assert len(board.refusals) == MAX_REFUSALS
    assert board.refused == {"bogon": MAX_REFUSALS + 5, "never-block": 1}
    assert board.alarm is not None


def test_everything_is_bounded(board: Board) -> None:
    for number in range(MAX_ACKNOWLEDGEMENTS + 10):
        board.on_acknowledgement(acknowledgement(decision(), enforcer=f"e{number}"))
    for number in range(MAX_ENTRIES + 10):
        board.on_entry(decided(f"198.18.{number // 250}.{number % 250}", number))
    for number in range(MAX_STAGES + 10):
        board.on_heartbeat(heartbeat(name=f"edge.{number}", connections=1))
    assert len(board.acknowledgements) == MAX_ACKNOWLEDGEMENTS
    assert len(board.entries) == MAX_ENTRIES
    assert len(board.beats) == MAX_STAGES
    assert len(board.defences) == MAX_ENFORCERS
    assert board.hits.connections == MAX_STAGES


def test_the_report_follows_what_happens_at_most_once_a_second(board: Board, clock: ManualClock) -> None:
    assert board.report().stages["total"].n == 0
    block = decided()
    board.on_entry(block)
    board.on_acknowledgement(acknowledgement(block.decision, 5.0))
    assert board.report().stages["total"].n == 0
    clock.advance(SECOND)
    assert board.report().stages["total"].p50 == 5.0
    assert board.report().never_defended == 0


def test_a_block_that_nobody_carries_out_is_never_defended_after_a_while(
    board: Board, clock: ManualClock
) -> None:
    board.on_entry(decided())
    assert board.report().never_defended == 0
    clock.advance(20 * SECOND)
    assert board.report().never_defended == 1


def test_entries_older_than_the_acknowledgements_kept_are_not_held_against_us(clock: ManualClock) -> None:
    board = Board(clock, max_age_seconds=3_600.0)
    board.on_entry(decided())
    clock.advance(3_601 * SECOND)
    assert board.report().never_defended == 0


def test_only_first_revisions_that_hold_are_defences(board: Board) -> None:
    board.on_acknowledgement(acknowledgement(decision(), 5.0))
    board.on_acknowledgement(acknowledgement(decision(), 9.0, holds=False))
    board.on_acknowledgement(acknowledgement(decision(revision=2), 600_000.0))
    defences = board.defences["nftables"]
    assert sum(defences.counts) == 1
    assert defences.seconds == pytest.approx(0.005)


def test_a_stage_that_is_silent_is_lost_and_later_forgotten(board: Board, clock: ManualClock) -> None:
    board.on_heartbeat(heartbeat(connections=0))
    clock.advance(3 * SECOND)
    board.on_heartbeat(heartbeat(connections=30))
    board.tick()
    assert board.health(board.stages()[0]) == "up"
    assert list(board.hits.history) == [10]
    clock.advance(int(TTL_SECONDS + 1) * SECOND)
    board.tick()
    assert board.health(board.stages()[0]) == "lost"
    assert board.hits.history[-1] == 0
    clock.advance(FORGET_SECONDS * SECOND)
    board.tick()
    assert board.stages() == ()


def test_a_stage_that_the_stream_says_is_gone_is_lost_until_it_beats_again(board: Board) -> None:
    board.on_heartbeat(heartbeat("decide", "edge"))
    board.on_gone("decide.edge")
    board.on_gone("nobody")
    assert board.health(board.stages("decide")[0]) == "lost"
    board.on_heartbeat(heartbeat("decide", "edge"))
    assert board.health(board.stages("decide")[0]) == "up"


def test_a_stage_that_left_is_not_missed(board: Board) -> None:
    board.on_heartbeat(heartbeat(connections=4))
    board.on_left("sensor.edge.0")
    board.on_left("nobody")
    assert (board.stages(), board.hits.connections) == ((), 0)


def test_a_sensors_exposure_is_told(board: Board) -> None:
    board.on_heartbeat(heartbeat(first_connection=NOW + 41 * SECOND, connections=1))
    board.on_finding(finding(at=NOW + 104 * SECOND))
    (exposure,) = board.exposures()
    assert (exposure.first_scan_seconds, exposure.first_attack_seconds) == (41, 103)


async def test_the_board_follows_the_stream_from_before_it_was_there_and_across_a_crash(
    stream: tuple[Config, Stream, EmbeddedServer], until: Callable[..., Awaitable[None]]
) -> None:
    _, connection, server = stream
    clock, block = SystemClock(), decided()
    board = Board(clock, 3_600.0)
    await connection.publish(subjects.findings(0), encode_findings((finding(number=1), finding(number=2))))
    await connection.publish(subjects.findings(0), b"not a finding")
    await connection.publish(subjects.ledger("Decided"), encode_entry(block))
    await connection.publish(subjects.clock("nftables"), encode(acknowledgement(block.decision)))
    pulse = Pulse(
        connection, clock, stage="sensor", name="edge.0", host="edge", figures=lambda: {"connections": 7}
    )
    tasks: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(work) for work in (board.follow(connection), pulse.run(), server.watch())
    ]
    try:
        await until(lambda: len(board.findings) == 2 and board.count("active") and board.acknowledgements)
        await until(lambda: board.hits.connections == 7)
        server.restart_soon()
        await asyncio.sleep(0.5)
        await connection.insist(
            subjects.findings(0), encode_findings((finding(number=3),)), message_id="third"
        )
        await until(lambda: len(board.findings) == 3)
        tasks.pop(1).cancel()  # no heartbeat any more
        await connection.put(
            subjects.SENSORS, "sensor.brief", json.encode(heartbeat(name="brief")), ttl_seconds=1
        )
        await until(lambda: (beat := board.beats.get("sensor.brief")) and beat.gone)
        await connection.delete(subjects.SENSORS, "sensor.edge.0")
        await until(lambda: "sensor.edge.0" not in board.beats)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert board.present.by_id(block.decision.id) == block.decision
    assert block.decision.target == target_of("203.0.113.7")
