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


STORED = """id: demo-stored
info: {name: Demo Notes - Stored XSS, severity: medium, tags: xss}
http:
  - raw:
      - "POST /notes/save HTTP/1.1\\nHost: {{Hostname}}\\n\\ntitle=<script>alert(1)</script>"
      - "GET / HTTP/1.1\\nHost: {{Hostname}}\\n"
    matchers:
      - {type: dsl, dsl: ["contains(body_2, '<script>alert(1)</script>')"]}
"""


def test_a_front_page_that_is_asked_for_last_is_rather_that_of_who_came_by_this_flaw() -> None:
    flaw = assemble(tell(read(load(STORED))), "demo-stored")
    first, page, preferred = flaw.steps
    assert page.match == preferred.match == {"method": "GET", "path": "/"}
    assert (page.after, preferred.after) == ((), (first.id,))
