"""What the page and the API share: the board, who is logged in, and the questions that only the stream can answer."""

import asyncio
from typing import Any

import msgspec

from propolis.clock import Clock
from propolis.config import Config
from propolis.console.board import Board
from propolis.console.evidence import Shown, show
from propolis.console.known import Known
from propolis.console.rulebook import KnownRules
from propolis.console.session import Attempts, Sessions
from propolis.decisions import Entry, about
from propolis.decisions.commands import SUBJECT, Answer, Command, decode_answer, encode
from propolis.decisions.stage import read_ledger
from propolis.detection.novelty import novel
from propolis.detection.novelty.novel import Queue
from propolis.errors import CodecError, StreamError
from propolis.findings import Finding
from propolis.stream import Stream, Unreachable, subjects

ANSWER_SECONDS = 5.0
MAX_TRAIL = 1_000
"""Entries about one decision that are read from the ledger."""


class Console(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a request may need. Made once, by the stage."""

    config: Config
    clock: Clock
    stream: Stream
    board: Board
    known: Known
    rules: KnownRules
    sessions: Sessions
    attempts: Attempts

    async def ask(self, command: Command) -> Answer:
        """Put a command to the decider. When it does not answer, the answer's ``error`` says so."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reply = await (await self.stream.ask_later(SUBJECT, encode(command)))
            return decode_answer(reply.data)
        except (Unreachable, TimeoutError):
            return Answer(
                error="the decider does not answer; is `propolis up` (or `propolis decide`) running?"
            )
        except msgspec.MsgspecError as error:
            return Answer(error=f"the decider's answer cannot be read: {error}; update this host")

    async def evidence(self, finding: Finding, number: int) -> Shown | None:
        """One piece of a finding's evidence, byte by byte; None if the stream does not keep it any more."""
        from propolis.hunting.evidence import event_of  # noqa: PLC0415 - Arrow, 40 MB, for those who open evidence

        event: dict[str, Any] | None = await event_of(self.stream, finding.evidence[number])
        return show(event) if event is not None else None

    async def queue(self) -> Queue:
        """What is new and spreading, as the archive said last; nothing if it did not, or the stream is away."""
        try:
            stored = await self.stream.get(subjects.NOVEL, subjects.QUEUE)
            return novel.decode(stored.data) if stored else Queue(0)
        except (StreamError, CodecError):
            return Queue(0)

    async def why(self, decision: str) -> tuple[Entry, ...]:
        """What the ledger says about a decision, oldest first: at hand, or read from the stream."""
        trail = self.board.why(decision)
        if trail:
            return trail
        try:
            entries = [entry async for entry in read_ledger(self.stream)]
        except Unreachable:
            return ()
        return tuple(about(entries, decision))[:MAX_TRAIL]
