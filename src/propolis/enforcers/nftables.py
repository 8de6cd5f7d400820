"""nftables: drops in this host's kernel, or in one network namespace, in one table of our own.

Addresses are in the hash sets ``v4`` and ``v6``, prefixes in one hash set for every length in use (``v4net24``,
``v6net64``, …) looked up with the masked source. So an element costs the same however many there are, prefixes may lie
inside one another, each element ends by the kernel's own timeout, and what is read back is exactly what was written.
The price is one rule for every prefix length in use.
"""

import ipaddress
import socket
from collections import defaultdict
from collections.abc import Collection, Iterable
from itertools import islice
from pathlib import Path
from typing import ClassVar

import msgspec

from propolis import config
from propolis.clock import MILLISECOND, SECOND, Clock
from propolis.decisions import Target
from propolis.enforcers.active import Active, Progress, blocked_until
from propolis.enforcers.libnftables import Nft, RefusedError
from propolis.enforcers.namespace import inside
from propolis.enforcers.netlink import Reader
from propolis.errors import EnforcerError
from propolis.notes import WorldChanged, tell

HOOKS = ("input", "forward")
COUNTERS = ("v4", "v6", "v4net", "v6net")
CHANGES_PER_TRANSACTION = 8_192
"""Bounds how long the kernel is busy with one transaction of ours: about 50 ms."""
MAX_SINGLE_READS = 2_048
"""Beyond it the sets are read whole."""
MAX_TIMEOUT_SECONDS = 366 * 86_400
"""nft's language knows no much longer ones."""
PAD = 20 * MILLISECOND
"""The kernel counts in jiffies of up to 10 ms and rounds down, when written and when read; no block may end early."""
SLACK = SECOND
"""An element may outlive its decision by this much: what is adopted with such an end is left as it is."""

_SETS = {
    "v4",
    "v6",
    *(f"v4net{length}" for length in range(32)),
    *(f"v6net{length}" for length in range(128)),
}


class Change(msgspec.Struct, frozen=True):
    """One target's end in the kernel, as we know it and as it has to be (UTC nanoseconds); 0 is: not there."""

    target: Target
    held: int
    until: int


