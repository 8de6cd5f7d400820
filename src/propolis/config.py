"""One TOML file, every key with a default; ``propolis check`` validates it.

``docs/reference/settings.md`` is made from this module.
"""

import ipaddress
import socket
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from propolis.errors import ConfigError

Seconds = Annotated[float, Meta(gt=0)]
Positive = Annotated[int, Meta(ge=1)]
Port = Annotated[int, Meta(ge=1, le=65_535)]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file; an unknown key is refused."""


class Stream(_Section, frozen=True, kw_only=True):
    """Where events, findings and decisions travel."""

    url: Annotated[
        str, Meta(description="JetStream servers, comma-separated; empty: start the embedded server")
    ] = ""
    listen: Annotated[
        str, Meta(description="address and port of the embedded server; widen it to let other hosts in")
    ] = "127.0.0.1:4222"
    credentials: Annotated[
        str, Meta(description="file with an NKEY seed; empty: the embedded server's own")
    ] = ""
    lanes: Annotated[
        Literal[1, 2, 4, 8, 16, 32, 64],
        Meta(
            description="subjects per event class, each a group of the 64 shards: how many detectors can share the work"
        ),
    ] = 2
    replicas: Annotated[Literal[1, 3, 5], Meta(description="copies of each stream in a cluster")] = 1
    max_bytes: Annotated[Positive, Meta(description="bytes of events kept; the oldest go first")] = (
        4_000_000_000
    )
    max_age_seconds: Annotated[Seconds, Meta(description="how long events are kept")] = 7 * 86_400.0


class Sensors(_Section, frozen=True, kw_only=True):
    """The only listening sockets, and what an attacker may cost."""

    name: Annotated[
        str, Meta(description="this sensor's name; empty: the host's name", pattern=r"^[A-Za-z0-9_-]{0,64}$")
    ] = ""
    workers: Annotated[
        int, Meta(ge=0, le=64, description="processes that share each port; 0: one for every two cores")
    ] = 0
    max_connections: Annotated[
        Positive, Meta(description="open connections per worker; beyond it the longest idle one goes")
    ] = 8_000
    max_connections_per_source: Annotated[
        Positive, Meta(description="open connections of one source per worker")
    ] = 128
    max_bytes_in: Annotated[
        Positive, Meta(description="bytes read from one connection before it is closed")
    ] = 1_048_576
    idle_seconds: Annotated[Seconds, Meta(description="silence after which a connection is closed")] = 30.0
    max_seconds: Annotated[Seconds, Meta(description="longest life of a connection")] = 300.0
    journal_bytes: Annotated[
        Positive,
        Meta(
            description="disk for events the stream has not taken yet; beyond it the oldest are dropped and counted"
        ),
    ] = 256_000_000
    proxies: Annotated[
        tuple[str, ...],
        Meta(description="networks whose PROXY protocol header (v1 or v2) is required and believed"),
    ] = ()
    persona: Annotated[str, Meta(description="what this sensor pretends to be")] = "debian12"


class Lure(_Section, frozen=True, kw_only=True):
    """Where one lure listens."""

    ports: Annotated[tuple[Port, ...], Meta(description="TCP ports")] = ()
    tls_ports: Annotated[tuple[Port, ...], Meta(description="TCP ports where TLS is in front of it")] = ()
    addresses: Annotated[tuple[str, ...], Meta(description="local addresses")] = ("0.0.0.0", "::")

    @property
    def every_port(self) -> tuple[int, ...]:
        """Where it listens, in clear and behind TLS."""
        return self.ports + self.tls_ports


class Flaws(_Section, frozen=True, kw_only=True):
    """Vulnerability lures: where they come from, whose are believed, and what the decoys pretend to run."""

    packs: Annotated[
        str, Meta(description="folder of further lure files; empty: only built-in and pushed ones")
    ] = ""
    trusted: Annotated[
        tuple[str, ...],
        Meta(description="public keys whose pushed lures go live; empty: only this installation's own"),
    ] = ()
    key: Annotated[
        str,
        Meta(description="private key that `propolis lures push` signs with; empty: the installation's own"),
    ] = ""
    products: Annotated[
        tuple[str, ...],
        Meta(
            description="products that are always played; empty: a few that go together, drawn for each port"
        ),
    ] = ()
    rotate_seconds: Annotated[Seconds, Meta(description="how long a port plays the same products")] = (
        30 * 86_400.0
    )
    draft_url: Annotated[
        str,
        Meta(description="base URL of a language model's OpenAI-compatible API, for `propolis lures draft`"),
    ] = ""
    draft_model: Annotated[str, Meta(description="its model")] = ""
    draft_key: Annotated[str, Meta(description="file with the key to its API; empty: it wants none")] = ""


class Detection(_Section, frozen=True, kw_only=True):
    """Workers that judge events."""

    workers: Annotated[
        int, Meta(ge=1, le=64, description="processes; more than there are lanes are spares")
    ] = 1
    rules: Annotated[str, Meta(description="folder of further rules; empty: only the built-in ones")] = ""
    yara: Annotated[
        str, Meta(description="folder of YARA rules over what is sent; empty: none, and no memory for it")
    ] = ""
    checkpoint_seconds: Annotated[
        Seconds, Meta(description="how often state is stored with its sequence")
    ] = 5.0
    max_sources: Annotated[
        Positive, Meta(description="sources tracked per lane; the longest silent is forgotten first")
    ] = 131_072


class PolicyLine(_Section, frozen=True, kw_only=True):
    """Findings of at least this grade and confidence get this action."""

    grade: Annotated[
        Literal["seen", "scan", "attempt", "confirmed"],
        Meta(description="least grade; in order: seen, scan, attempt, confirmed"),
    ]
    action: Annotated[
        Literal["monitor", "count", "rate-limit", "challenge", "block"],
        Meta(
            description="what is done about the source, mildest first: monitor, count, rate-limit, challenge, block"
        ),
    ]
    ttl_seconds: Annotated[Seconds, Meta(description="how long, before the ladder lengthens it")]
    confidence: Annotated[int, Meta(ge=0, le=100, description="least confidence")] = 0
    rule: Annotated[str, Meta(description="name of the rule or behaviour; `*` is any")] = "*"


class NeverBlock(_Section, frozen=True, kw_only=True):
    """An address, prefix or host name that is never acted against, with who asked for it and until when."""

    target: Annotated[str, Meta(description="address, prefix, or host name that is resolved now and then")]
    owner: Annotated[str, Meta(description="who asked for it")]
    until: Annotated[str, Meta(description="RFC 3339 date; empty: for good")] = ""


class Decisions(_Section, frozen=True, kw_only=True):
    """Who is acted against, for how long, and what keeps that safe."""

    policy: Annotated[
        tuple[PolicyLine, ...],
        Meta(
            description="the first line that fits decides: rule (name or *), grade, confidence, action, ttl_seconds"
        ),
    ] = (
        PolicyLine(grade="confirmed", action="block", ttl_seconds=3_600.0),
        PolicyLine(grade="attempt", confidence=70, action="block", ttl_seconds=600.0),
        PolicyLine(grade="scan", confidence=90, action="block", ttl_seconds=180.0),
        PolicyLine(grade="seen", action="monitor", ttl_seconds=60.0),
    )
    ladder: Annotated[
        tuple[Annotated[float, Meta(ge=1)], ...],
        Meta(
            description="how much longer a target that comes back is held: factors of the policy's ttl_seconds"
        ),
    ] = (1.0, 3.0, 12.0, 48.0)
    ladder_memory_seconds: Annotated[
        Seconds, Meta(description="how long an expired target counts as one that came back")
    ] = 86_400.0
    max_ttl_seconds: Annotated[Seconds, Meta(description="no decision lasts longer")] = 86_400.0
    never_block: Annotated[
        tuple[NeverBlock, ...],
        Meta(
            description="target, owner, until; own addresses, gateways and resolvers are added by themselves"
        ),
    ] = ()
    max_prefix_v4: Annotated[
        int, Meta(ge=8, le=32, description="widest IPv4 prefix that may be acted against")
    ] = 24
    max_prefix_v6: Annotated[
        int, Meta(ge=16, le=128, description="widest IPv6 prefix that may be acted against")
    ] = 48
    max_blocks_per_minute: Annotated[
        Positive, Meta(description="budget: further blocks are refused and an alarm is told")
    ] = 3_000
    max_active: Annotated[Positive, Meta(description="decisions in force at once")] = 200_000
    allow_private: Annotated[
        bool,
        Meta(
            description="whether special-purpose addresses and neighbours on own networks may be acted against"
        ),
    ] = False


class Nftables(_Section, frozen=True, kw_only=True):
    """The kernel of this host, or of one network namespace."""

    table: Annotated[
        str, Meta(description="own table of the inet family", pattern=r"^[a-z][a-z0-9_]{0,30}$")
    ] = "propolis"
    namespace: Annotated[str, Meta(description="network namespace by name; empty: the one we run in")] = ""
    priority: Annotated[
        int, Meta(ge=-400, le=400, description="priority of the input and forward hooks")
    ] = -10


class FileList(_Section, frozen=True, kw_only=True):
    """A flat list for whatever reads one."""

    path: Annotated[str, Meta(description="one target a line; replaced atomically")] = "blocked.txt"


class Enforcers(_Section, frozen=True, kw_only=True):
    """What agrees the world with the decisions."""

    run: Annotated[
        tuple[str, ...],
        Meta(description="enforcers that `propolis up` starts on this host"),
    ] = ("dry-run",)
    reconcile_seconds: Annotated[
        Seconds, Meta(description="how often the world is read back whole and drift is measured")
    ] = 30.0
    nftables: Nftables = Nftables()
    file: FileList = FileList()


class Lake(_Section, frozen=True, kw_only=True):
    """Every event as Parquet, by class and hour."""

    path: Annotated[str, Meta(description="folder, relative to host.state")] = "lake"
    flush_seconds: Annotated[
        Seconds, Meta(description="how long a batch may wait in the stream before it is a file")
    ] = 30.0
    flush_rows: Annotated[Positive, Meta(description="rows that make a file sooner")] = 200_000
    max_age_seconds: Annotated[Seconds, Meta(description="files older than this are removed")] = 90 * 86_400.0
    max_bytes: Annotated[Positive, Meta(description="beyond it the oldest files are removed")] = (
        50_000_000_000
    )


class Console(_Section, frozen=True, kw_only=True):
    """The page and the API in front of people."""

    listen: Annotated[
        str, Meta(description="address and port; loopback unless you put a TLS proxy before it")
    ] = "127.0.0.1:8765"
    hosts: Annotated[
        tuple[str, ...], Meta(description="further host names under which the console may be asked for")
    ] = ()
    proxies: Annotated[
        tuple[str, ...],
        Meta(description="networks of TLS proxies whose X-Forwarded-Proto and X-Forwarded-For are believed"),
    ] = ()


class Host(_Section, frozen=True, kw_only=True):
    """This machine."""

    name: Annotated[
        str,
        Meta(
            description="name in findings and acknowledgements; empty: the host's name",
            pattern=r"^[A-Za-z0-9_-]{0,64}$",
        ),
    ] = ""
    state: Annotated[str, Meta(description="folder of everything that is kept, relative to this file")] = (
        "var"
    )
    log_json: Annotated[bool, Meta(description="notes as JSON lines")] = False


class Config(_Section, frozen=True, kw_only=True):
    """The whole file."""

    host: Host = Host()
    stream: Stream = Stream()
    sensors: Sensors = Sensors()
    lures: Annotated[
        dict[str, Lure],
        Meta(
            description="one table a lure: http, redis, ssh, tcp, telnet; name one and only those named run"
        ),
    ] = msgspec.field(
        default_factory=lambda: {
            "http": Lure(ports=(80, 8080), tls_ports=(443, 8443)),
            "redis": Lure(ports=(6379,)),
            "ssh": Lure(ports=(22,)),
            "tcp": Lure(ports=(21, 445, 3306, 5432)),
            "telnet": Lure(ports=(23,)),
        }
    )
    flaws: Flaws = Flaws()
    detection: Detection = Detection()
    decisions: Decisions = Decisions()
    enforcers: Enforcers = Enforcers()
    lake: Lake = Lake()
    console: Console = Console()
    path: Path = Path("propolis.toml")

    @property
    def state(self) -> Path:
        """The folder of everything that is kept, absolute."""
        return (self.path.parent / self.host.state).resolve()

    @property
    def host_name(self) -> str:
        """How this host calls itself: subject-safe."""
        return (
            self.host.name
            or "".join(c if c.isalnum() or c in "_-" else "-" for c in socket.gethostname())[:64]
        )

    @property
    def sensor_name(self) -> str:
        """How this sensor calls itself."""
        return self.sensors.name or self.host_name


def load(path: Path) -> Config:
    """Read and validate the file. Raises :class:`ConfigError` with file, key and cure for the first fault."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            path, "", f"cannot be read ({error.strerror}); name another file with --config"
        ) from error
    return parse(text, path)


