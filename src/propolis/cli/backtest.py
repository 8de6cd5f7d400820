"""``rules backtest``: what a rule would have found in the events of the past, and in requests that are no attack.

What it came to is kept beside the installation's state under the name of the rule's text, so that ``rules promote``
knows that this very text was tried.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec
import pyarrow as pa
import uvloop
from cyclopts import Parameter
from rich.text import Text

from propolis import supervisor
from propolis.cli.context import DEFAULT_CONFIG, ConfigPath, configured, connected, out
from propolis.cli.lures import progress_bar
from propolis.cli.rules import AsJson, look
from propolis.clock import SECOND, SystemClock, rfc3339
from propolis.config import Config
from propolis.decisions.policy import fit
from propolis.detection.backtest import Backtest, Report
from propolis.detection.corpus import requests
from propolis.detection.promotion import Backtested, digest
from propolis.detection.rules import RuleSet, read
from propolis.errors import PropolisError
from propolis.events.interaction import upgrade
from propolis.findings import Finding
from propolis.hunting.gather import gather
from propolis.hunting.hunt import committed
from propolis.hunting.lake import read_snapshot
from propolis.hunting.replay import EVENT_CLASS, chosen, replay

SHOWN_SOURCES = 5
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_SINCE = re.compile(r"(\d{1,6})([smhd])")

_Batches: TypeAlias = list[pa.RecordBatch]


def backtest(
    file: Annotated[Path, Parameter(help="A rule file.")],
    /,
    *,
    since: Annotated[str, Parameter(help="How far back: 90m, 12h, 7d.")] = "7d",
    benign: Annotated[Path | None, Parameter(help="Requests that are no attack, as JSON lines.")] = None,
    json: AsJson = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Run a rule over the events of the lake, and of the stream, and say what it would have found and changed."""
    settings = configured(config)
    begin = SystemClock().now() - seconds_of(since) * SECOND
    rule = read(file)
    others = RuleSet(tuple(live.judged for live in look(settings).live.values()))
    policy = settings.decisions.policy

    def is_blocked(finding: Finding) -> bool:
        line = fit(policy, finding)
        return line is not None and line.action == "block"

    trial = Backtest(rule, others, is_blocked)
    root = settings.state / settings.lake.path
    files, late = chosen(root, begin), _unflushed(settings, begin)
    with progress_bar() as progress:
        total = sum(one.rows for one in files) + sum(batch.num_rows for batch in late)
        bar = progress.add_task("events", total=total)
        for batch in _joined(replay(root, files, begin), late):
            trial.feed(batch)
            progress.advance(bar, batch.num_rows)
    report = trial.report(requests(benign) if benign else ())
    keep(settings, file, report)
    if json:
        out.print_json(msgspec.json.encode(report).decode())
    else:
        _print(report)


def seconds_of(text: str) -> int:
    """A length of time such as ``7d`` in seconds. Raises :class:`PropolisError`."""
    found = _SINCE.fullmatch(text)
    if not found:
        raise PropolisError(f"--since {text}: write a number and one of {', '.join(_UNITS)}, such as 7d")
    return int(found[1]) * _UNITS[found[2]]


def record_of(config: Config, text: str) -> Path:
    """Where the back-test of this text of a rule is kept."""
    return config.state / "backtests" / f"{digest(text)}.json"


def keep(config: Config, file: Path, report: Report) -> None:
    """Remember what a back-test came to. Raises :class:`PropolisError` where nothing can be written."""
    path = record_of(config, file.read_text(encoding="utf-8"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_bytes(msgspec.json.encode(report.summary()))
    except OSError as error:
        raise PropolisError(f"{path}: cannot be written ({error.strerror})") from error


def kept(config: Config, text: str) -> Backtested:
    """What the back-test of this text of a rule came to. Raises :class:`PropolisError` if there was none."""
    path = record_of(config, text)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Backtested)
    except FileNotFoundError as error:
        cure = "`propolis rules backtest FILE` on this host tries it"
        raise PropolisError(f"this text of the rule was never back-tested; {cure}") from error
    except (OSError, msgspec.MsgspecError) as error:
        raise PropolisError(f"{path}: cannot be read ({error}); back-test the rule again") from error


def _unflushed(config: Config, begin: int) -> _Batches:
    """What a running stream holds and the lake has not yet."""
    if not config.stream.url and supervisor.running(config.state) is None:
        return []
    root = config.state / config.lake.path
    done = committed(root)

    async def ask() -> _Batches:
        async with connected(config) as stream:
            unflushed, _ = await gather(stream, done)
            return [batch for sequence, batch in unflushed.get(EVENT_CLASS, ()) if sequence > done]

    batches = uvloop.run(ask())
    if (
        read_snapshot(root).sequence != done
    ):  # it was flushed meanwhile: once more, for nothing may count twice
        return _unflushed(config, begin)
    return [upgrade(batch) for batch in batches if pa.compute.max(batch.column("time")).value >= begin]


def _joined(first: Iterator[pa.RecordBatch], then: _Batches) -> Iterator[pa.RecordBatch]:
    yield from first
    yield from then


def _print(report: Report) -> None:
    lines = [
        f"{report.rule}: {report.findings} findings of {report.sources} sources in {report.events} events"
    ]
    if report.findings:
        lines += [f"  first {rfc3339(report.first)}, last {rfc3339(report.last)}"]
        lines += [f"  {times:6} {text}" for text, times in report.texts]
        also = ", ".join(f"{name} {times}" for name, times in report.also.items()) or "no other rule or lure"
        lines += [f"  also told of by: {also}", f"  told of by nothing else: {report.alone}"]
        lines += [f"  the policy would have blocked {_sources(report.blocked)}"]
        lines += [f"  of whom no other rule had blocked {_sources(report.gained)}"]
    if report.benign:
        lines += [f"  of {report.benign} benign requests it takes {report.benign_found} for an attack"]
        lines += [f"  {times:6} {text}" for text, times in report.mistaken]
    for line in lines:
        out.print(Text(line), highlight=False)


def _sources(sources: tuple[str, ...]) -> str:
    more = " …" if len(sources) > SHOWN_SOURCES else ""
    named = f" ({', '.join(sources[:SHOWN_SOURCES])}{more})" if sources else ""
    return f"{len(sources)} sources{named}"
