"""A catalogue that is always current: built-in lures, the operator's folder, and what is pushed over the stream.

A pushed lure is ``flaw.<id>`` in the bucket ``lures``: every process that holds a follower watches it, verifies the
signature, runs the lure's own tests, and swaps the catalogue for one that has it. All of that happens beside the event
loop, so no connection waits for it. What the bucket loses changes nothing: only a signed withdrawal takes a lure away.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence

from propolis.config import Config
from propolis.flaws.check import check
from propolis.flaws.file import Flaw, FlawError
from propolis.flaws.index import Catalogue
from propolis.flaws.shelf import Live, Prove, Shelf
from propolis.flaws.signature import LURE, Cargo, trusted_keys
from propolis.flaws.standing import Refusals, Standing
from propolis.notes import LureLive, LureRefused, LureRolledBack, Note, tell
from propolis.stream import Delivery, Pull, Refused, Stream, Unreachable, subjects
from propolis.stream.client import RETRY_SECONDS

FOLDER_SECONDS = 1.0
"""How often every file of the operator's folder is looked at."""
GLANCE_SECONDS = 0.1
"""How often the folder itself is: a file that comes or goes changes its time, and all are looked at at once."""


def prove(flaw: Flaw, text: str, file: str) -> None:
    """Run a flaw's own tests with the real engine. Raises :class:`FlawError` with the first that fails."""
    failures = check(flaw, text, file)
    if failures:
        raise FlawError(failures[0].file, failures[0].line, "", failures[0].why)


class Follower:
    """Keeps :attr:`catalogue` current. ``on_change`` is called in the event loop after each swap or refusal.

    ``live`` says of the catalogue's lures whence they are; ``sequence`` is the bucket's last message that was dealt
    with.
    """

    def __init__(
        self,
        config: Config,
        stream: Stream,
        *,
        prove: Prove = prove,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._config = config
        self._stream = stream
        self._on_change = on_change
        self._busy = asyncio.Lock()
        self._caught_up = asyncio.Event()
        self._refused = Refusals()
        self._shelf = Shelf.of(config, prove)
        self._looked_at = self._shelf.time()
        self.catalogue = Catalogue(())
        self.live: Mapping[str, Live] = {}
        self.sequence = 0

    async def open(self) -> None:
        """Have the files' lures. Raises :class:`FlawError` for no folder, ``ConfigError`` for a key that is none."""
        trusted_keys(self._config)
        await self._turn(self._shelf.look)

    async def run(self) -> None:
        """Follow the stream and the folder until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(
                follow_pushed(self._stream, LURE, self._take, self._caught_up), name="follow lures"
            )
            if self._config.flaws.packs:
                tasks.create_task(self._follow_folder(), name="follow lure files")

    async def catch_up(self, within_seconds: float) -> None:
        """Wait, while :meth:`run` runs, until all that was pushed before is live; not for longer than that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                await self._caught_up.wait()

    def standing(self) -> Standing:
        """For the heartbeat: how many are live, how many of them pushed, up to where, and what was refused."""
        return Standing(
            live=len(self.live),
            pushed=sum(lure.origin == "pushed" for lure in self.live.values()),
            sequence=self.sequence,
            refused=self._refused.as_dict(),
        )

    async def _take(self, deliveries: Sequence[Delivery]) -> None:
        await self._turn(lambda: self._shelf.deliver(deliveries), up_to=deliveries[-1].sequence)

    async def _follow_folder(self) -> None:
        is_gone = False
        while True:
            await self._until_due()
            try:
                await self._turn(self._shelf.look)
                is_gone = False
            except FlawError as error:
                if not is_gone:
                    self._tell([LureRefused(id="", why=str(error))])
                is_gone = True

    async def _until_due(self) -> None:
        """Until a file of the folder came or went, but no longer than :data:`FOLDER_SECONDS`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FOLDER_SECONDS):
                while self._shelf.time() == self._looked_at:  # noqa: ASYNC110 - a folder wakes nobody
                    await asyncio.sleep(GLANCE_SECONDS)
        self._looked_at = self._shelf.time()

    async def _turn(self, work: Callable[[], list[Note]], *, up_to: int = 0) -> None:
        """Let something happen to the shelf, and have its catalogue; both beside the event loop."""
        async with self._busy:
            notes, catalogue, live = await asyncio.to_thread(self._compiled, work)
            has_changed = bool(notes) or catalogue is not self.catalogue
            self.catalogue, self.live = catalogue, live
            self.sequence = max(self.sequence, up_to)
            self._tell(notes)
            if has_changed or up_to:
                self._on_change()

    def _compiled(self, work: Callable[[], list[Note]]) -> tuple[list[Note], Catalogue, Mapping[str, Live]]:
        notes = work()
        changed, removed = self._shelf.changes()
        if not changed and not removed:
            return notes, self.catalogue, self.live
        return notes, self.catalogue.replace(changed, removed), dict(self._shelf.live)

    def _tell(self, notes: Sequence[Note]) -> None:
        """Say what happened; that a lure is live goes without saying while the first ones are read."""
        for note in notes:
            if isinstance(note, LureRefused):
                self._refused.refuse(note.id, note.why)
            elif isinstance(note, LureLive | LureRolledBack):
                self._refused.lift(note.id)
                if not self._caught_up.is_set():
                    continue
            tell(note)


async def follow_pushed(
    stream: Stream,
    cargo: Cargo,
    take: Callable[[Sequence[Delivery]], Awaitable[None]],
    caught_up: asyncio.Event,
) -> None:
    """Give ``take`` every version that is pushed of a kind, in order, until cancelled.

    What was pushed before comes first and at once, so that of each id only the newest version need be read; then
    ``caught_up`` is set.
    """
    pull = await _watch(stream, cargo)
    async with contextlib.aclosing(pull):
        history = [delivery async for deliveries in pull.backlog() for delivery in deliveries]
        if history:
            await take(history)
        caught_up.set()
        while True:
            await take(await pull.next())


async def canary_key(stream: Stream) -> bytes:
    """The installation's key for canaries, which ``provision`` makes once; waits until it is there."""
    while True:
        try:
            stored = await stream.get(subjects.LURES, subjects.CANARY)
        except (Refused, Unreachable) as error:
            stream.trouble(str(error))
        else:
            if stored is not None:
                stream.well()
                return stored.data
            stream.trouble("it has no key for canaries yet; `propolis up` on the main host makes one")
        await asyncio.sleep(RETRY_SECONDS)


async def _watch(stream: Stream, cargo: Cargo) -> Pull:
    """Every kept version of everything that was pushed of a kind, and all that come."""
    while True:
        try:
            return await Pull.ephemeral(
                stream,
                f"KV_{subjects.LURES}",
                {"deliver_policy": "all", "filter_subject": cargo.subject("*")},
            )
        except (Unreachable, Refused) as error:
            stream.trouble(str(error))
            await asyncio.sleep(RETRY_SECONDS)
