"""``up``, ``down``, ``status``, ``check`` and ``credential``: the installation as a whole."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import Annotated, Any, Literal

import uvloop
from cyclopts import Parameter
from rich.table import Table

from propolis import app as wiring
from propolis import first, notes, supervisor
from propolis.cli.context import DEFAULT_CONFIG, ConfigPath, ask, configured, connected, err, out, who
from propolis.clock import SystemClock
from propolis.config import Config, host_port, load
from propolis.decisions import commands, this_host, trusted_networks
from propolis.errors import PropolisError, StreamError
from propolis.flaws import signature
from propolis.flaws.packs import Pack
from propolis.flaws.standing import FIGURE, standing_of
from propolis.sensors import listen
from propolis.stream import EmbeddedServer, Heartbeat, Stream, folder, subjects
from propolis.stream.heartbeat import decode as decode_heartbeat

READY_SECONDS = 90.0
DOWN_SECONDS = 30.0
QUIET = "PROPOLIS_QUIET"
"""Set for the process behind `--detach`: the one in front of the operator prints."""


def up(
    *,
    detach: Annotated[bool, Parameter(help="Go on in the background and print where to look.")] = False,
    arm: Annotated[
        bool, Parameter(help="Carry decisions out (without it: as it was, at first shadow).")
    ] = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Start everything on this host: stream, sensors, detection, decisions, enforcers, archive, console.

    Without a configuration file a first one is written, with ports that this user may open here. A first start is
    shadow: everything runs, nothing is blocked, and the console says what would have been.
    """
    if not config.exists():
        first.write(config)
        out.print(f"Wrote a first configuration: [bold]{config}[/]")
    settings = configured(config)
    signature.ensure_own_key(settings)
    is_running = supervisor.running(settings.state) is not None
    if not detach:
        if is_running:
            raise supervisor.AlreadyUpError(
                f"{settings.state}: is in use by a running `propolis up`; stop it with `propolis down`"
            )
        _foreground(settings, arm=arm)
        return
    behind = None
    if not is_running:
        preflight(settings)
        behind = _background(settings)
    uvloop.run(_await_ready(settings, behind, arm=arm))


