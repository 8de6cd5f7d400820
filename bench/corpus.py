"""Where the material is that benchmarks read and that is no part of the project."""

import os
from pathlib import Path
from typing import Final

VARIABLE: Final = "PROPOLIS_CORPUS"
ROOT: Final = Path(__file__).resolve().parents[1]


def corpus(inside: str) -> Path:
    """A file or folder of the corpus: below ``PROPOLIS_CORPUS``, or below ``data/`` of a folder beside the project.

    Raises SystemExit with the cure if it is nowhere.
    """
    named = os.environ.get(VARIABLE)
    places = [Path(named)] if named else sorted(ROOT.parent.glob("*/data"))
    for place in places:
        if (place / inside).exists():
            return place / inside
    raise SystemExit(f"there is no {inside}; name the folder that holds it in {VARIABLE}")
