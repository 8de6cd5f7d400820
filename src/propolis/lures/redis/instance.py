"""One sensor's Redis: what its persona leaves open, fixed by the sensor's seed and the clock, so no two look alike."""

import hashlib
import itertools
import random
from functools import lru_cache

from propolis.clock import SECOND
from propolis.lures.redis.persona import Table, table
from propolis.machine.host import Host

_DAY_SECONDS = 86_400
_RESTART_DAYS = (23, 90)
"""Between so many days the server is restarted: then its uptime begins anew, and its run id changes."""
_STARTED_SECONDS = 9
"""How long after the machine's start the server starts at the soonest."""
_PAGE = 4_096
_SECONDS_PER_CLIENT = (40, 400)


class Instance:
    """What stays while a server runs. Everything derives from the seed and the time; only client ids are counted."""

    __slots__ = (
        "_ids",
        "_machine",
        "_period",
        "_phase",
        "_seconds_per_client",
        "_seed",
        "commands",
        "memory_bytes",
        "process_id",
        "resident_bytes",
        "settings",
        "table",
        "used_bytes",
    )

    def __init__(self, persona: str, seed: bytes, machine: Host) -> None:
        self.table: Table = table(persona)
        self._seed = seed[:64]
        own = random.Random(hashlib.blake2b(self._seed, person=b"redis instance").digest())  # noqa: S311 - a look, not a secret
        self._period = own.randint(*_RESTART_DAYS) * _DAY_SECONDS
        self._phase = own.randrange(self._period)
        self._seconds_per_client = own.randint(*_SECONDS_PER_CLIENT)
        self._machine = machine
        self.memory_bytes = machine.memory_kib * 1_024
        self.used_bytes = 876_000 + own.randrange(0, 90_000, 8)
        self.resident_bytes = own.randint(2_600, 3_400) * _PAGE
        self.process_id = own.randint(410, 1_900)
        # the server keeps both in hash tables, whose order differs from start to start
        self.commands = tuple(
            own.sample(sorted(self.table.persona.commands), len(self.table.persona.commands))
        )
        self.settings = tuple(own.sample(sorted(self.table.persona.config), len(self.table.persona.config)))
        self._ids: itertools.count[int] | None = None

    def uptime_seconds(self, now: int) -> int:
        """How long the server runs at ``now`` (UTC nanoseconds)."""
        own = (now // SECOND + self._phase) % self._period + 1
        return min(own, self._machine.up_seconds(now) - _STARTED_SECONDS)

    def started(self, now: int) -> int:
        """When it was started, UTC seconds."""
        return now // SECOND - self.uptime_seconds(now)

    def identity(self, now: int, what: str) -> str:
        """A random id of 40 hexadecimal digits that the server made when it started (``run_id``)."""
        text = f"{what} {self.started(now)}".encode()
        return hashlib.blake2b(text, digest_size=20, key=self._seed).hexdigest()

    def next_client(self, now: int) -> int:
        """The id of one more client; others came before it, as many as came in the time that it runs."""
        if self._ids is None:
            self._ids = itertools.count(3 + self.uptime_seconds(now) // self._seconds_per_client)
        return next(self._ids)


@lru_cache(maxsize=256)
def instance(persona: str, seed: bytes, machine: Host) -> Instance:
    """The sensor's server on its machine, made once a process."""
    return Instance(persona, seed, machine)
