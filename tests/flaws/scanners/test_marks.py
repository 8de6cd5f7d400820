"""Marks that stand for what is unknown."""

from propolis.flaws.scanners.document import load
from propolis.flaws.scanners.marks import names_of
from propolis.flaws.scanners.nuclei import read
from propolis.flaws.scanners.story import tell
from templates import TEMPLATE


def test_every_unknown_has_its_mark() -> None:
    story = tell(read(load(TEMPLATE)))
    (scene,) = story.scenes
    assert scene.exchanges[0].response.body
    assert story.marks is not None


def test_names_in_a_text() -> None:
    assert "num" in names_of("{{md5(num)}}")
