"""Every event and every note that is declared is also said somewhere in the tree."""

import ast
from functools import cache
from pathlib import Path

import pytest

from propolis import notes
from propolis.events import KINDS
from propolis.notes import Note

SOURCE = Path(__file__).resolve().parents[2] / "src" / "propolis"
NOTES = [
    value
    for value in vars(notes).values()
    if isinstance(value, type) and issubclass(value, Note) and value is not Note
]


@cache
def made() -> frozenset[str]:
    """The names of everything that is called anywhere in the tree, but for the codecs that only copy."""
    names = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                names.add(getattr(node.func, "id", getattr(node.func, "attr", "")))
    return frozenset(names)


@pytest.mark.parametrize("kind", [kind.__name__ for kind in KINDS])
def test_an_event_is_emitted(kind: str) -> None:
    assert kind in made()


@pytest.mark.parametrize("kind", [kind.__name__ for kind in NOTES])
def test_a_note_is_told(kind: str) -> None:
    assert kind in made()
