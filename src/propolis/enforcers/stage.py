"""An enforcer as a stage: watches the decisions, makes the world agree, reads back, acknowledges, measures drift."""

import asyncio
import contextlib
from collections.abc import Collection
from contextlib import AsyncExitStack
from typing import Any

from propolis.clock import MILLISECOND, SECOND, Clock
from propolis.config import Config
from propolis.decisions import Acknowledgement, Decision, Target, decode, encode
from propolis.enforcers.active import Active, blocked_until
from propolis.enforcers.drift import Drift, drift
from propolis.enforcers.enforcer import Enforcer
from propolis.errors import CodecError
from propolis.notes import BadMessage, DriftSeen, NotHeld, StageStarted, tell
from propolis.stream import (
    Delivery,
    Parcel,
    Publisher,
    Pull,
    Pulse,
    Stream,
    Unreachable,
    address_of,
    connect,
    is_marker,
    subjects,
)
from propolis.stream.client import RETRY_SECONDS

TICK_SECONDS = 0.25
TOLERANCE_NS = 1_500 * MILLISECOND
PREFIX = f"$KV.{subjects.DECISIONS}."


async def run(config: Config, enforcer: Enforcer, clock: Clock, *, alias: str = "") -> None:
    """Enforce, until cancelled. Raises :class:`~propolis.errors.EnforcerError` when this machine cannot.

    With an ``alias`` it carries out only what is decided for that name (a drill's own enforcer), nothing that is for all.
    """
    name = alias or enforcer.name
    enforcer.open()
    address = address_of(config)
    stream = await connect(address.url, f"enforce {name}", credential=address.credential)
    publisher = Publisher(stream, clock)
    stage = Stage(config, enforcer, stream, publisher, clock, name=name, only_named=bool(alias))
    pulse = Pulse(
        stream,
        clock,
        stage="enforcer",
        name=f"{name}.{config.host_name}",
        host=config.host_name,
        figures=stage.figures,
    )
    stage.pulse = pulse
    async with AsyncExitStack() as stack:
        stack.callback(enforcer.close)
        stack.push_async_callback(stream.close)
        stream.on_back.add(stage.relist_soon)
        pull = await _watch(stream)
        await stage.catch_up(pull)
        tell(StageStarted(stage="enforcer", detail=f"{name}, {len(stage.active)} decisions in force"))
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        for work in (publisher.run(), pulse.run(), stage.follow(pull), stage.tick()):
            tasks.create_task(work)
        await asyncio.Event().wait()


async def _watch(stream: Stream) -> Pull:
    while True:
        try:
            return await Pull.ephemeral(
                stream,
                f"KV_{subjects.DECISIONS}",
                {"deliver_policy": "last_per_subject", "filter_subject": f"{PREFIX}>"},
            )
        except Unreachable:
            await asyncio.sleep(RETRY_SECONDS)


