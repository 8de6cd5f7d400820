"""A detector as a stage: batches of the lanes it owns in, findings out."""

import asyncio
import contextlib
import gc
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

from propolis import findings
from propolis.clock import Clock
from propolis.config import Config
from propolis.detection.engine import Engine, Knowledge, State
from propolis.detection.files import Files, Folder
from propolis.detection.follow import RuleFollower
from propolis.detection.rules import load
from propolis.errors import CodecError
from propolis.events.canary import Mint
from propolis.events.interaction import decode
from propolis.findings import Finding
from propolis.flaws.follow import Follower, canary_key
from propolis.flaws.standing import RULES
from propolis.memory import give_back
from propolis.notes import BadMessage, LimitHit, StageStarted, tell
from propolis.stream import (
    LaneOwner,
    LostLane,
    Pulse,
    Refused,
    Stored,
    Stream,
    Unreachable,
    address_of,
    connect,
    provision,
)
from propolis.stream.lanes import TAKEOVER_SECONDS

MAX_FINDINGS_BYTES = 4 * 1024 * 1024
"""Bytes of what is found in one message: half of what the stream takes."""
RULES_SECONDS = 5.0
"""Patience for the rules that were pushed before; then the files' judge alone until they come."""


class Detecting:
    """The engine as the :class:`~propolis.stream.Work` of a lane."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self.rows = 0
        self.found = 0
        self.hits: Counter[str] = Counter()

    def fresh(self) -> State:
        """No source is known."""
        return self._engine.fresh()

    def load(self, data: bytes) -> State:
        """The state as it was stored; one that cannot be read (older software) begins anew."""
        try:
            return State.from_bytes(data, self._engine)
        except CodecError as error:
            tell(BadMessage(stage="detect", subject="state", sequence=0, why=str(error)))
            return self._engine.fresh()

    def dump(self, state: State) -> bytes:
        """The state as bytes."""
        return state.to_bytes()

    def step(self, message: Stored, state: State) -> tuple[bytes, State]:
        """One batch judged; a batch that cannot be read is told and passed over."""
        try:
            batch = decode(message.data)
        except CodecError as error:
            tell(
                BadMessage(stage="detect", subject=message.subject, sequence=message.sequence, why=str(error))
            )
            return b"", state
        found, state = self._engine.step(batch, state, self._clock.now(), message.sequence)
        self.rows += batch.num_rows
        self.found += len(found)
        self.hits.update(finding.rule for finding in found)
        return (_encoded(found) if found else b""), state


def _encoded(found: tuple[Finding, ...]) -> bytes:
    """Findings as one message; what is beyond its bound is told and dropped."""
    kept = found
    data = findings.encode(kept)
    while len(data) > MAX_FINDINGS_BYTES:
        kept = kept[: len(kept) // 2]
        data = findings.encode(kept)
    if len(kept) < len(found):
        cost = f"{len(found) - len(kept)} of {len(found)} findings of one message dropped"
        tell(LimitHit(stage="detect", limit="findings bytes", cost=cost))
    return data


async def run(config: Config, index: int, clock: Clock) -> None:
    """Judge the lanes the stream gives this worker, until cancelled."""
    folder = (config.path.parent / config.detection.rules).resolve() if config.detection.rules else None
    engine = Engine(load(*([folder] if folder else [])), max_sources=config.detection.max_sources)
    engine.warm()
    gc.collect()
    give_back()  # compiling patterns and kernels needs more than they are
    gc.freeze()  # kernels and patterns live as long as the process; looking at them again costs 100 ms a time
    address = address_of(config)
    stream = await connect(address.url, "detect", credential=address.credential)
    await provision(stream, config.stream)
    yara = await _scan(config, engine)
    work = Detecting(engine, clock)
    follower = await follow(config, stream, engine)
    owners = [
        LaneOwner(stream, lane, work, clock, checkpoint_seconds=config.detection.checkpoint_seconds)
        for lane in range(config.stream.lanes)
    ]

    def figures() -> dict[str, Any]:
        return {
            "lanes": [lane for lane, owner in enumerate(owners) if owner.owns],
            "rows": work.rows,
            "findings": work.found,
            "lures": len(follower.live),
            **rules.standing(work.hits).figure(RULES),
        }

    pulse = Pulse(
        stream,
        clock,
        stage="detect",
        name=f"{config.host_name}.{index}",
        host=config.host_name,
        figures=figures,
    )
    rules = RuleFollower(config, stream, engine, on_change=pulse.soon)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(stream.close)
        stack.push_async_callback(_store, owners)
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        tasks.create_task(pulse.run(), name="pulse")
        tasks.create_task(follower.run(), name="follow lures")
        if yara is not None:
            tasks.create_task(yara.follow(engine.scan_with), name="follow YARA rules")
        tasks.create_task(rules.run(), name="follow rules")
        await rules.catch_up(RULES_SECONDS)
        for lane, owner in enumerate(owners):
            turn = (lane - index) % config.detection.workers
            tasks.create_task(_own(owner, turn * TAKEOVER_SECONDS / 2), name=f"lane {lane}")
        tell(StageStarted(stage="detect", detail=f"worker {index}, {len(owners)} lanes"))
        await asyncio.Event().wait()


async def _scan(config: Config, engine: Engine) -> Folder | None:
    """Have the engine look for files with the YARA rules there are; the folder they are in, if one is named.

    Raises :class:`~propolis.errors.RuleError` for one that is not there.
    """
    if not config.detection.yara:
        return None
    folder = Folder((config.path.parent / config.detection.yara).resolve())
    rules = await asyncio.to_thread(folder.look)
    if rules is not None:
        engine.scan_with(Files(rules))
    return folder


async def follow(config: Config, stream: Stream, engine: Engine) -> Follower:
    """Have the engine know the lures there are, and each that is pushed, and the installation's canaries.

    Raises :class:`~propolis.flaws.file.FlawError` for a folder of lures that is not there.
    """
    mint: Mint | None = None

    def know() -> None:
        engine.know(Knowledge(follower.catalogue, mint))

    follower = Follower(config, stream, on_change=know)
    await follower.open()
    mint = Mint(await canary_key(stream))
    know()
    return follower


async def _own(owner: LaneOwner[State], after_seconds: float) -> None:
    """Workers reach first for different lanes."""
    await asyncio.sleep(after_seconds)
    await owner.run()


async def _store(owners: list[LaneOwner[State]]) -> None:
    for owner in owners:
        with contextlib.suppress(LostLane, Unreachable, Refused):
            await owner.store()
