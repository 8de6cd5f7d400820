from typing import Any

from propolis.clock import SECOND
from propolis.findings import Finding, Grade
from propolis.measure import exposures
from propolis.stream import Heartbeat

START = 1_800_000_000 * SECOND


def beat(name: str, started: int = START, stage: str = "sensor", **figures: Any) -> Heartbeat:
    return Heartbeat(
        stage=stage,
        name=name,
        host="edge",
        pid=1,
        started=started,
        time=started,
        rss_bytes=1,
        clock_offset=0,
        clock_error=1,
        notes={},
        figures=figures,
    )


def finding(sensor: str, first_seen: int, grade: Grade = "attempt") -> Finding:
    return Finding(
        id="f",
        rule="r",
        title="t",
        source="93.184.216.34",
        shard=0,
        grade=grade,
        severity="high",
        confidence=90,
        evidence_class="dialogue",
        first_seen=first_seen,
        last_seen=first_seen,
        found=first_seen,
        count=1,
        sensors=(sensor,),
        lures=("http",),
        evidence=(),
    )


def test_a_sensor_nobody_found_says_so() -> None:
    (exposure,) = exposures([beat("edge-1.0", first_connection=0, connections=0)], [])
    assert (exposure.sensor, exposure.first_scan_seconds, exposure.first_attack_seconds) == (
        "edge-1",
        None,
        None,
    )


def test_workers_are_one_sensor_and_the_earliest_counts() -> None:
    beats = [
        beat("edge-1.0", first_connection=START + 9 * SECOND, connections=3),
        beat("edge-1.1", START + SECOND, first_connection=START + 4 * SECOND, connections=4),
        beat("host", stage="decide"),
    ]
    (exposure,) = exposures(
        beats, [finding("edge-1", START + 30 * SECOND), finding("edge-1", START + 12 * SECOND)]
    )
    assert (exposure.first_scan_seconds, exposure.first_attack_seconds, exposure.connections) == (
        4.0,
        12.0,
        7,
    )


def test_who_attacks_has_found_it_though_the_heartbeat_is_older() -> None:
    (exposure,) = exposures([beat("edge-1.0", first_connection=0)], [finding("edge-1", START + 6 * SECOND)])
    assert (exposure.first_scan_seconds, exposure.first_attack_seconds) == (6.0, 6.0)


def test_looking_around_is_no_attack_and_neither_is_what_came_before_the_start() -> None:
    found = [
        finding("edge-1", START + 5 * SECOND, "scan"),
        finding("edge-1", START - SECOND),
        finding("edge-2", START),
    ]
    (exposure,) = exposures([beat("edge-1.0")], found)
    assert exposure.first_attack_seconds is None


def test_a_sensor_may_say_what_it_likes() -> None:
    (exposure,) = exposures([beat("edge-1.0", first_connection="now", connections=["many"])], [])
    assert (exposure.first_scan_seconds, exposure.connections) == (None, 0)
