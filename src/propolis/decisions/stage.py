"""The decider as a stage: findings and commands in, the ledger and the ``decisions`` bucket out.

The ledger is written first and is the truth; the bucket is what enforcers watch, put right from the ledger at every
start. A finding that is delivered again changes nothing.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import assert_never

from propolis import findings
from propolis.clock import SECOND, Clock
from propolis.config import Config
from propolis.decisions import commands
from propolis.decisions.decider import Decider
from propolis.decisions.decision import Decision
from propolis.decisions.decision import encode as encode_decision
from propolis.decisions.guards import Drill
from propolis.decisions.lease import Lease, LeaseLost
from propolis.decisions.ledger import Decided, Entry, Expired, Extended, Revoked
from propolis.decisions.ledger import decode as decode_entry
from propolis.decisions.ledger import encode as encode_entry
from propolis.decisions.networks import Networks
from propolis.decisions.never_block import this_host, trusted_networks
from propolis.errors import CodecError, ConfigError
from propolis.findings import Finding
from propolis.notes import BadMessage, StageStarted, StandingBy, TrustedListStale, tell
from propolis.stream import (
    Pull,
    Pulse,
    Request,
    Stored,
    Stream,
    address_of,
    connect,
    delete_request,
    provision,
    put_request,
    subjects,
)

EXPIRE_SECONDS = 0.5
TRUSTED_SECONDS = 60.0
MAX_DRILL_SECONDS = 3_600.0


async def run(config: Config, clock: Clock) -> None:
    """Decide, until cancelled; stands by while another decider lives."""
    trusted_networks(
        config, clock.now(), this_host()
    )  # an operator's mistake is told before anything is waited for
    address = address_of(config)
    stream = await connect(address.url, "decide", credential=address.credential)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(stream.close)
        await provision(stream, config.stream)
        while True:
            lease = Lease(stream, config.host_name, clock)
            await lease.acquire()
            try:
                await _lead(config, stream, lease, clock)
            except* LeaseLost as lost:
                tell(StandingBy(stage="decide", why="; ".join(str(error) for error in lost.exceptions)))


async def _lead(config: Config, stream: Stream, lease: Lease, clock: Clock) -> None:
    """Decide from what the ledger says, as long as the lease is ours. Raises :class:`LeaseLost` in a group."""
    trusted = trusted_networks(config, clock.now(), this_host())
    decider = Decider(config.decisions, trusted)
    stage = Stage(config, stream, decider, lease, clock)
    pulse = Pulse(
        stream, clock, stage="decide", name=config.host_name, host=config.host_name, figures=stage.figures
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lease.keep())  # a long ledger takes longer to read than a lease lasts
        count = 0
        async for entry in read_ledger(stream):
            decider.recall(entry)
            count += 1
        await stage.protect(trusted)
        await stage.project_all()
        async with stream.answering(commands.SUBJECT, stage.command):
            detail = f"{decider.present.mode}, {count} entries of the ledger read"
            tell(StageStarted(stage="decide", detail=detail))
            for work in (stage.judge(), stage.expire(), stage.refresh_trusted(), pulse.run()):
                tasks.create_task(work)
            await asyncio.Event().wait()


async def read_ledger(stream: Stream, start: int = 1) -> AsyncIterator[Entry]:
    """Every entry the ledger keeps, oldest first; one that cannot be read is told and passed over."""
    async with contextlib.aclosing(stream.history(subjects.LEDGER, start=start)) as history:
        async for stored in history:
            try:
                yield decode_entry(stored.data)
            except CodecError as error:
                _tell_bad(stored, error)


def _findings(delivery: Stored) -> tuple[Finding, ...]:
    try:
        return findings.decode(delivery.data)
    except CodecError as error:
        _tell_bad(delivery, error)
        return ()


def _tell_bad(stored: Stored, error: CodecError) -> None:
    tell(BadMessage(stage="decide", subject=stored.subject, sequence=stored.sequence, why=str(error)))


class Stage:
    """Carries what a :class:`~propolis.decisions.decider.Decider` says to the stream."""

    def __init__(self, config: Config, stream: Stream, decider: Decider, lease: Lease, clock: Clock) -> None:
        self._config = config
        self._stream = stream
        self._decider = decider
        self._lease = lease
        self._clock = clock
        self._writing = asyncio.Lock()
        self._judged = 0

    async def judge(self) -> None:
        """Findings, in order, each message acknowledged when all that follows from it is stored."""
        pull = await Pull.durable(self._stream, subjects.FINDINGS, "decide", {"ack_wait": 10 * SECOND})
        async with contextlib.aclosing(pull):
            while True:
                for delivery in await pull.next():
                    found = _findings(delivery)
                    async with self._writing:
                        now = self._clock.now()
                        await self._write(
                            [entry for finding in found for entry in self._decider.judge(finding, now)]
                        )
                    self._judged += len(found)
                    await pull.acknowledge(delivery)

    async def expire(self) -> None:
        """End what has had its time."""
        while True:
            await asyncio.sleep(EXPIRE_SECONDS)
            async with self._writing:
                await self._write(self._decider.expire(self._clock.now()))

    async def refresh_trusted(self) -> None:
        """Look again at this host's own addresses and the names on the list: they change."""
        while True:
            await asyncio.sleep(TRUSTED_SECONDS)
            try:
                trusted = await asyncio.to_thread(
                    trusted_networks, self._config, self._clock.now(), this_host()
                )
            except ConfigError as error:
                tell(TrustedListStale(why=str(error)))
                continue
            await self.protect(trusted)

    async def protect(self, trusted: Networks) -> None:
        """Trust these networks from now on, and lift what is held against them."""
        async with self._writing:
            await self._write(self._decider.protect(trusted, self._clock.now()))

    async def project_all(self) -> None:
        """Make the bucket say what the ledger adds up to."""
        active = {decision.target.key: decision for decision in self._decider.present.in_state("active")}
        seen: dict[str, bytes] = {}
        async for stored in self._stream.keys(subjects.DECISIONS):
            seen[stored.subject.removeprefix(f"$KV.{subjects.DECISIONS}.")] = stored.data
        gone = [delete_request(subjects.DECISIONS, key) for key in seen.keys() - active.keys()]
        late = [decision for key, decision in active.items() if seen.get(key) != encode_decision(decision)]
        changed = [request for decision in late if (request := self._put(decision)) is not None]
        await self._stream.store_all([*gone, *changed])

    def figures(self) -> dict[str, object]:
        """For the heartbeat."""
        present = self._decider.present
        drill = self._decider.drill
        return {
            "mode": present.mode,
            "active": len(present.in_state("active")),
            "shadow": len(present.in_state("shadow")),
            "findings": self._judged,
            "unrecorded_refusals": self._decider.unrecorded,
            "drill": drill.network if drill and drill.until > self._clock.now() else "",
        }

    async def _write(self, entries: Sequence[Entry]) -> None:
        """Entries to the ledger in order, and behind each what it changes in the bucket; again until the stream has it.

        All are on their way at once, which saves a block the time of one write. Should the ledger not take its entry,
        it is sent until it does; what a crash then leaves in the bucket alone is lifted at the next start.
        """
        if not entries:
            return
        await self._lease.assure()
        requests = []
        for entry in entries:
            requests.append(
                Request(subjects.ledger(type(entry).__name__), encode_entry(entry), {"Nats-Msg-Id": entry.id})
            )
            change = self._change(entry)
            if change is not None:
                requests.append(change)
        await self._stream.store_all(requests)

    def _change(self, entry: Entry) -> Request | None:
        """What an entry changes in the bucket."""
        match entry:
            case Decided(decision=decision) | Extended(decision=decision) if decision.state == "active":
                return self._put(decision)
            case Revoked(target=target) | Expired(target=target):
                held = self._decider.present.held.get(target.key)
                return (
                    None
                    if held and held.state == "active"
                    else delete_request(subjects.DECISIONS, target.key)
                )
            case _:
                return None

    def _put(self, decision: Decision) -> Request | None:
        left = (decision.until - self._clock.now()) / SECOND
        if left <= 0:
            return None
        return put_request(
            subjects.DECISIONS, decision.target.key, encode_decision(decision), ttl_seconds=left + 1
        )

    async def command(self, request: bytes) -> bytes:
        """Do what an operator asks (:mod:`propolis.decisions.commands`), and say what came of it."""
        command = commands.decode_command(request)
        if isinstance(command, str):
            return commands.encode(commands.Answer(error=command))
        async with self._writing:
            answer = self._obey(command)
            await self._write(answer.entries)
        return commands.encode(commands.shortened(answer))

    def _obey(self, command: commands.Command) -> commands.Answer:
        now, decider = self._clock.now(), self._decider
        match command:
            case commands.Add():
                entries = decider.add(
                    command.target, command.ttl_seconds, command.reason, command.by, now, command.action
                )
                nothing = "held already for at least as long"
            case commands.Revoke():
                entries = decider.revoke(command.what, command.reason, command.by, now)
                nothing = f"nothing is held about {command.what!r}; see `propolis decisions list`"
            case commands.Arm():
                entries, nothing = decider.arm(command.by, command.reason, now), "armed already"
            case commands.StandDown():
                entries, nothing = decider.stand_down(command.by, command.reason, now), "stood down already"
            case commands.Rehearse():
                return self._rehearse(command, now)
            case _:
                assert_never(command)
        return commands.Answer(entries=entries, error="" if entries else nothing)

    def _rehearse(self, command: commands.Rehearse, now: int) -> commands.Answer:
        if command.seconds <= 0:
            self._decider.drill = None
            return commands.Answer()
        until = now + int(min(command.seconds, MAX_DRILL_SECONDS) * SECOND)
        try:
            self._decider.drill = Drill(command.network, command.enforcer, until)
        except ValueError as error:
            return commands.Answer(error=str(error))
        return commands.Answer()
