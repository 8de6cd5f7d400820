"""From a story to a lure file."""

from propolis.flaws.scanners.assemble import assemble
from propolis.flaws.scanners.document import load
from propolis.flaws.scanners.nuclei import read
from propolis.flaws.scanners.story import tell
from templates import TEMPLATE


def test_a_story_becomes_a_flaw_whose_answer_is_computed() -> None:
    flaw = assemble(tell(read(load(TEMPLATE))), "demo-rce")
    assert flaw.id == "demo-rce"
    assert flaw.steps[0].grade == "attempt"
    assert "md5(" in flaw.steps[0].reply.body
