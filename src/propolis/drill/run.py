"""A drill: attack the running decoys over loopback for real, follow every source to its block, and time each stage."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence

import msgspec

from propolis.clock import Clock
from propolis.decisions import Acknowledgement, commands, decode_acknowledgement
from propolis.drill.attacks import Attack
from propolis.errors import CodecError, PropolisError, StreamError
from propolis.measure import Spread, spread
from propolis.stream import Pull, Stream, subjects

ENFORCER = "drill"
NETWORKS = range(64, 127)
"""Second octets a drill draws from: 127.64.0.0/10, away from what services of this host use."""
MAX_SOURCES = 60_000
SPARE_SECONDS = 60.0
ANSWER_SECONDS = 5.0


class Plan(msgspec.Struct, frozen=True):
    """What to do: ``sources`` addresses, each one attack drawn from ``attacks``, ``rate`` a second.

    ``ports`` is lure to port; ``patience`` how many seconds to wait for the last blocks.
    """

    target: str
    attacks: tuple[Attack, ...]
    ports: dict[str, int]
    sources: int
    rate: float
    patience: float
    network: int


class Result(msgspec.Struct, frozen=True):
    """What came of a drill; spreads in milliseconds.

    ``sent_to_block``: first byte of the attack sent (by this process's clock) to read-back. ``stages`` as in
    :class:`propolis.measure.Report`. ``failed`` attacks could not connect; ``missed`` were not blocked in time.
    """

    enforcer: str
    sources: int
    failed: int
    blocked: int
    missed: tuple[str, ...]
    sent_to_block: Spread
    stages: dict[str, Spread]
    attacks: dict[str, Spread]


class Drill:
    """One run. ``on_progress`` is told how many sources are attacked and how many are blocked."""

    def __init__(
        self,
        stream: Stream,
        clock: Clock,
        plan: Plan,
        chance: random.Random,
        on_progress: Callable[[int, int], None],
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._plan = plan
        self._chance = chance
        self._on_progress = on_progress
        self._sent: dict[str, int] = {}
        self._kind: dict[str, str] = {}
        self._blocked: dict[str, Acknowledgement] = {}
        self._failed = 0
        self._all_blocked = asyncio.Event()
        self._all_sent = False

    async def run(self, enforcer: str) -> Result:
        """Carry the plan out; ``enforcer`` says what the blocks are. Raises :class:`PropolisError` if it may not."""
        plan = self._plan
        seconds = plan.sources / plan.rate + plan.patience + SPARE_SECONDS
        await self._rehearse(seconds)
        pull = await Pull.ephemeral(
            self._stream,
            subjects.CLOCK,
            {"deliver_policy": "new", "filter_subject": subjects.clock(ENFORCER)},
        )
        try:
            async with contextlib.aclosing(pull), asyncio.TaskGroup() as tasks:
                follow = tasks.create_task(self._follow(pull))
                await self._attack()
                self._check()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._all_blocked.wait(), plan.patience)
                follow.cancel()
        finally:
            await self._rehearse(0)
        return self._result(enforcer)

    async def _rehearse(self, seconds: float) -> None:
        command = commands.Rehearse(
            by="drill",
            reason="drill",
            network=f"127.{self._plan.network}.0.0/16",
            enforcer=ENFORCER,
            seconds=seconds,
        )
        future = await self._stream.ask_later(commands.SUBJECT, commands.encode(command))
        try:
            answer = commands.decode_answer((await asyncio.wait_for(future, ANSWER_SECONDS)).data)
        except (TimeoutError, StreamError) as error:
            raise PropolisError("no decider answers; is `propolis up` running?") from error
        if answer.error:
            raise PropolisError(answer.error)

    async def _attack(self) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        async with asyncio.TaskGroup() as tasks:
            for index, source in enumerate(self._sources()):
                due = start + index / self._plan.rate
                if due > loop.time():
                    await asyncio.sleep(due - loop.time())
                tasks.create_task(self._one(source, self._plan.attacks[index % len(self._plan.attacks)]))
        self._all_sent = True

    def _sources(self) -> Sequence[str]:
        numbers = self._chance.sample(range(256, 65_280), self._plan.sources)
        return [f"127.{self._plan.network}.{number >> 8}.{number & 255}" for number in numbers]

    async def _one(self, source: str, attack: Attack) -> None:
        self._kind[source] = attack.name
        self._sent[source] = self._clock.now()
        try:
            await attack.client(source, self._plan.target, self._plan.ports[attack.lure])
        except (OSError, TimeoutError):
            self._failed += 1
            del self._sent[source]
        self._on_progress(len(self._sent), len(self._blocked))

    async def _follow(self, pull: Pull) -> None:
        while True:
            for delivery in await pull.next():
                with contextlib.suppress(CodecError):
                    self._on_acknowledgement(decode_acknowledgement(delivery.data))

    def _on_acknowledgement(self, acknowledgement: Acknowledgement) -> None:
        if acknowledgement.holds and acknowledgement.target.value in self._kind:
            self._blocked.setdefault(acknowledgement.target.value, acknowledgement)
            self._on_progress(len(self._sent), len(self._blocked))
            self._check()

    def _check(self) -> None:
        if self._all_sent and self._blocked.keys() >= self._sent.keys():
            self._all_blocked.set()

    def _result(self, enforcer: str) -> Result:
        blocked = {source: ack for source, ack in self._blocked.items() if source in self._sent}
        kinds: dict[str, list[int]] = {}
        for source, ack in blocked.items():
            kinds.setdefault(self._kind[source], []).append(ack.applied - self._sent[source])
        acks = list(blocked.values())
        return Result(
            enforcer=enforcer,
            sources=self._plan.sources,
            failed=self._failed,
            blocked=len(blocked),
            missed=tuple(sorted(self._sent.keys() - blocked.keys())),
            sent_to_block=spread(ack.applied - self._sent[source] for source, ack in blocked.items()),
            stages={
                "detect": spread(ack.found - ack.first_packet for ack in acks),
                "decide": spread(ack.decided - ack.found for ack in acks),
                "enforce": spread(ack.applied - ack.decided for ack in acks),
                "total": spread(ack.applied - ack.first_packet for ack in acks),
            },
            attacks={kind: spread(times) for kind, times in sorted(kinds.items())},
        )
