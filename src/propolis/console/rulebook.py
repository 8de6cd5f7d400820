"""The rules of this installation, read when somebody looks: the same book as a detector's, without its engine.

Detection (Hyperscan, numba, NumPy: some 150 MB) is loaded by the first who opens the page of rules, beside the loop.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from propolis.clock import SECOND, Clock
from propolis.config import Config
from propolis.console.known import FRESH_SECONDS, MAX_REFUSED
from propolis.errors import PropolisError, StreamError
from propolis.flaws.signature import RULE, trusted_keys
from propolis.notes import Note, RuleRefused
from propolis.stream import Stored, Stream, subjects

if TYPE_CHECKING:
    from propolis.detection.rulebook import LiveRule, Rulebook


class KnownRules:
    """``live``: every rule by id, as files and stream say. ``refused``: why, by id."""

    def __init__(self, config: Config, stream: Stream, clock: Clock) -> None:
        self._config = config
        self._stream = stream
        self._clock = clock
        self._book: Rulebook | None = None
        self._sequence = 0
        self._looked: int | None = None
        self._busy = asyncio.Lock()
        self.live: Mapping[str, LiveRule] = {}
        self.refused: dict[str, str] = {}

    async def refresh(self) -> None:
        """Look again if it is time to. A stream that is away leaves what is known."""
        now = self._clock.monotonic()
        if self._busy.locked() or (self._looked is not None and now - self._looked < FRESH_SECONDS * SECOND):
            return
        async with self._busy:
            self._looked = now
            if self._book is None:
                try:
                    self._book = await asyncio.to_thread(self._load)
                except PropolisError as error:
                    self.refused[""] = str(error)
                    return
                self.refused.pop("", None)
                self.live = dict(self._book.live)
            await self._read_stream(self._book)

    def _load(self) -> "Rulebook":
        from propolis.detection.rulebook import Rulebook  # noqa: PLC0415 - for those who open the page
        from propolis.detection.rules import load  # noqa: PLC0415 - the same

        rules = self._config.detection.rules
        folders = [(self._config.path.parent / rules).resolve()] if rules else []
        return Rulebook(load(*folders), lambda: trusted_keys(self._config))

    async def _read_stream(self, book: "Rulebook") -> None:
        history = self._stream.history(
            f"KV_{subjects.LURES}", subject=RULE.subject("*"), start=self._sequence + 1
        )
        try:
            pushed: list[Stored] = [stored async for stored in history]
        except StreamError:
            return  # the page says that the stream is lost
        if pushed:
            self._sequence = pushed[-1].sequence
            self._learn(await asyncio.to_thread(book.deliver, pushed))
            self.live = dict(book.live)

    def _learn(self, notes: list[Note]) -> None:
        for note in notes:
            name: str = getattr(note, "id", "")
            self.refused.pop(name, None)
            if isinstance(note, RuleRefused):
                self.refused[name] = note.why
        while len(self.refused) > MAX_REFUSED:
            del self.refused[next(iter(self.refused))]