class Nftables:
    """Drops what active ``block`` decisions name, on the input and forward hooks; others are not its business."""

    name: ClassVar[str] = "nftables"
    enforces: ClassVar[bool] = True

    def __init__(self, settings: config.Enforcers, clock: Clock, state: Path) -> None:  # noqa: ARG002 - it keeps nothing: the kernel does
        self._settings = settings.nftables
        self._table = settings.nftables.table
        self._clock = clock
        self._opened: tuple[Nft, Reader] | None = None
        self._sets = {"v4", "v6"}
        self._held: dict[Target, int] = {}
        self._structure: tuple[bytes, ...] = ()
        self._progress = Progress()

    def open(self) -> None:
        """Make the table, or adopt the one that is there with everything in it.

        Raises :class:`~propolis.errors.EnforcerError` without library, rights or namespace.
        """
        self.close()
        self._opened = inside(self._settings.namespace, lambda: (Nft(), Reader(self._clock)))
        try:
            self._build()
        except EnforcerError as error:
            self.close()
            raise EnforcerError(
                f"{error}; run as root or with CAP_NET_ADMIN; if table inet {self._table} is somebody else's, "
                'set enforcers.nftables.table; or set enforcers.run = ["dry-run"]'
            ) from error

    def apply(self, active: Active, *, whole: bool = False) -> None:
        """Make the sets equal to the blocks in force; about 0.1 ms a change alone, 5 µs in bulk.

        Raises :class:`~propolis.errors.EnforcerError` when the kernel goes on refusing.
        """
        behind = None if whole else self._progress.behind(active)
        self._progress.lost()
        if behind is not None:
            try:
                self._carry_out(self._changes(active, behind))
            except RefusedError as why:
                # somebody took away what we had; every other refusal comes again from the repair
                tell(WorldChanged(enforcer=self.name, why=str(why)))
                behind = None
        if behind is None:
            self._repair(active)
        self._progress.reached(active)

    def read_back(self, targets: Collection[Target] | None = None) -> dict[Target, int]:
        """Elements the kernel holds while our rules stand as we made them; none when they do not.

        An end may read up to 20 ms late. O(targets), or O(elements) for all.
        """
        _, reader = self._kernel()
        if reader.structure(self._table, HOOKS) != self._structure:
            return {}
        if targets is not None and len(targets) <= MAX_SINGLE_READS:
            return self._read_some(reader, targets)
        held = self._read_all(reader)
        return held if targets is None else {target: held[target] for target in targets if target in held}

    def stopped(self) -> dict[str, int]:
        """Packets and bytes dropped since the table was made, as ``v4_packets``, ``v4_bytes``, ``v6net_packets``."""
        found = self._kernel()[1].counters(self._table)
        return {
            f"{name}_{unit}": count
            for name in COUNTERS
            for unit, count in zip(("packets", "bytes"), found.get(name, (0, 0)), strict=True)
        }

    def close(self) -> None:
        """Let go of the kernel; the table stays and goes on dropping."""
        if self._opened is not None:
            nft, reader = self._opened
            nft.close()
            reader.close()
        self._opened = None
        self._held.clear()
        self._progress.lost()

    def remove(self) -> None:
        """Delete the table; one that is not there is no error."""
        self._kernel()[0].run(f"add table inet {self._table}\ndelete table inet {self._table}")
        self._sets = {"v4", "v6"}
        self._held.clear()
        self._structure = ()
        self._progress.lost()

    def _kernel(self) -> tuple[Nft, Reader]:
        if self._opened is None:
            raise EnforcerError("nftables is not open")
        return self._opened

    def _build(self) -> None:
        """Make whatever is missing and set the rules anew in one transaction: no packet slips through between."""
        nft, reader = self._kernel()
        self._sets.update(_SETS.intersection(reader.sets(self._table)))
        # by itself, because it wakes a table that somebody put to sleep (dormant)
        nft.run(f"add table inet {self._table}")
        nft.run(ruleset(self._table, self._settings.priority, self._sets))
        self._structure = reader.structure(self._table, HOOKS)

    def _repair(self, active: Active) -> None:
        self._build()
        now = self._clock.now()
        held = self._read_all(self._kernel()[1])
        for target, until in held.items():
            wanted = blocked_until(active.get(target), now)
            held[target] = wanted if wanted <= until <= wanted + SLACK else until
        self._held = held
        self._carry_out(self._changes(active, {*held, *active}))

    def _changes(self, active: Active, targets: Iterable[Target]) -> list[Change]:
        now = self._clock.now()
        changes = []
        for target in targets:
            until = blocked_until(active.get(target), now)
            held = self._held.get(target, 0)
            if held + SLACK <= now:
                held = 0  # it has ended by itself; before that it may still be there, and adding alone not lengthen it
                self._held.pop(target, None)
            if until != held:
                changes.append(Change(target, held, until))
        return changes

    def _carry_out(self, changes: list[Change]) -> None:
        needed = {_place(change.target)[0] for change in changes if change.until} - self._sets
        if needed:
            self._sets |= needed
            self._build()
        nft, _ = self._kernel()
        queue = iter(changes)
        while chunk := list(islice(queue, CHANGES_PER_TRANSACTION)):
            nft.run(transaction(self._table, chunk, self._clock.now()))
            for change in chunk:
                if change.until:
                    self._held[change.target] = change.until
                else:
                    self._held.pop(change.target, None)

    def _read_some(self, reader: Reader, targets: Iterable[Target]) -> dict[Target, int]:
        asked: defaultdict[str, dict[bytes, Target]] = defaultdict(dict)
        for target in targets:
            name, key = _place(target)
            asked[name][key] = target
        return {
            keys[key]: until
            for name, keys in asked.items()
            for key, until in reader.held(self._table, name, tuple(keys)).items()
            if key in keys
        }

    def _read_all(self, reader: Reader) -> dict[Target, int]:
        return {
            target: until
            for name in sorted(self._sets)
            for key, until in reader.elements(self._table, name).items()
            if (target := _target(name, key)) is not None
        }


