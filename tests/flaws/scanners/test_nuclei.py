"""nuclei templates as they stand in their files."""

import pytest

from propolis.flaws.scanners.document import TemplateError, load
from propolis.flaws.scanners.nuclei import is_one, read
from templates import TEMPLATE


def test_a_template_is_read() -> None:
    tree = load(TEMPLATE)
    assert is_one(tree)
    template = read(tree)
    (block,) = template.blocks
    assert template.scanner == "nuclei"
    assert len(block.requests) == 1
    assert {matcher.kind for matcher in block.matchers} == {"word", "status"}


@pytest.mark.parametrize(
    "text", ["id: x", "http: 3", "id: x\nhttp: []", "id: x\nhttp: [{matchers: [{type: smell}]}]"]
)
def test_what_asks_nothing_that_is_known_is_refused(text: str) -> None:
    with pytest.raises(TemplateError):
        read(load(text))


def test_another_scanners_file_is_not_one() -> None:
    assert not is_one(load("info: {}\nrules: {}"))
