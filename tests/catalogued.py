"""Flaws of a few words, for whoever needs a catalogue without files."""

from typing import Any

import msgspec

from propolis.flaws.file import Flaw


def flaw(name: str, path: str = "/box", **changes: Any) -> Flaw:
    """A flaw that a request for ``path`` goes for, by its step ``ask``; ``grade`` is the step's."""
    step = {"id": "ask", "match": {"path": path}, "grade": changes.pop("grade", "attempt")}
    tree = {
        "id": name,
        "name": f"The flaw of {name}",
        "kind": "sqli",
        "product": "box",
        "steps": [step],
        "tests": {
            "match": [{"request": f"GET {path} HTTP/1.1\nHost: h\n\n"}],
            "miss": ["GET / HTTP/1.1\nHost: h\n\n"],
        },
        **changes,
    }
    return msgspec.convert(tree, Flaw)
