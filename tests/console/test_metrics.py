import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from judging import finding
from propolis.clock import SECOND, ManualClock
from propolis.console import api_token
from propolis.console.board import Board
from propolis.console.console import Console
from watching import acknowledgement, decided, decision, heartbeat, refused


@pytest.fixture
async def sample(lonely: Console, asker: httpx.AsyncClient) -> dict[tuple[str, ...], float]:
    """Every sample of a scrape, by its name and label values."""
    fill(lonely.board)
    answer = await asker.get(
        "/metrics", headers={"Authorization": f"Bearer {api_token(lonely.config.state)}"}
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def fill(board: Board) -> None:
    for number, milliseconds in enumerate((3.0, 7.0, 700.0)):
        board.on_acknowledgement(acknowledgement(decision(number=number), milliseconds))
    board.on_entry(decided("203.0.113.1", 1))
    board.on_entry(decided("203.0.113.2", 2, state="shadow"))
    board.on_entry(refused())
    board.on_finding(finding())
    board.on_heartbeat(heartbeat(connections=9, events=27, limits={'a"b\n': 4, "odd": "text"}))
    board.on_heartbeat(heartbeat("enforcer", "nftables.edge", drift={"missing": 1, "orphan": "?"}))
    board.on_heartbeat(heartbeat("enforcer", "odd", drift="none"))


def test_the_time_to_defence_is_a_histogram_per_enforcer(sample: dict[tuple[str, ...], float]) -> None:
    name = "propolis_time_to_defence_seconds"
    assert sample[f"{name}_count", "nftables"] == 3
    assert sample[f"{name}_sum", "nftables"] == pytest.approx(0.710)
    buckets = {bound: sample[f"{name}_bucket", "nftables", bound] for bound in ("0.004", "0.008", "+Inf")}
    assert buckets == {"0.004": 1, "0.008": 2, "+Inf": 3}


def test_what_is_held_found_refused_and_counted_is_there(sample: dict[tuple[str, ...], float]) -> None:
    expected = {
        ("propolis_decisions", "active"): 1,
        ("propolis_decisions", "shadow"): 1,
        ("propolis_armed",): 0,
        ("propolis_findings_total", "attempt"): 1,
        ("propolis_findings_total", "scan"): 0,
        ("propolis_refusals_total", "bogon"): 1,
        ("propolis_never_defended",): 0,
        ("propolis_hits_total", "edge.0"): 9,
        ("propolis_events_total", "edge.0"): 27,
        ("propolis_lost_total", 'a"b\n', "edge.0"): 4,
        ("propolis_lost_total", "odd", "edge.0"): 0,
        ("propolis_drift_targets", "nftables.edge", "missing"): 1,
        ("propolis_drift_targets", "nftables.edge", "orphan"): 0,
        ("propolis_stage_up", "edge.0", "sensor"): 1,
        ("propolis_heartbeat_age_seconds", "edge.0", "sensor"): 0,
        ("propolis_memory_bytes", "edge.0", "sensor"): 50 * 2**20,
        ("propolis_notes_total", "edge.0", "StreamLost", "sensor"): 2,
    }
    assert {key: sample.get(key) for key in expected} == expected


async def test_a_lost_stage_is_down(lonely: Console, asker: httpx.AsyncClient, clock: ManualClock) -> None:
    lonely.board.on_heartbeat(heartbeat())
    clock.advance(60 * SECOND)
    answer = await asker.get(
        "/metrics", headers={"Authorization": f"Bearer {api_token(lonely.config.state)}"}
    )
    assert 'propolis_stage_up{name="edge.0",stage="sensor"} 0.0' in answer.text


async def test_an_empty_board_is_scraped_as_well(lonely: Console, asker: httpx.AsyncClient) -> None:
    answer = await asker.get(
        "/metrics", headers={"Authorization": f"Bearer {api_token(lonely.config.state)}"}
    )
    assert "propolis_armed 0.0" in answer.text