class Stage:
    """Keeps one enforcer's set and tells what came of it. All of it runs in one task at a time (:attr:`_busy`)."""

    def __init__(
        self,
        config: Config,
        enforcer: Enforcer,
        stream: Stream,
        publisher: Publisher,
        clock: Clock,
        *,
        name: str,
        only_named: bool = False,
    ) -> None:
        self._name = name
        self._only_named = only_named
        self._config = config
        self._enforcer = enforcer
        self._stream = stream
        self._publisher = publisher
        self._clock = clock
        self._busy = asyncio.Lock()
        self._applied: dict[Target, tuple[str, int]] = {}
        self._decided: dict[Target, Decision] = {}
        self._by_key: dict[str, Target] = {}
        self._seen = 0
        self._drift = Drift()
        self._drifted = 0
        self._reconciled_at = 0
        self._relist = False
        self.active = Active()
        self.pulse: Pulse | None = None

    async def catch_up(self, pull: Pull) -> None:
        """Learn everything in force before the world is touched: an empty set would open the door."""
        if pull.pending:
            while True:
                deliveries = await pull.next()
                for delivery in deliveries:
                    self._learn(delivery)
                if not pull.pending:
                    break
        self._apply(whole=True)

    async def follow(self, pull: Pull) -> None:
        """Every change, as it comes."""
        async with contextlib.aclosing(pull):
            while True:
                deliveries = await pull.next()
                async with self._busy:
                    for delivery in deliveries:
                        self._learn(delivery)
                    self._apply()

    async def tick(self) -> None:
        """End what has had its time, and now and then compare the whole world with the decisions."""
        every = int(self._config.enforcers.reconcile_seconds * SECOND)
        self._reconciled_at = self._clock.monotonic()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            async with self._busy:
                if self.active.expire(self._clock.now()):
                    self._apply()
                if self._clock.monotonic() - self._reconciled_at >= every:
                    self._reconcile()
                if self._relist:
                    await self._compare_keys()

    def relist_soon(self) -> None:
        """We were cut off and may have missed a key's end: compare with the whole bucket at the next tick."""
        self._relist = True

    async def _compare_keys(self) -> None:
        self._relist = False
        try:
            present = {
                stored.subject.removeprefix(PREFIX) async for stored in self._stream.keys(subjects.DECISIONS)
            }
        except Unreachable:
            self._relist = True
            return
        for key in self._by_key.keys() - present:
            self.active.drop(self._by_key.pop(key))
        self._apply()

    def figures(self) -> dict[str, Any]:
        """For the heartbeat."""
        return {
            "enforces": self._enforcer.enforces,
            "active": len(self.active),
            "acknowledged": len(self._applied),
            "waiting": self._publisher.waiting,
            "drift": {
                "missing": len(self._drift.missing),
                "orphan": len(self._drift.orphan),
                "wrong_until": len(self._drift.wrong_until),
                "repaired": self._drifted,
            },
        }

    def _learn(self, delivery: Delivery) -> None:
        if is_marker(delivery.headers):
            target = self._by_key.pop(delivery.subject.removeprefix(PREFIX), None)
            if target is not None:
                self.active.drop(target)
            return
        try:
            decision = decode(delivery.data)
        except CodecError as error:
            tell(
                BadMessage(
                    stage="enforcer", subject=delivery.subject, sequence=delivery.sequence, why=str(error)
                )
            )
            return
        if self._name in decision.scope or (not self._only_named and decision.covers(self._name)):
            self.active.put(decision)
            self._decided[decision.target] = decision
            self._by_key[decision.target.key] = decision.target
        else:
            self.active.drop(decision.target)

    def _apply(self, *, whole: bool = False) -> None:
        changed = self.active.since(self._seen) if not whole else None
        self._enforcer.apply(self.active, whole=whole)
        self._seen = self.active.version
        self._read_back(changed)

    def _read_back(self, changed: Collection[Target] | None) -> None:
        """Acknowledge what the world holds now, decision by decision; say so if it does not."""
        held = self._enforcer.read_back(changed)
        now = self._clock.now()
        for target in list(self._decided) if changed is None else changed:
            decision = self.active.get(target)
            if blocked_until(decision, now) and decision is not None:
                mark = (decision.id, decision.revision)
                if target not in held:
                    tell(NotHeld(enforcer=self._name, target=target.value, decision=decision.id))
                elif self._applied.get(target) != mark:
                    self._applied[target] = mark
                    self._acknowledge(decision, now, holds=True)
            elif target in self._applied and target not in held:
                del self._applied[target]
                self._acknowledge(self._decided.pop(target), now, holds=False)

    def _acknowledge(self, decision: Decision, now: int, *, holds: bool) -> None:
        offset, error = (self.pulse.offset, self.pulse.error) if self.pulse else (0, 0)
        name, host = self._name, self._config.host_name
        data = encode(
            Acknowledgement(
                decision=decision.id,
                revision=decision.revision,
                target=decision.target,
                rule=decision.rule,
                enforcer=name,
                host=host,
                holds=holds,
                first_packet=decision.first_packet,
                found=decision.found,
                decided=decision.decided,
                applied=now + offset,
                clock_error=error,
                enforces=self._enforcer.enforces,
            )
        )
        self._publisher.offer(
            Parcel(
                subjects.clock(name),
                f"{name}.{host}.{decision.id}.{decision.revision}.{'on' if holds else 'off'}",
                lambda: data,
            )
        )

    def _reconcile(self) -> None:
        self._reconciled_at = self._clock.monotonic()
        now = self._clock.now()
        self._drift = drift(self.active, self._enforcer.read_back(), now, TOLERANCE_NS)
        if self._drift:
            self._drifted += 1
            tell(
                DriftSeen(
                    enforcer=self._name,
                    missing=len(self._drift.missing),
                    orphan=len(self._drift.orphan),
                    wrong_until=len(self._drift.wrong_until),
                )
            )
            self._apply(whole=True)
