"""How a product speaks TLS: its versions, ciphers, protocols and what it says to who does not, as it was recorded."""

from functools import cache
from typing import Literal, TypeAlias

import msgspec

from propolis.lures import persona
from propolis.sensors.tls.certificate import Habit

Version: TypeAlias = Literal["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One product's TLS, as :mod:`propolis.sensors.tls.record` took it down. ``recorded`` is in Unix seconds.

    ``certificate`` names the program whose self-signed certificate it usually has. ``ciphers`` are those of TLS 1.2 and
    older by OpenSSL's names, in its order of preference, which counts if ``is_server_order``. ``protocols`` are the
    ALPN names it knows, in its order; with ``refuses_protocols`` a client that offers only others is turned away.
    ``clear`` answers an HTTP request in clear text (``{date}`` is the date), empty if the connection just ends.
    ``noise`` answers what is no HTTP either; null if it takes it for HTTP and answers as it would without TLS.
    """

    product: str
    recorded: int
    certificate: Habit
    versions: tuple[Version, ...]
    ciphers: tuple[str, ...]
    is_server_order: bool
    has_tickets: bool
    protocols: tuple[str, ...]
    refuses_protocols: bool
    clear: str
    noise: str | None


_DEVICES = frozenset({"boa", "busybox", "goahead"})
"""Web servers of devices: those with TLS have it from OpenSSL with its own settings, as mini_httpd does."""


def kin(server: str) -> str:
    """The recorded profile that a server persona speaks TLS like: its own, a relative's, or the default persona's."""
    name = "mini_httpd" if server in _DEVICES else server
    return name if name in profiles() else persona.DEFAULT


def load(server: str) -> Profile:
    """The profile of this server persona, or of its kin."""
    return profiles()[kin(server)]


@cache
def profiles() -> dict[str, Profile]:
    """Every recorded profile by its name."""
    names = sorted(path.stem for path in (persona.FOLDER / "tls").glob("*.json"))
    return {name: persona.load("tls", name, Profile) for name in names}
