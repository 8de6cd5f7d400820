"""A template played against the engine that will serve its flaw."""

from propolis.flaws.scanners.assemble import assemble
from propolis.flaws.scanners.document import load
from propolis.flaws.scanners.nuclei import read
from propolis.flaws.scanners.play import play
from propolis.flaws.scanners.story import tell
from templates import TEMPLATE


def test_a_lure_is_believed_whatever_is_drawn() -> None:
    story = tell(read(load(TEMPLATE)))
    flaw = assemble(story, "demo-rce")
    assert {play(story, flaw, seed).is_believed for seed in range(5)} == {True}