def down(*, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Stop everything that `propolis up` started. What enforcers hold stays until it ends by itself."""
    settings = configured(config)
    running = supervisor.running(settings.state)
    if running is None:
        out.print("Nothing is running.")
        return
    os.kill(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_SECONDS
    while running.is_alive and time.monotonic() < deadline:
        time.sleep(0.05)
    if running.is_alive:
        raise PropolisError(
            f"process {running.pid} has not ended after {DOWN_SECONDS:.0f} s; look at it, or try again"
        )
    out.print("Stopped.")


def status(*, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """What runs here and how it is."""
    settings = configured(config)

    async def look() -> list[Heartbeat]:
        async with connected(settings) as stream:
            return await heartbeats(stream)

    beats = uvloop.run(look())
    table = Table("stage", "name", "host", "pid", "memory", "age", "figures", title=f"mode: {mode_of(beats)}")
    now = SystemClock().now()
    for beat in sorted(beats, key=lambda beat: (beat.stage, beat.name)):
        figures = ", ".join(
            f"{name} {value}"
            for name, value in beat.figures.items()
            if value not in (0, "", {}, []) and name != FIGURE
        )
        if (standing := standing_of(beat.figures)) is not None:
            figures += f", lures {standing.live}"
        table.add_row(
            beat.stage,
            beat.name,
            beat.host,
            str(beat.pid),
            f"{beat.rss_bytes / 1e6:.0f} MB",
            f"{(now - beat.time) / 1e9:.1f} s",
            figures,
        )
    out.print(table)


def check(
    *,
    settings: Annotated[bool, Parameter(help="Print every setting with its default and meaning.")] = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Validate the configuration file: keys, types, ports, addresses, names."""
    if settings:
        out.print(first.settings_text(), markup=False, highlight=False)
        return
    loaded = load(config)
    if supervisor.running(loaded.state) is None:
        preflight(loaded)
    else:
        wiring.check_catalogues(loaded)
    trusted_networks(loaded, SystemClock().now(), this_host())
    signature.trusted_keys(loaded)
    if loaded.flaws.packs:
        Pack((loaded.path.parent / loaded.flaws.packs).resolve()).look()
    out.print(f"{config}: good")


def credential(
    name: str,
    /,
    *,
    role: Annotated[Literal["enforcer", "sensor"], Parameter(help="What the other host is.")] = "enforcer",
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Make a credential for an enforcer or a sensor on another host, and say how to use it.

    An enforcer's may watch the decisions and acknowledge; a sensor's may report events. Neither may do anything else.
    """
    settings = configured(config)
    if settings.stream.url:
        raise StreamError(
            "stream.url names your own cluster; make credentials there (see docs/how-to/remote-enforcer.md)"
        )
    if not name.replace("-", "").isalnum():
        raise PropolisError(f"{name!r}: use letters, digits and dashes")
    listen_at = host_port(settings.stream.listen, settings.path, "stream.listen")
    path = EmbeddedServer(folder(settings), listen_at, SystemClock()).admit(name, role)
    running = supervisor.running(settings.state)
    if running is not None and running.stages.get("stream"):
        os.kill(running.stages["stream"], signal.SIGHUP)
    out.print(
        f"Credential for [bold]{name}[/]: {path}\nCopy it to the other host (mode 0600) and write there:\n"
    )
    out.print(f'[stream]\nurl = "nats://{settings.stream.listen}"\ncredentials = "{path.name}"', markup=False)
    if role == "sensor":
        signature.ensure_own_key(settings)
        trusted = ", ".join(f'"{key}"' for key in signature.trusted_keys(settings))
        out.print(f'lanes = {settings.stream.lanes}\n\n[sensors]\nname = "{name}"', markup=False)
        out.print(f"\n[flaws]\ntrusted = [{trusted}]", markup=False)
    out.print(f"\nthen run `propolis {'sensor' if role == 'sensor' else 'enforce nftables'}`.")


def preflight(settings: Config) -> None:
    """Everything that would make a stage fail at once, found before any is started. Raises :class:`PropolisError`."""
    wiring.check_catalogues(settings)
    for name, lure in settings.lures.items():
        for port in lure.every_port:
            for address in lure.addresses:
                listen(settings.path, f"lures.{name}.ports", address, port, shared=False).close()
    listening = {"console.listen": settings.console.listen}
    if not settings.stream.url:
        listening["stream.listen"] = settings.stream.listen
    for key, place in listening.items():
        listen(settings.path, key, *host_port(place, settings.path, key), shared=False).close()
    trusted_networks(settings, SystemClock().now(), this_host())


async def heartbeats(stream: Stream) -> list[Heartbeat]:
    """Every stage that lives."""
    return [decode_heartbeat(stored) async for stored in stream.keys(subjects.SENSORS)]


def mode_of(beats: list[Heartbeat]) -> str:
    """``shadow`` or ``armed``, as the decider says; ``unknown`` without one."""
    return next((str(beat.figures["mode"]) for beat in beats if beat.stage == "decide"), "unknown")


def _workers(settings: Config) -> int:
    return wiring.workers_of(settings, os.cpu_count() or 1)


def _foreground(settings: Config, *, arm: bool) -> None:
    from propolis.console import first_password  # noqa: PLC0415 - only a start needs it

    notes.open_log(json=settings.host.log_json)
    if not os.environ.get(QUIET):
        # in a process of its own: what it loads would stay with the supervisor for as long as that runs
        checked = subprocess.run(
            [sys.executable, "-m", "propolis", "check", "--config", str(settings.path)],
            check=False,
            stdout=subprocess.DEVNULL,
        )
        if checked.returncode:
            sys.exit(checked.returncode)
        mode = "armed" if arm else "as before (at first: shadow)"
        _banner(settings, password=first_password(settings.state), mode=mode)

    async def work() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(supervisor.supervise(settings, SystemClock(), _workers(settings)))
            if arm:
                tasks.create_task(_arm_when_ready(settings))

    try:
        uvloop.run(wiring.until_signal(work()))
    except BaseExceptionGroup as group:
        mistakes, faults = group.split(PropolisError)
        if faults is not None:
            raise
        raise PropolisError("; ".join(str(error) for error in wiring.leaves(mistakes))) from group


def _background(settings: Config) -> "subprocess.Popen[bytes]":
    settings.state.mkdir(parents=True, exist_ok=True, mode=0o750)
    log = settings.state / "propolis.log"
    with log.open("ab") as file:
        log.chmod(0o640)
        return subprocess.Popen(
            [sys.executable, "-m", "propolis", "up", "--config", str(settings.path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=file,
            start_new_session=True,
            env={**os.environ, QUIET: "1"},
        )


async def _await_ready(settings: Config, behind: "subprocess.Popen[bytes] | None", *, arm: bool) -> None:
    from propolis.console import first_password  # noqa: PLC0415 - only a start needs it

    with err.status("starting …"):
        beats = await _until_all_beat(settings, behind)
    if arm:
        async with connected(settings) as stream:
            await _arm(stream)
            beats = await heartbeats(stream)
    _banner(settings, password=first_password(settings.state), mode="armed" if arm else mode_of(beats))


async def _until_all_beat(
    settings: Config, behind: "subprocess.Popen[bytes] | None" = None
) -> list[Heartbeat]:
    """Their heartbeats once all stages have one. Raises when the process ``behind`` ends, or nothing comes of it."""
    expected = {
        "sensor": _workers(settings),
        "detect": settings.detection.workers,
        "decide": 1,
        "archive": 1,
        "console": 1,
    }
    expected["enforcer"] = len(settings.enforcers.run)
    deadline = time.monotonic() + READY_SECONDS
    missing: Any = list(expected)
    while time.monotonic() < deadline:
        await asyncio.sleep(0.2)
        if behind is not None and behind.poll() is not None:
            raise PropolisError(f"ended with {behind.returncode}; see {settings.state / 'propolis.log'}")
        if supervisor.running(settings.state) is None:
            continue
        try:
            async with connected(settings) as stream:
                beats = await heartbeats(stream)
        except StreamError:
            continue
        missing = [
            stage for stage, count in expected.items() if sum(beat.stage == stage for beat in beats) < count
        ]
        if not missing:
            return beats
    raise PropolisError(
        f"not ready after {READY_SECONDS:.0f} s: {', '.join(missing)}; see {settings.state / 'propolis.log'}"
    )


async def _arm_when_ready(settings: Config) -> None:
    await _until_all_beat(settings)
    async with connected(settings) as stream:
        await _arm(stream)


async def _arm(stream: Stream) -> None:
    try:
        await ask(stream, commands.Arm(by=who(), reason="started with --arm"))
    except PropolisError as error:
        if "already" not in str(error):
            raise


def _banner(settings: Config, *, password: str | None, mode: str) -> None:
    ports = ", ".join(
        f"{name} {'/'.join(map(str, lure.every_port))}" for name, lure in settings.lures.items()
    )
    out.print(f"\n[bold]Propolis[/] is up · mode [bold]{mode}[/]")
    out.print(f"  decoys     {ports}")
    out.print(
        f"  console    http://{settings.console.listen}"
        + (f"   first password: [bold]{password}[/]" if password else "")
    )
    out.print(f"  enforcers  {', '.join(settings.enforcers.run)}")
    out.print(f"  state      {settings.state}   log {settings.state / 'propolis.log'}")
    if mode != "armed":
        out.print(
            "  Nothing is blocked in shadow mode: `propolis decisions list` says what would have been,"
            " `propolis defence arm` arms."
        )
    if "dry-run" in settings.enforcers.run:
        why = (
            "this user is not root"
            if os.geteuid()
            else "nftables is missing"
            if not shutil.which("nft")
            else "the configuration says so"
        )
        out.print(f"  The dry-run enforcer only pretends ({why}); name nftables in enforcers.run to block.")
