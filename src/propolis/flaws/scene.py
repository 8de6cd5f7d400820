"""What an expression may know while one answer is made: who we pretend to be, who asks, what was said before."""

import hashlib
import random
import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Protocol

import msgspec

from propolis.clock import SECOND
from propolis.events import pack
from propolis.events.canary import Mint
from propolis.flaws.session import Session
from propolis.flaws.value import Value
from propolis.machine.host import Host, host_of

MAX_STEPS = 10_000
"""Function calls and joins of one answer."""
MAX_WORK_BYTES = 16_777_216
"""What all functions of one answer may be given."""

_UNSPECIFIED = b"\0" * 16


class Fields(Protocol):
    """A request, by the names of its fields."""

    def __getitem__(self, field: str) -> bytes | None:
        """A field's bytes, ``None`` if the request has no such field."""
        ...


class BudgetSpentError(Exception):
    """An evaluation would cost more than it may; the text that asked for it is empty."""


class Account(msgspec.Struct, frozen=True):
    """The user that a server runs its programs as, and where."""

    user: str
    number: int
    home: str
    folder: str
    os: str = "linux"


ACCOUNTS: dict[str, Account] = {
    "": Account("www-data", 33, "/var/www", "/var/www/html"),
    "tomcat": Account("tomcat", 998, "/var/lib/tomcat", "/var/lib/tomcat10"),
    "jetty": Account("jetty", 997, "/opt/jetty", "/opt/jetty"),
    "express": Account("node", 1000, "/usr/src/app", "/usr/src/app"),
    "python": Account("www-data", 33, "/var/www", "/srv/app"),
    "goahead": Account("root", 0, "/root", "/www/cgi-bin"),
    "boa": Account("root", 0, "/root", "/www/cgi-bin"),
    "mini_httpd": Account("root", 0, "/root", "/www/cgi-bin"),
    "iis": Account(
        r"iis apppool\defaultapppool", 0, r"C:\Users\DefaultAppPool", r"C:\inetpub\wwwroot", "windows"
    ),
}
"""Who a server persona runs as; ``""`` is any other."""


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """One sensor as one visitor sees it.

    ``seed`` is the sensor's and secret; ``ip`` its own address and ``source_ip`` the visitor's, in text; ``now`` UTC
    nanoseconds; ``random`` serves what nobody remembers (delays). :func:`scene` makes one.
    """

    seed: bytes
    machine: Host
    account: Account
    ip: str
    source_ip: str
    now: int
    random: random.Random
    mint: Mint

    @property
    def hostname(self) -> str:
        """The machine's name; one of Windows is in capitals, at most 15 characters (NetBIOS)."""
        return windows_name(self.machine) if self.account.os == "windows" else self.machine.name

    @property
    def source(self) -> bytes:
        """The visitor as 16 bytes."""
        return _packed(self.source_ip)


def windows_name(machine: Host) -> str:
    """What Windows setup calls a machine that nobody named."""
    return f"WIN-{machine.machine_id[:11].upper()}"


def scene(
    seed: bytes,
    *,
    server: str,
    ip: str,
    source_ip: str,
    now: int,
    chance: random.Random,
    mint: Mint,
    machine: Host | None = None,
) -> Scene:
    """The scene of a port's ``seed`` behind the server persona of that name, on this ``machine`` or one of its own."""
    return Scene(
        seed=seed,
        machine=machine or host_of(seed),
        account=ACCOUNTS.get(server, ACCOUNTS[""]),
        ip=ip,
        source_ip=source_ip,
        now=now,
        random=chance,
        mint=mint,
    )


class Chance:
    """A stream of bytes that is the same for the same sensor, source, lure and place; nobody else can foretell it."""

    def __init__(self, key: bytes, place: bytes) -> None:
        self._key = hashlib.blake2b(place, key=key, digest_size=32).digest()
        self._block = 0
        self._bytes = b""

    def take(self, count: int) -> bytes:
        """The next bytes."""
        while len(self._bytes) < count:
            counter = struct.pack("<Q", self._block)
            self._bytes += hashlib.blake2b(counter, key=self._key, digest_size=64).digest()
            self._block += 1
        taken, self._bytes = self._bytes[:count], self._bytes[count:]
        return taken

    def pick(self, alphabet: bytes, count: int) -> bytes:
        """So many characters of an alphabet of at most 64: the bias of two bytes is below one in a thousand."""
        drawn = self.take(2 * count)
        return bytes(
            alphabet[(drawn[2 * place] << 8 | drawn[2 * place + 1]) % len(alphabet)] for place in range(count)
        )


class Scope:
    """What the expressions of one answer read, and what they may still cost.

    ``values`` are this source's and this lure's: issued, extracted and captured texts by name. ``session`` is what we
    remember of the source; its uploads are read and added to.
    """

    __slots__ = ("_bytes", "_steps", "flaw", "request", "scene", "session", "values")

    def __init__(
        self,
        flaw: str,
        request: Fields,
        scene: Scene,
        values: Mapping[str, bytes],
        session: Session,
    ) -> None:
        self.flaw = flaw
        self.request = request
        self.scene = scene
        self.values = values
        self.session = session
        self._steps = MAX_STEPS
        self._bytes = MAX_WORK_BYTES

    def spend(self, work_bytes: int) -> None:
        """Account for one step that looks at so many bytes. Raises :class:`BudgetSpentError`."""
        self._steps -= 1
        self._bytes -= work_bytes
        if self._steps < 0 or self._bytes < 0:
            raise BudgetSpentError

    def read(self, name: str) -> Value:
        """A variable, a word of the persona, or a field of the request; empty text if there is none."""
        self.spend(0)
        value = self.values.get(name)
        if value is not None:
            return value
        if name == "host":
            return self.field("host") or self.scene.ip.encode()
        word = PERSONA_WORDS.get(name)
        return word(self.scene) if word else self.field(name)

    def field(self, name: str) -> bytes:
        """A field of the request; empty text if it has none."""
        return self.request[name] or b""

    def chance(self, place: bytes) -> Chance:
        """Randomness that stays the same for this source, lure and place."""
        scene = self.scene
        return Chance(scene.seed[:64], b"\0".join((scene.source, self.flaw.encode(), place)))


def uuid_of(data: bytes) -> str:
    """16 bytes as a version 4 UUID (RFC 9562, 5.4)."""
    bits = data.hex()
    return f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-{'89ab'[data[8] >> 6]}{bits[17:20]}-{bits[20:]}"


PERSONA_WORDS: MappingProxyType[str, Callable[[Scene], Value]] = MappingProxyType(
    {
        "folder": lambda scene: scene.account.folder.encode(),
        "home": lambda scene: scene.account.home.encode(),
        "hostname": lambda scene: scene.hostname.encode(),
        "ip": lambda scene: scene.ip.encode(),
        "kernel": lambda scene: scene.machine.kernel.encode(),
        "mac": lambda scene: scene.machine.mac.encode(),
        "now": lambda scene: scene.now // SECOND,
        "os": lambda scene: scene.account.os.encode(),
        "source_ip": lambda scene: scene.source_ip.encode(),
        "uptime": lambda scene: scene.machine.up_seconds(scene.now),
        "user": lambda scene: scene.account.user.encode(),
        "uuid": lambda scene: uuid_of(bytes.fromhex(scene.machine.machine_id)).encode(),
    }
)
"""Names that :meth:`Scope.read` answers from the scene."""


@lru_cache(maxsize=4_096)
def _packed(address: str) -> bytes:
    try:
        return pack(address)
    except ValueError:
        return _UNSPECIFIED  # a transport without addresses, as a pipe in a test has none