def parse(text: bytes, path: Path) -> Config:
    """The file's text to a validated :class:`Config`; errors as :func:`load`."""
    try:
        tree: dict[str, Any] = msgspec.toml.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError(path, "", f"is not TOML: {error}") from error
    if "path" in tree:
        raise ConfigError(path, "path", "is not a setting; remove it")
    lures = tree.get("lures")
    for name, table in lures.items() if isinstance(lures, dict) else ():
        _convert(
            table, Lure, path, f"lures.{name}"
        )  # alone, because msgspec's path has "..." for a dictionary's key
    config = _convert({**tree, "path": str(path)}, Config, path, "")
    _check(config)
    return config


_Table = TypeVar("_Table", bound=_Section)


def _convert(tree: Any, kind: type[_Table], path: Path, key: str) -> _Table:
    try:
        return msgspec.convert(tree, kind, dec_hook=_hook)
    except msgspec.ValidationError as error:
        why, _, where = str(error).partition(" - at ")
        place = (key + where.strip("`").removeprefix("$")).removeprefix(".")
        raise ConfigError(path, place or "(top level)", _cure(why)) from error


def _hook(kind: type, value: Any) -> Any:
    return Path(value) if kind is Path else value


def _cure(why: str) -> str:
    if why.startswith("Object contains unknown field"):
        return f"unknown key {why.split('`')[1]!r}; remove it or see `propolis check --settings`"
    return why[0].lower() + why[1:]


