"""A template played through on paper."""

from propolis.flaws.scanners.story import choices, context, is_numbered, is_one_story, tell
from propolis.flaws.scanners.template import read
from templates import TEMPLATE


def test_a_story_has_an_answer_to_every_request() -> None:
    story = tell(read(TEMPLATE))
    (scene,) = story.scenes
    assert len(scene.exchanges) == 1
    (block,) = story.template.blocks
    assert not is_numbered(block)
    assert not is_one_story(block)
    assert len(list(choices(block))) == 1
    assert context is not None
