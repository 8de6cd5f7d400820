"""Where this installation's stream is, and as whom to speak to it."""

from pathlib import Path

import msgspec

from propolis.config import Config, host_port


class Address(msgspec.Struct, frozen=True):
    """Servers (comma-separated URLs) and the seed file, if any."""

    url: str
    credential: Path | None


def folder(config: Config) -> Path:
    """Where the embedded server keeps its store and credentials."""
    return config.state / "stream"


def address_of(config: Config) -> Address:
    """The cluster that ``stream.url`` names, or else the embedded server on this host."""
    own = folder(config) / "credentials" / "owner.nk"
    credential = (
        (config.path.parent / config.stream.credentials).resolve() if config.stream.credentials else None
    )
    if config.stream.url:
        return Address(config.stream.url, credential)
    host, port = host_port(config.stream.listen, config.path, "stream.listen")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return Address(f"nats://[{host}]:{port}" if ":" in host else f"nats://{host}:{port}", credential or own)
