"""A nuclei template as it stands in its file."""

import pytest

from propolis.flaws.scanners.template import TemplateError, read, suffix
from templates import TEMPLATE


def test_a_template_is_read() -> None:
    template = read(TEMPLATE)
    (block,) = template.blocks
    assert len(block.requests) == 1
    assert {matcher.kind for matcher in block.matchers} == {"word", "status"}


@pytest.mark.parametrize("text", ["", "id: x", "http: 3", "- a", "id: [", "id: x\nhttp: []"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(TemplateError):
        read(text)


def test_a_part_may_name_its_response() -> None:
    assert suffix("body_2") == ("body", 2)
    assert suffix("status_code") == ("status_code", 0)