def _check(config: Config) -> None:
    seen: dict[int, str] = {}
    for name, lure in config.lures.items():
        for address in lure.addresses:
            _ip(config.path, f"lures.{name}.addresses", address)
        for key, ports in (("ports", lure.ports), ("tls_ports", lure.tls_ports)):
            for port in ports:
                if port in seen:
                    raise ConfigError(
                        config.path,
                        f"lures.{name}.{key}",
                        f"port {port} is already lures.{seen[port]}'s; give it to one",
                    )
                seen[port] = name
    for key, listen in (("stream.listen", config.stream.listen), ("console.listen", config.console.listen)):
        host_port(listen, config.path, key)
    for key, networks in (
        ("sensors.proxies", config.sensors.proxies),
        ("console.proxies", config.console.proxies),
    ):
        for index, network in enumerate(networks):
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                cure = f"{error}; write a network such as 198.18.0.0/24"
                raise ConfigError(config.path, f"{key}[{index}]", cure) from error


def _ip(path: Path, key: str, text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError as error:
        raise ConfigError(path, key, f"{error}; write an IPv4 or IPv6 address") from error


def host_port(text: str, path: Path, key: str) -> tuple[str, int]:
    """``127.0.0.1:4222`` or ``[::1]:4222`` to its parts. Raises :class:`ConfigError`."""
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65_536:
        raise ConfigError(path, key, f"{text!r} is not address:port; write one such as 127.0.0.1:4222")
    host = host.strip("[]")
    _ip(path, key, host)
    return host, int(port)