def ruleset(table: str, priority: int, sets: Iterable[str]) -> str:
    """The whole table but its elements, in nft's language; sets and counters that exist are left as they are."""
    lines = [f"add table inet {table}"]
    lines += [f"add counter inet {table} {name}" for name in COUNTERS]
    rules = []
    for name in sorted(sets):
        version, length = _shape(name)
        lines.append(f"add set inet {table} {name} {{ type ipv{version}_addr; flags timeout; }}")
        source = "ip saddr" if version == 4 else "ip6 saddr"
        mask = "" if length is None else f" & {_mask(version, length)}"
        rules.append(
            f"{source}{mask} @{name} counter name {name if length is None else name.partition('net')[0] + 'net'} drop"
        )
    for hook in HOOKS:
        chain = f"inet {table} {hook}"
        # a chain that exists cannot change its priority: it is replaced, whatever it looked like
        lines += [f"add chain {chain}", f"flush chain {chain}", f"delete chain {chain}"]
        lines.append(f"add chain {chain} {{ type filter hook {hook} priority {priority}; policy accept; }}")
        lines += [f"add rule {chain} {rule}" for rule in rules]
    return "\n".join(lines)


def transaction(table: str, changes: Iterable[Change], now: int) -> str:
    """Changes in nft's language, to be done at once.

    What is there, or should not be, is added, deleted and, if it goes on, added again: kernels before 6.12 do not give
    an element that exists a new end, and deleting one that has just ended by itself would spoil the transaction.
    """
    adds: defaultdict[str, list[str]] = defaultdict(list)
    deletes: defaultdict[str, list[str]] = defaultdict(list)
    again: defaultdict[str, list[str]] = defaultdict(list)
    for change in changes:
        name, _ = _place(change.target)
        element = change.target.value.partition("/")[0]
        timed = f"{element} timeout {_timeout((change.until or change.held) - now)}"
        adds[name].append(timed)
        if change.held:
            deletes[name].append(element)
            if change.until:
                again[name].append(timed)
    return "\n".join(
        f"{verb} element inet {table} {name} {{ {', '.join(elements)} }}"
        for verb, steps in (("add", adds), ("delete", deletes), ("add", again))
        for name, elements in steps.items()
    )


def _timeout(left_ns: int) -> str:
    milliseconds = min(-(-(max(left_ns, 0) + PAD) // MILLISECOND), MAX_TIMEOUT_SECONDS * 1_000)
    return f"{milliseconds // 1_000}s{milliseconds % 1_000}ms"


def _place(target: Target) -> tuple[str, bytes]:
    """The set a target belongs in, and its key there."""
    if target.kind == "address":
        address = ipaddress.ip_address(target.value)
        return f"v{address.version}", address.packed
    network = target.network
    return f"v{network.version}net{network.prefixlen}", network.network_address.packed


def _target(name: str, key: bytes) -> Target | None:
    """The target of an element; None for one that somebody else put there and that can match nothing."""
    version, length = _shape(name)
    if len(key) != (4 if version == 4 else 16):
        return None
    if length is None:
        # only IPv4 through inet_ntop, four times as fast: of some IPv6 addresses it writes another form than ours
        return Target(
            "address",
            socket.inet_ntop(socket.AF_INET, key) if version == 4 else str(ipaddress.ip_address(key)),
        )
    try:
        return Target("prefix", str(ipaddress.ip_network((key, length))))
    except ValueError:
        return None


def _shape(name: str) -> tuple[int, int | None]:
    """``v4`` is (4, None), ``v6net64`` (6, 64)."""
    version, _, length = name.removeprefix("v").partition("net")
    return int(version), int(length) if length else None


def _mask(version: int, length: int) -> str:
    return str(ipaddress.ip_network((0 if version == 4 else bytes(16), length)).netmask)
