"""How a product speaks TLS: its versions, ciphers, protocols and what it says to who does not, as it was recorded."""

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
    ``clear`` answers an HTTP request in clear text (``{date}`` is the date), empty if it just ends. ``noise`` answers
    what is no HTTP either; null if it takes it for HTTP and answers as it would without TLS.
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


def load(name: str) -> Profile:
    """The profile of this server persona; that of the default persona if it was not recorded."""
    return persona.load("tls", name, Profile)
