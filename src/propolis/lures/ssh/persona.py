"""What one real sshd says and shows, as :mod:`propolis.lures.ssh.record` took it down."""

from functools import lru_cache
from importlib import resources

import msgspec

DEFAULT = "debian12"


class Algorithms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The name-lists of the server's KEXINIT (RFC 4253, 7.1), in order; both directions offer the same."""

    key_exchange: tuple[str, ...]
    host_key: tuple[str, ...]
    cipher: tuple[str, ...]
    mac: tuple[str, ...]
    compression: tuple[str, ...]


class Texts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything the server says in words; ``{}`` stands for what the client caused."""

    invalid_identification: str
    major_differs: str
    bad_padding: str
    bad_packet_type: str
    bad_service: str
    strict_violation: str
    strict_first: str
    too_many_failures: str
    changed_user: str
    unknown_data_channel: str
    unknown_eof_channel: str
    unknown_close_channel: str
    unknown_request_channel: str
    no_more_sessions: str
    open_failed: str
    forwarding_disabled: str
    tunnel_rejected: str
    second_terminal: str


class Persona(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One recorded server.

    ``identification`` is the first line without its end; ``extensions`` the name and value pairs of EXT_INFO
    (RFC 8308) in order; ``window`` and ``packet`` bytes per channel; ``groups`` Diffie-Hellman moduli of the
    group exchange (RFC 4419) as hexadecimal, all with generator 2; ``files`` texts by path, ``listings`` names
    by folder and ``commands`` the programs there are.
    """

    name: str
    identification: str
    algorithms: Algorithms
    extensions: tuple[tuple[str, str], ...]
    methods: tuple[str, ...]
    max_tries: int
    max_sessions: int
    window: int
    packet: int
    texts: Texts
    groups: tuple[str, ...]
    files: dict[str, str]
    listings: dict[str, tuple[str, ...]]
    commands: frozenset[str]


@lru_cache(maxsize=16)
def load(name: str) -> Persona:
    """The persona of that name, or the default one for a name that was recorded for other protocols only.

    Raises ``msgspec.ValidationError`` for a file that the recorder did not write.
    """
    folder = resources.files("propolis.lures").joinpath("personas", "ssh")
    file = folder.joinpath(f"{name}.json")
    if not name.isalnum() or not file.is_file():
        file = folder.joinpath(f"{DEFAULT}.json")
    return msgspec.json.decode(file.read_bytes(), type=Persona)
