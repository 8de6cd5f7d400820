"""``clock``: mean time to defence, at the terminal."""

import contextlib
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
import pyarrow as pa
from cyclopts import Parameter
from rich.table import Table

from propolis import findings, measure
from propolis.cli.context import DEFAULT_CONFIG, ConfigPath, out, with_stream
from propolis.cli.up import heartbeats
from propolis.clock import SECOND, SystemClock
from propolis.config import Config
from propolis.decisions import Acknowledgement, decode_acknowledgement
from propolis.decisions.stage import read_ledger
from propolis.errors import CodecError
from propolis.findings import Finding
from propolis.hunting.plot import plot
from propolis.stream import Stream, subjects


class Times(msgspec.Struct, frozen=True):
    """What ``propolis clock --json`` prints."""

    report: measure.Report
    sensors: tuple[measure.Exposure, ...]


def clock(
    *,
    since: Annotated[float, Parameter(help="Hours to look back.")] = 24.0,
    json: Annotated[bool, Parameter(name="--json", help="Print JSON.")] = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Mean time to defence: from an attacker's first packet to a drop read back from the kernel.

    Per path and stage with p50, p95, p99 and max; how many were never defended; how many blocks were lifted as false;
    and per sensor how long until it was scanned and attacked.
    """
    now = SystemClock().now()
    times = with_stream(
        config, lambda _config, stream: look(_config, stream, now - int(since * 3_600 * SECOND), now)
    )
    if json:
        out.print_json(msgspec.json.encode(times).decode())
        return
    _print(times)


async def look(_config: Config, stream: Stream, start: int, now: int) -> Times:
    """The report since ``start`` (UTC ns), from what the stream keeps."""
    acknowledgements = [ack async for ack in _acknowledgements(stream) if ack.decided >= start]
    entries = [entry async for entry in read_ledger(stream) if entry.time >= start]
    found = [finding async for finding in _findings(stream) if finding.found >= start]
    beats = await heartbeats(stream)
    return Times(measure.summarise(acknowledgements, entries, now), measure.exposures(beats, found))


async def _acknowledgements(stream: Stream) -> AsyncIterator[Acknowledgement]:
    async for stored in stream.history(subjects.CLOCK):
        with contextlib.suppress(CodecError):
            yield decode_acknowledgement(stored.data)


async def _findings(stream: Stream) -> AsyncIterator[Finding]:
    async for stored in stream.history(subjects.FINDINGS):
        with contextlib.suppress(CodecError):
            for finding in findings.decode(stored.data):
                yield finding


def _print(times: Times) -> None:
    report = times.report
    total = report.stages["total"]
    if total.n:
        out.print(
            f"[bold]mean time to defence {total.mean:.1f} ms[/] (± {report.clock_error_ms:.1f} ms of clocks),"
            f" {total.n} defences"
        )
    else:
        out.print(
            "[bold]No defence yet[/]: nothing was blocked by an enforcer that enforces. `propolis drill` tries it."
        )
    table = Table("path", "n", "mean ms", "p50", "p95", "p99", "max")
    for stage, spread in report.stages.items():
        table.add_row(f"[dim]{stage}[/]", *_cells(spread))
    for path in report.paths:
        pretends = "" if path.enforces else " (only pretends)"
        table.add_row(f"{path.rule} → {path.enforcer}@{path.host}{pretends}", *_cells(path.total))
    out.print(table)
    if total.n:
        _plot(report)
    out.print(
        f"blocks {report.blocks} · never defended {report.never_defended} · lifted as false {report.revoked}"
        f" ({report.false_block_rate:.4%})"
    )
    out.print(
        f"attackers find a new decoy in {measure.SCANNED_SECONDS} s and attack it within {measure.ATTACKED_SECONDS} s;"
        f" published time from decoy to protection: {measure.PUBLISHED_SECONDS // 60} min"
    )
    for sensor in times.sensors:
        out.print(
            f"sensor {sensor.sensor}: first scan {_after(sensor.first_scan_seconds)}, first attack"
            f" {_after(sensor.first_attack_seconds)}, {sensor.connections} connections"
        )


def _cells(spread: measure.Spread) -> tuple[str, ...]:
    return (
        str(spread.n),
        *(f"{value:.1f}" for value in (spread.mean, spread.p50, spread.p95, spread.p99, spread.max)),
    )


def _after(seconds: float | None) -> str:
    return "not yet" if seconds is None else f"after {seconds:.1f} s"


def _plot(report: measure.Report) -> None:
    labels = [f"≤{bound:g}" for bound in measure.BUCKETS_MS] + ["more"]
    filled = [index for index, count in enumerate(report.histogram) if count]
    shown = range(filled[0], filled[-1] + 1)
    bars = {
        "ms from first packet to read-back": [labels[i] for i in shown],
        "defences": [report.histogram[i] for i in shown],
    }
    out.print(plot(pa.table(bars), width=min(out.width, 80)), markup=False, highlight=False)
