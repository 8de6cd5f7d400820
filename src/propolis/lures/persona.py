"""Personas: what a real product said when it was recorded, one file a protocol and product, read once."""

from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec

FOLDER = Path(__file__).with_name("personas")
DEFAULT = "debian12"
"""The persona of whoever names none, or one that was not recorded for the protocol."""

_Persona = TypeVar("_Persona")


def load(protocol: str, name: str, kind: type[_Persona]) -> _Persona:
    """The persona ``name`` of ``protocol`` as ``kind``; :data:`DEFAULT` if there is none of that name."""
    persona: _Persona = _read(protocol, name, kind)  # type: ignore[arg-type]  # classes are hashable
    return persona


@cache
def _read(protocol: str, name: str, kind: type[Any]) -> Any:
    files = {path.stem: path for path in (FOLDER / protocol).glob("*.json")}
    return msgspec.json.decode(files[name if name in files else DEFAULT].read_bytes(), type=kind)
