"""A request that does what a rule looks for."""

import random

from propolis.flaws.scanners.attempt import attempt
from propolis.flaws.scanners.zones import Leaf


def made(*leaves: Leaf) -> str:
    return attempt(leaves, random.Random(1))


def leaf(zone: str, kind: str, value: str = "", variable: str = "", transforms: tuple[str, ...] = ()) -> Leaf:
    return Leaf("k", (zone,), (variable,) if variable else (), transforms, kind, value)


def test_the_plainest_message_has_all_of_it() -> None:
    text = made(
        leaf("METHOD", "equals", "put"),
        leaf("URI", "endswith", ".php"),
        leaf("URI", "contains", "/a"),
        leaf("ARGS", "regex", "[;|]", "cmd"),
        leaf("HEADERS", "equals", "1", "x-own"),
        leaf("COOKIES", "contains", "z", "sid"),
    )
    assert text == "PUT /a.php?cmd=%3Bid HTTP/1.1\nHost: 192.0.2.1\nx-own: 1\nCookie: sid=z\n\n"


def test_a_body_is_in_the_form_that_is_asked_for() -> None:
    assert made(leaf("BODY_ARGS", "equals", "x", "json.a.b")).endswith('{"a": {"b": "x"}}')
    assert 'filename="a.jsp"' in made(leaf("FILENAMES", "equals", "a.jsp"))
    assert made(leaf("BODY_ARGS", "equals", "a&b", "c")).endswith("c=a%26b")
    assert made(leaf("BODY_ARGS", "contains", "abc", "c", ("b64decode",))).endswith("c=YWJj")


def test_a_pattern_that_is_none_stands_for_itself() -> None:
    assert made(leaf("ARGS", "regex", "(", "id")).startswith("GET /?id=%28")


def test_a_whole_target_goes_on_behind_its_path() -> None:
    both = made(leaf("URI", "endswith", "/a.json"), leaf("URI_FULL", "contains", "shell"))
    assert both.startswith("GET /a.json?shell HTTP/1.1")
    assert made(leaf("URI_FULL", "contains", "/a?b/c")).startswith("GET /a?b/c HTTP/1.1")
