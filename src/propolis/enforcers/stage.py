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
    Refused,
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

    With an ``alias`` it carries out only what is decided for that name (a drill's own enforcer), nothing that is for
    all.
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
        for work in (publisher.run(), pulse.run(), stage.follow(pull), stage.tick(), stage.relist()):
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
        except (Unreachable, Refused) as error:
            stream.trouble(str(error))
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
        self._applied: dict[Target, Decision] = {}
        self._by_key: dict[str, tuple[int, Target]] = {}
        self._seen = 0
        self._drift = Drift()
        self._drifted = 0
        self._reconciled_at = 0
        self._was_cut_off = asyncio.Event()
        self.active = Active()
        self.pulse: Pulse | None = None

    async def catch_up(self, pull: Pull) -> None:
        """Learn everything in force before the world is touched: an empty set would open the door."""
        async with contextlib.aclosing(pull.backlog()) as backlog:
            async for deliveries in backlog:
                for delivery in deliveries:
                    self._learn(delivery)
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

    def relist_soon(self) -> None:
        """We were cut off and may have missed a key's end: compare with the whole bucket."""
        self._was_cut_off.set()

    async def relist(self) -> None:
        """Let go of what ended while we were cut off: its marker may be gone by now."""
        while True:
            await self._was_cut_off.wait()
            self._was_cut_off.clear()
            try:
                await self._compare_keys()
            except (Unreachable, Refused):
                self._was_cut_off.set()
                await asyncio.sleep(RETRY_SECONDS)

    async def _compare_keys(self) -> None:
        before = dict(self._by_key)
        present = {
            stored.subject.removeprefix(PREFIX) async for stored in self._stream.keys(subjects.DECISIONS)
        }
        async with self._busy:
            for key in before.keys() - present:
                if self._by_key.get(key) == before[key]:  # else it was decided anew while we looked
                    self._forget(key)
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
        key = delivery.subject.removeprefix(PREFIX)
        if is_marker(delivery.headers):
            self._forget(key)
            return
        try:
            decision = decode(delivery.data)
        except CodecError as error:
            note = BadMessage(
                stage="enforcer", subject=delivery.subject, sequence=delivery.sequence, why=str(error)
            )
            tell(note)
            return
        target = decision.target
        if not (self._name in decision.scope or (not self._only_named and decision.covers(self._name))):
            self.active.drop(target)
        elif self.active.put(decision):
            self._by_key[key] = delivery.sequence, target
        else:
            tell(NotHeld(enforcer=self._name, target=target.value, decision=decision.id))

    def _forget(self, key: str) -> None:
        """The key is gone: deleted, or past its time."""
        _, target = self._by_key.pop(key, (0, None))
        if target is not None:
            self.active.drop(target)

    def _apply(self, *, whole: bool = False) -> None:
        changed = self.active.since(self._seen) if not whole else None
        self._enforcer.apply(self.active, whole=whole)
        self._seen = self.active.version
        self._read_back(changed)

    def _read_back(self, changed: Collection[Target] | None) -> None:
        """Acknowledge what the world holds now, decision by decision; say so if it does not."""
        held = self._enforcer.read_back(changed)
        now = self._clock.now()
        for target in {*self.active, *self._applied} if changed is None else changed:
            decision, before = self.active.get(target), self._applied.get(target)
            if decision is None or not blocked_until(decision, now):
                if before is not None and target not in held:
                    del self._applied[target]
                    self._acknowledge(before, now, holds=False)
            elif target not in held:
                tell(NotHeld(enforcer=self._name, target=target.value, decision=decision.id))
            elif before is None or (before.id, before.revision) != (decision.id, decision.revision):
                self._applied[target] = decision
                if before is not None and before.id != decision.id:
                    self._acknowledge(before, now, holds=False)
                self._acknowledge(decision, now, holds=True)

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
