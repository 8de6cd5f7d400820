"""Rules that are always current: what is pushed over the stream is judged by a moment later, without a restart.

A pushed rule is ``rule.<id>`` in the bucket ``lures``. Every detector watches it, verifies the signature, runs the
rule's own examples, compiles it beside the event loop, and swaps the rules between two batches; what each lane knows of
its sources goes on.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence

from propolis.config import Config
from propolis.detection.engine import Engine, Judging
from propolis.detection.rulebook import Rulebook
from propolis.flaws.follow import follow_pushed
from propolis.flaws.signature import RULE, trusted_keys
from propolis.flaws.standing import Refusals, Standing, most_hit
from propolis.notes import Note, RuleLive, RuleRefused, RuleRolledBack, tell
from propolis.stream import Delivery, Stream


class RuleFollower:
    """Keeps an engine's rules current; those it has now are the files'. ``on_change`` is called after each swap."""

    def __init__(
        self, config: Config, stream: Stream, engine: Engine, *, on_change: Callable[[], None] = lambda: None
    ) -> None:
        trusted_keys(config)  # a key that is none is the operator's mistake, and told before anything runs
        self._stream = stream
        self._engine = engine
        self._on_change = on_change
        self._caught_up = asyncio.Event()
        self._refused = Refusals()
        self._book = Rulebook(engine.rules, lambda: trusted_keys(config))
        self._sequence = 0

    async def run(self) -> None:
        """Follow the stream until cancelled."""
        await follow_pushed(self._stream, RULE, self._take, self._caught_up)

    async def catch_up(self, within_seconds: float) -> None:
        """Wait, while :meth:`run` runs, until all that was pushed before is live; not for longer than that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                await self._caught_up.wait()

    def standing(self, hits: Mapping[str, int]) -> Standing:
        """For the heartbeat: the rules that are live, up to where, what was refused, and findings by rule."""
        return Standing(
            live=len(self._engine.rules.rules),
            pushed=self._book.pushed,
            sequence=self._sequence,
            refused=self._refused.as_dict(),
            hits=most_hit(hits),
        )

    async def _take(self, deliveries: Sequence[Delivery]) -> None:
        notes, judging = await asyncio.to_thread(self._compiled, deliveries)
        if judging is not None:
            self._engine.adopt(judging)
        self._sequence = deliveries[-1].sequence
        for note in notes:
            if isinstance(note, RuleRefused):
                self._refused.refuse(note.id, note.why)
            elif isinstance(note, RuleLive | RuleRolledBack):
                self._refused.lift(note.id)
            tell(note)
        self._on_change()

    def _compiled(self, deliveries: Sequence[Delivery]) -> tuple[list[Note], Judging | None]:
        notes = self._book.deliver(deliveries)
        has_changed = any(isinstance(note, RuleLive | RuleRolledBack) for note in notes)
        return notes, self._engine.prepare(self._book.rules()) if has_changed else None
