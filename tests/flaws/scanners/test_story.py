"""A template played through on paper."""

from propolis.flaws.scanners.document import load
from propolis.flaws.scanners.nuclei import read
from propolis.flaws.scanners.story import choices, context, is_numbered, is_one_story, tell
from templates import TEMPLATE


def test_a_story_has_an_answer_to_every_request() -> None:
    story = tell(read(load(TEMPLATE)))
    (scene,) = story.scenes
    assert len(scene.exchanges) == 1
    (block,) = story.template.blocks
    assert not is_numbered(block)
    assert not is_one_story(block)
    assert len(list(choices(block))) == 1
    assert context is not None
