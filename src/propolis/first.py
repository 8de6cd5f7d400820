"""The first configuration file, fit for this host and this user; and the reference of every setting."""

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from propolis.config import Config

HIGH = 20_000
"""Added to a standard port that is taken, or that this user may not open."""


def write(path: Path) -> None:
    """Write a first configuration to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(enforcer="nftables" if can_enforce() else "dry-run"))


def text(enforcer: str) -> str:
    """The first configuration, with lure ports that can be opened here and now."""
    lines = [
        "# Written by the first `propolis up`. Every key and its default: `propolis check --settings`.",
        "",
        "[enforcers]",
        f'run = ["{enforcer}"]'
        + ("" if enforcer != "dry-run" else "  # only pretends: blocking needs root and nftables"),
        "",
    ]
    for name, lure in Config().lures.items():
        lines += [f"[lures.{name}]", _ports("ports", lure.ports)]
        lines += [_ports("tls_ports", lure.tls_ports)] if lure.tls_ports else []
        lines.append("")
    return "\n".join(lines)


def _ports(key: str, standard: tuple[int, ...]) -> str:
    ports = [port if can_listen(port) else port + HIGH for port in standard]
    moved = [port for port in standard if port not in ports]
    note = f"  # {', '.join(map(str, moved))} cannot be opened here" if moved else ""
    return f"{key} = {ports}{note}"


def can_enforce() -> bool:
    """Whether this user may change this host's packet filter with nftables."""
    return os.geteuid() == 0 and shutil.which("nft") is not None


def can_listen(port: int) -> bool:
    """Whether this user can open this TCP port on all addresses now."""
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((address, port))
        except OSError:
            return False
    return True


def settings_text() -> str:
    """Every setting, its default and its meaning, as text for a terminal."""
    return "\n".join(f"{key} = {default}\n    {meaning}" for key, default, meaning in settings())


def settings() -> Iterator[tuple[str, str, str]]:
    """Key, default as TOML, meaning; in the order of the file."""
    yield from _settings(Config, "")


def _settings(section: type[msgspec.Struct], prefix: str) -> Iterator[tuple[str, str, str]]:
    hints = get_type_hints(section, include_extras=True)
    for field in msgspec.structs.fields(section):
        kind = hints[field.name]
        if field.name == "path" and not prefix:
            continue
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield from _settings(kind, f"{prefix}{field.name}.")
            continue
        default = field.default if field.default is not msgspec.NODEFAULT else None
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        yield f"{prefix}{field.name}", _toml(default), _meaning(kind)


def _meaning(kind: Any) -> str:
    if get_origin(kind) is Annotated:
        return next(
            (item.description for item in get_args(kind)[1:] if isinstance(item, Meta) and item.description),
            "",
        )
    return ""


def _toml(value: Any) -> str:
    return msgspec.json.encode(value).decode()
