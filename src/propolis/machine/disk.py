"""What is installed on a machine, as it was recorded from a real one."""

from functools import lru_cache
from importlib import resources
from typing import Protocol

import msgspec

DEFAULT = "debian12"


class Disk(Protocol):
    """Texts by path, names by folder, and the programs there are."""

    @property
    def files(self) -> dict[str, str]:
        """A file's text by its path."""
        ...

    @property
    def listings(self) -> dict[str, tuple[str, ...]]:
        """The names in a folder."""
        ...

    @property
    def commands(self) -> frozenset[str]:
        """The names of programs."""
        ...


class RecordedDisk(msgspec.Struct, frozen=True):
    """The part of a recorded login that says what is on the disk."""

    files: dict[str, str]
    listings: dict[str, tuple[str, ...]]
    commands: frozenset[str]


@lru_cache(maxsize=16)
def load(name: str = DEFAULT) -> RecordedDisk:
    """The disk of the persona of that name, the default one's for a persona that has none of its own."""
    folder = resources.files("propolis").joinpath("lures", "personas", "ssh")
    file = folder.joinpath(f"{name}.json")
    if not name.isalnum() or not file.is_file():
        file = folder.joinpath(f"{DEFAULT}.json")
    return msgspec.json.decode(file.read_bytes(), type=RecordedDisk)
