"""``drill``: attack the running decoys, for real, over loopback, and follow every source to its block."""

import asyncio
import contextlib
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
import uvloop
from cyclopts import Parameter
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from propolis import app as wiring
from propolis import drill as drills
from propolis.cli.context import DEFAULT_CONFIG, ConfigPath, configured, connected, err, out
from propolis.clock import SystemClock
from propolis.config import Config
from propolis.errors import PropolisError
from propolis.measure import Spread

TABLE = "propolis_drill"
OPEN_SECONDS = 2.0
SHOWN_MISSED = 5


def drill(
    *,
    sources: Annotated[int, Parameter(help="How many attackers, each with an address of 127.0.0.0/8.")] = 50,
    rate: Annotated[float, Parameter(help="Attacks a second.")] = 20.0,
    attack: Annotated[
        tuple[Literal["http-exploit", "redis-takeover", "telnet-login", "ssh-login"], ...],
        Parameter(help="Kinds of attack; without it all whose lure listens.", consume_multiple=True),
    ] = (),
    target: Annotated[str, Parameter(help="Where the decoys are: a loopback address.")] = "127.0.0.1",
    patience: Annotated[float, Parameter(help="Seconds to wait for the last blocks.")] = 15.0,
    seed: Annotated[int | None, Parameter(help="For the same sources again.")] = None,
    json: Annotated[bool, Parameter(name="--json", help="Print JSON.")] = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Attack the running decoys over loopback and time every stage up to the block.

    As root the blocks are real ones: nftables in a network namespace made for the drill. As another user they are the
    dry-run enforcer's. This host's own rules are never touched: loopback is on the never-block list. It works in
    shadow mode too, and attacks nothing but loopback.
    """
    settings = configured(config)
    chance = random.Random(seed) if seed is not None else random.SystemRandom()  # noqa: S311 - which sources, no secret
    ports = {name: lure.ports[0] for name, lure in settings.lures.items() if lure.ports}
    plan = drills.Plan(
        target=drills.loopback(target),
        attacks=_attacks(ports, attack),
        ports=ports,
        sources=sources,
        rate=rate,
        patience=patience,
        network=chance.choice(drills.NETWORKS),
    )
    _check(plan)
    with _enforcer(settings) as (name, enforced):
        result = uvloop.run(_run(settings, enforced, name, plan, chance, quiet=json))
    if json:
        out.print_json(msgspec.json.encode(result).decode())
    else:
        _print(result)
    if result.missed or not result.blocked:
        raise SystemExit(1)


def _attacks(ports: dict[str, int], kinds: tuple[str, ...]) -> tuple[drills.Attack, ...]:
    attacks = tuple(
        a for name, a in drills.ATTACKS.items() if (name in kinds or not kinds) and a.lure in ports
    )
    if not attacks:
        raise PropolisError(f"no lure listens that these attacks are for; there are {', '.join(ports)}")
    return attacks


def _check(plan: drills.Plan) -> None:
    if not 0 < plan.sources <= drills.MAX_SOURCES:
        raise PropolisError(f"--sources {plan.sources}: choose 1 to {drills.MAX_SOURCES}")
    if plan.rate <= 0 or plan.patience <= 0:
        raise PropolisError("--rate and --patience are more than nothing")


@contextlib.contextmanager
def _enforcer(settings: Config) -> Iterator[tuple[str, Config]]:
    """What carries the drill's decisions out, and its settings: a namespace of its own, or the dry run."""
    if os.geteuid() or shutil.which("nft") is None or shutil.which("ip") is None:
        yield "dry-run", settings
        return
    namespace = f"propolis-drill-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    try:
        nftables = msgspec.structs.replace(settings.enforcers.nftables, namespace=namespace, table=TABLE)
        yield (
            "nftables",
            msgspec.structs.replace(
                settings, enforcers=msgspec.structs.replace(settings.enforcers, nftables=nftables)
            ),
        )
    finally:
        subprocess.run(["ip", "netns", "delete", namespace], check=False)


async def _run(
    settings: Config, enforced: Config, name: str, plan: drills.Plan, chance: random.Random, *, quiet: bool
) -> drills.Result:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
    )
    async with connected(settings) as stream:
        enforcer = asyncio.ensure_future(wiring.enforce(enforced, name, alias=drills.ENFORCER))
        await asyncio.wait([enforcer], timeout=OPEN_SECONDS)
        if enforcer.done():
            await enforcer
        with Progress(*columns, console=err, transient=True, disable=quiet) as progress:
            attacked = progress.add_task("attacked", total=plan.sources)
            blocked = progress.add_task("blocked", total=plan.sources)

            def on_progress(sent: int, held: int) -> None:
                progress.update(attacked, completed=sent)
                progress.update(blocked, completed=held)

            try:
                where = (
                    "real drops in a network namespace of the drill's own"
                    if name == "nftables"
                    else "dry run, nothing is dropped"
                )
                return await drills.Drill(stream, SystemClock(), plan, chance, on_progress).run(
                    f"{name}: {where}"
                )
            finally:
                enforcer.cancel()
                await asyncio.gather(enforcer, return_exceptions=True)


def _print(result: drills.Result) -> None:
    out.print(f"[bold]{result.blocked} of {result.sources} attackers blocked[/] ({result.enforcer})")
    table = Table("stage", "n", "mean ms", "p50", "p95", "p99", "max")
    named = {
        "first packet → finding": result.stages["detect"],
        "finding → decision": result.stages["decide"],
        "decision → read back": result.stages["enforce"],
        "first packet → read back": result.stages["total"],
        "first byte sent → read back": result.sent_to_block,
    }
    for name, spread in (*named.items(), *((f"  {kind}", spread) for kind, spread in result.attacks.items())):
        table.add_row(name, *_cells(spread))
    out.print(table)
    if result.failed:
        out.print(f"{result.failed} attacks could not connect")
    if result.missed:
        more = f" and {len(result.missed) - SHOWN_MISSED} more" if len(result.missed) > SHOWN_MISSED else ""
        out.print(f"[red]not blocked in time:[/] {', '.join(result.missed[:SHOWN_MISSED])}{more}")


def _cells(spread: Spread) -> tuple[str, ...]:
    return (
        str(spread.n),
        *(f"{value:.1f}" for value in (spread.mean, spread.p50, spread.p95, spread.p99, spread.max)),
    )
