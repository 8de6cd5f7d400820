"""``/metrics``: the board in Prometheus' text format, made at each scrape."""

from collections.abc import Awaitable, Callable, Iterator

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from propolis.console.board import Board
from propolis.console.hits import whole
from propolis.findings import GRADES
from propolis.measure import BUCKETS_MS

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


class BoardCollector(Collector):
    """One pass over the board. Counters of what this console saw start with it; Prometheus takes that for a restart."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterator[Family]:
        """Every family, with its samples."""
        yield self._defence()
        yield from self._decisions()
        yield from self._hits()
        yield from self._stages()

    def _defence(self) -> Family:
        family = HistogramMetricFamily(
            "propolis_time_to_defence_seconds",
            "First packet of the evidence to an enforcement that was read back",
            labels=["enforcer"],
        )
        bounds = (*(f"{bound / 1_000:g}" for bound in BUCKETS_MS), "+Inf")
        for enforcer, defences in self._board.defences.items():
            total, buckets = 0, []
            for bound, count in zip(bounds, defences.counts, strict=True):
                total += count
                buckets.append((bound, float(total)))
            family.add_metric([enforcer], buckets, defences.seconds)
        return family

    def _decisions(self) -> Iterator[Family]:
        board = self._board
        decisions = GaugeMetricFamily("propolis_decisions", "Decisions kept", labels=["state"])
        decisions.add_metric(["active"], board.count("active"))
        decisions.add_metric(["shadow"], board.count("shadow"))
        yield decisions
        armed = 1.0 if board.present.mode == "armed" else 0.0
        yield GaugeMetricFamily(
            "propolis_armed", "1 when decisions are carried out, 0 in shadow", value=armed
        )
        found = CounterMetricFamily("propolis_findings", "Findings", labels=["grade"])
        for grade in GRADES:
            found.add_metric([grade], board.grades[grade])
        yield found
        refused = CounterMetricFamily("propolis_refusals", "What a guard stopped", labels=["guard"])
        for guard, count in board.refused.items():
            refused.add_metric([guard], count)
        yield refused
        undefended = board.report().never_defended
        yield GaugeMetricFamily(
            "propolis_never_defended", "Blocks in force that no enforcer read back", value=undefended
        )

    def _hits(self) -> Iterator[Family]:
        connections = CounterMetricFamily("propolis_hits", "Connections to decoys", labels=["sensor"])
        events = CounterMetricFamily("propolis_events", "Events of decoys", labels=["sensor"])
        limits = CounterMetricFamily(
            "propolis_lost", "What a limit of a sensor cost", labels=["sensor", "limit"]
        )
        for beat in self._board.stages("sensor"):
            name, figures = beat.heartbeat.name, beat.heartbeat.figures
            connections.add_metric([name], whole(figures, "connections"))
            events.add_metric([name], whole(figures, "events"))
            hit = figures.get("limits")
            for limit in sorted(hit) if isinstance(hit, dict) else ():
                limits.add_metric([name, limit], whole(hit, limit))
        yield from (connections, events, limits)

    def _stages(self) -> Iterator[Family]:
        up = GaugeMetricFamily("propolis_stage_up", "1 while a stage beats", labels=["stage", "name"])
        age = GaugeMetricFamily(
            "propolis_heartbeat_age_seconds", "Since a stage was heard", labels=["stage", "name"]
        )
        memory = GaugeMetricFamily(
            "propolis_memory_bytes", "Resident memory of a stage", labels=["stage", "name"]
        )
        drift = GaugeMetricFamily(
            "propolis_drift_targets", "Targets in which the world differed", labels=["enforcer", "kind"]
        )
        notes = CounterMetricFamily("propolis_notes", "What a stage told", labels=["stage", "name", "note"])
        for beat in self._board.stages():
            heartbeat = beat.heartbeat
            labels = [heartbeat.stage, heartbeat.name]
            up.add_metric(labels, 1.0 if self._board.health(beat) == "up" else 0.0)
            age.add_metric(labels, round(self._board.age_seconds(beat), 3))
            memory.add_metric(labels, heartbeat.rss_bytes)
            for note, count in sorted(heartbeat.notes.items()):
                notes.add_metric([*labels, note], count)
            drifted = heartbeat.figures.get("drift")
            for kind in ("missing", "orphan", "wrong_until") if isinstance(drifted, dict) else ():
                drift.add_metric([heartbeat.name, kind], whole(drifted, kind))
        yield from (up, age, memory, drift, notes)


def route(board: Board) -> Route:
    """``/metrics``."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(BoardCollector(board))
    return Route("/metrics", _scrape(registry))


def _scrape(registry: CollectorRegistry) -> Callable[[Request], Awaitable[Response]]:
    # on the loop, not in a thread: the board changes between two steps of the loop only
    async def scrape(_: Request) -> Response:
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return scrape
