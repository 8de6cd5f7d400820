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


def test_what_a_scanner_cannot_compute_it_does_not_send() -> None:
    story = tell(read(load(TEMPLATE.replace("x={{num}}", "x={{'word' % num}}"))))
    played = play(story, assemble(story, "demo-rce"), 1)
    assert not played.is_believed
    assert played.requests == ()
