"""Per sensor: how long until it was found, and until it was attacked. Pure."""

from collections.abc import Iterable

import msgspec

from propolis.clock import SECOND
from propolis.findings import GRADES, Finding
from propolis.stream import Heartbeat

_ATTEMPT = GRADES.index("attempt")


class Exposure(msgspec.Struct, frozen=True):
    """Seconds from a sensor's start to its first connection and first attempt; None while there was none."""

    sensor: str
    started: int
    first_scan_seconds: float | None
    first_attack_seconds: float | None
    connections: int


def exposures(heartbeats: Iterable[Heartbeat], findings: Iterable[Finding]) -> tuple[Exposure, ...]:
    """One :class:`Exposure` a sensor; its workers are taken together, earliest first."""
    workers: dict[str, list[Heartbeat]] = {}
    for beat in heartbeats:
        if beat.stage == "sensor":
            workers.setdefault(beat.name.rpartition(".")[0], []).append(beat)
    attacks: dict[str, list[int]] = {}
    for finding in findings:
        if GRADES.index(finding.grade) >= _ATTEMPT:
            for sensor in finding.sensors:
                attacks.setdefault(sensor, []).append(finding.first_seen)
    found = []
    for sensor, beats in sorted(workers.items()):
        started = min(beat.started for beat in beats)
        scans = [_figure(beat, "first_connection") for beat in beats]
        first_attack = min((attack for attack in attacks.get(sensor, ()) if attack >= started), default=None)
        # whoever attacked it had found it, though the heartbeat may not say so yet
        first_scan = min((scan for scan in (*scans, first_attack) if scan), default=None)
        found.append(
            Exposure(
                sensor,
                started,
                _seconds(started, first_scan),
                _seconds(started, first_attack),
                sum(_figure(beat, "connections") for beat in beats),
            )
        )
    return tuple(found)


def _figure(beat: Heartbeat, name: str) -> int:
    value = beat.figures.get(name)
    return value if isinstance(value, int) else 0  # another host says what it likes


def _seconds(start: int, moment: int | None) -> float | None:
    return None if moment is None else round(max(0, moment - start) / SECOND, 3)
