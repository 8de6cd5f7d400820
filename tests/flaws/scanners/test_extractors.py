"""What a template takes out of responses."""

import random

from propolis.flaws.scanners.extractors import jq, named_header, plant, show, together
from propolis.flaws.scanners.template import Extractor


def test_a_value_is_planted_where_a_path_leads() -> None:
    path = jq(".data.token")
    assert path is not None
    assert plant({"data": 3}, path, b"x")["data"]["token"] == "x"
    assert jq("map(.a) | add") is None


def test_a_header_by_the_name_that_matchers_give_it() -> None:
    assert named_header("content_type", b"text/plain").lower().startswith(b"content-type: text/plain")


def test_two_groups_of_one_pattern_are_shown_in_one_text() -> None:
    pattern = ('name="([a-z]+)" value="([A-Z]+)"',)
    first, second = (
        Extractor("regex", name, "body", pattern, group, "", is_nocase=False)
        for name, group in (("field", 1), ("token", 2))
    )
    draws = random.Random(1)
    apart = [show(first, b"abc", draws, lambda _: None, 0), show(second, b"XYZ", draws, lambda _: None, 0)]
    one, other = together([shown for shown in apart if shown], draws, lambda _: None)
    assert one.body == other.body == b'name="abc" value="XYZ"'
