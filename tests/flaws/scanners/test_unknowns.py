"""What a template leaves open."""

import random

from propolis.flaws.scanners.document import load
from propolis.flaws.scanners.nuclei import read
from propolis.flaws.scanners.story import tell
from propolis.flaws.scanners.unknowns import draw
from templates import TEMPLATE


def test_what_is_drawn_looks_as_it_should() -> None:
    unknowns = tell(read(load(TEMPLATE))).resolver.unknowns
    drawn = [draw(each, random.Random(1), 0) for each in unknowns.values() if each.kind == "drawn"]
    assert drawn
    assert all(text.isdigit() and 1000 <= int(text) <= 9999 for text in drawn)
