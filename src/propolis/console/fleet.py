"""Who works: sensors and how soon they were found, every stage's heartbeat, enforcers and their drift."""

from typing import Any

from nicegui import ui

from propolis.clock import MILLISECOND
from propolis.console.board import Beat, Board
from propolis.console.card import Row, Table, card
from propolis.console.evidence import inert
from propolis.console.hits import whole
from propolis.console.units import count, short
from propolis.measure import Exposure, Path

MAX_CELL = 120
MAX_ROWS = 64

_HEALTH = '<q-td :props="props"><span :class="`badge ${props.value}`">{{ props.value }}</span></q-td>'
_DRIFT = """<q-td :props="props">
  <span :class="props.value === 'none' ? 'good' : 'bad'">{{ props.value }}</span>
</q-td>"""


class Fleet:
    """Four tables: stages, sensors, enforcers, and the time each path of defence takes."""

    def __init__(self, board: Board) -> None:
        self._board = board
        with ui.element("div").classes("grid wide"):
            with card("Stages") as self._note:
                self._stages = Table(
                    (
                        ("stage", "Stage", ""),
                        ("name", "Name", "mono"),
                        ("health", "State", ""),
                        ("age", "Heard", "mono"),
                        ("memory", "Memory", "mono"),
                        ("offset", "Clock", "mono"),
                        ("figures", "Figures", "cut"),
                    ),
                    "No stage is heard. Is 'propolis up' running?",
                    classes="stages",
                )
                self._stages.element.add_slot("body-cell-health", _HEALTH)
            with card("Sensors") as note:
                note.set_text("time until found")
                self._sensors = Table(
                    (
                        ("sensor", "Sensor", "mono"),
                        ("scan", "First scan", ""),
                        ("attack", "First attack", ""),
                        ("ports", "Ports", "cut"),
                    ),
                    "No sensor is heard. 'propolis up' starts one; name its ports under [lures] in propolis.toml.",
                )
        with ui.element("div").classes("grid wide"):
            with card("Paths of defence") as note:
                note.set_text("first packet → read back")
                self._paths = Table(
                    (
                        ("rule", "Rule", "cut"),
                        ("enforcer", "Enforcer", "mono"),
                        ("n", "Defences", ""),
                        ("p50", "p50", "mono"),
                        ("p95", "p95", "mono"),
                        ("p99", "p99", "mono"),
                    ),
                    "Nothing was defended yet.",
                    classes="short",
                )
            with card("Enforcers"):
                self._enforcers = Table(
                    (
                        ("enforcer", "Enforcer", "mono"),
                        ("health", "State", ""),
                        ("active", "Holds", ""),
                        ("drift", "Drift", ""),
                    ),
                    "No enforcer is heard. Name one under [enforcers] in propolis.toml: run = ['nftables'].",
                )
                self._enforcers.element.add_slot("body-cell-health", _HEALTH)
                self._enforcers.element.add_slot("body-cell-drift", _DRIFT)

    def refresh(self) -> None:
        """Show what the board says now."""
        board = self._board
        beats = board.stages()
        self._stages.show([self._stage(beat) for beat in beats[:MAX_ROWS]])
        lost = sum(board.health(beat) == "lost" for beat in beats)
        self._note.set_text(f"{len(beats) - lost} up · {lost} lost")
        ports = _ports(board.stages("sensor"))
        self._sensors.show([_sensor(exposure, ports) for exposure in board.exposures()[:MAX_ROWS]])
        self._paths.show([_path(path) for path in board.report().paths[:MAX_ROWS]])
        self._enforcers.show([self._enforcer(beat) for beat in board.stages("enforcer")[:MAX_ROWS]])

    def _stage(self, beat: Beat) -> Row:
        heartbeat = beat.heartbeat
        offset, error = heartbeat.clock_offset / MILLISECOND, heartbeat.clock_error / MILLISECOND
        return {
            "id": f"{heartbeat.stage}.{heartbeat.name}",
            "stage": inert(heartbeat.stage, MAX_CELL),
            "name": inert(heartbeat.name, MAX_CELL),
            "health": self._board.health(beat),
            "age": f"{self._board.age_seconds(beat):.0f} s",
            "memory": f"{heartbeat.rss_bytes / 2**20:.0f} MiB",
            "offset": f"{offset:+.1f} ± {error:.1f} ms",
            "figures": _figures(heartbeat.figures),
        }

    def _enforcer(self, beat: Beat) -> Row:
        figures = beat.heartbeat.figures
        pretends = "" if figures.get("enforces", True) else " (dry run)"
        return {
            "id": beat.heartbeat.name,
            "enforcer": inert(beat.heartbeat.name, MAX_CELL) + pretends,
            "health": self._board.health(beat),
            "active": count(whole(figures, "active")),
            "drift": _drift(figures.get("drift")),
        }


def _figures(figures: dict[str, Any]) -> str:
    """The plain numbers and words of a heartbeat."""
    plain = (f"{name} {value:,}" for name, value in figures.items() if type(value) is int and value < 2**53)
    words = (f"{name} {value}" for name, value in figures.items() if isinstance(value, str) and value)
    return inert(" · ".join((*words, *plain)), MAX_CELL)


def _drift(figures: object) -> str:
    if not isinstance(figures, dict):
        return "none"
    named = ((name, whole(figures, name)) for name in ("missing", "orphan", "wrong_until", "repaired"))
    return ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in named if number) or "none"


def _sensor(exposure: Exposure, ports: dict[str, str]) -> Row:
    return {
        "id": exposure.sensor,
        "sensor": inert(exposure.sensor, MAX_CELL),
        "scan": _until(exposure.first_scan_seconds),
        "attack": _until(exposure.first_attack_seconds),
        "ports": ports.get(exposure.sensor, ""),
    }


def _until(seconds: float | None) -> str:
    return "not yet" if seconds is None else f"after {short(seconds * 1_000)}"


def _ports(sensors: tuple[Beat, ...]) -> dict[str, str]:
    """What listens where, by sensor; its workers all listen at the same ports."""
    ports: dict[str, str] = {}
    for beat in sensors:
        lures = beat.heartbeat.figures.get("ports")
        if isinstance(lures, dict):
            named = (
                f"{lure} {' '.join(map(str, found))}"
                for lure, found in lures.items()
                if isinstance(found, list)
            )
            ports[beat.heartbeat.name.rpartition(".")[0]] = inert(" · ".join(named), MAX_CELL)
    return ports


def _path(path: Path) -> Row:
    total = path.total
    return {
        "id": f"{path.rule} {path.enforcer} {path.host} {path.enforces}",
        "rule": inert(path.rule, MAX_CELL),
        "enforcer": inert(f"{path.enforcer} @ {path.host}{'' if path.enforces else ' (dry run)'}", MAX_CELL),
        "n": count(total.n),
        "p50": short(total.p50),
        "p95": short(total.p95),
        "p99": short(total.p99),
    }
