"""MITRE ATT&CK for Enterprise: which techniques there are, and what they are for. The table is ``attack.yaml``."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec
import yaml

TACTICS: tuple[str, ...] = (
    "reconnaissance",
    "resource-development",
    "initial-access",
    "execution",
    "persistence",
    "privilege-escalation",
    "defense-evasion",
    "credential-access",
    "discovery",
    "lateral-movement",
    "collection",
    "command-and-control",
    "exfiltration",
    "impact",
)
"""In the order of the matrix."""

_TABLE = Path(__file__).with_name("attack.yaml")
_ID = re.compile(r"(T\d{4})(?:\.(\d{3}))?")


class Technique(msgspec.Struct, frozen=True):
    """``id`` as ``T1190``, its ``name``, the number of its last sub-technique (0: it has none), and its ``tactics``."""

    id: str
    name: str
    last: int
    tactics: tuple[str, ...]


@cache
def techniques() -> Mapping[str, Technique]:
    """Every technique by id, ascending; sub-techniques only as the number of the last."""
    table = yaml.safe_load(_TABLE.read_bytes())
    return {
        name: Technique(name, word, last, tuple(tactics)) for name, (word, last, *tactics) in table.items()
    }


def technique_of(name: str) -> Technique | None:
    """The technique that ``T1190`` or ``T1110.001`` is or belongs to; None if there is none."""
    found = _ID.fullmatch(name)
    technique = techniques().get(found[1]) if found else None
    if technique is None or found is None or int(found[2] or 0) > technique.last:
        return None
    return technique
