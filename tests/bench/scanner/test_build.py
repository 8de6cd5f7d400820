import random

import pytest
from bench.scanner.build import Built, MalformedRequestError, MissingValueError, build, plan
from bench.scanner.helpers import helpers
from bench.scanner.render import Renderer, callbacks, target_values
from bench.scanner.template import Block

RENDERER = Renderer(helpers(random.Random(1)), callbacks(random.Random(2)))
KNOWN = target_values("127.0.0.1", 8080)


def first(block: Block) -> Built:
    return build(block, next(plan(block)), KNOWN, RENDERER)


def test_a_path_is_a_url_of_the_target() -> None:
    block = Block(
        paths=("{{BaseURL}}/x?a=&b={{user}}#no",),
        payloads=(("user", ("u",)),),
        headers=(("X-H", "{{Host}}"),),
    )
    message = first(block).message
    assert (message.path, message.query, message.host) == ("/x", "a&b=u", "127.0.0.1:8080")
    assert dict(message.fields)["X-H"] == "127.0.0.1"
    assert dict(message.fields)["Accept"] == "*/*"


def test_a_raw_request_is_read_as_lines() -> None:
    raw = "@timeout: 25s\r\nPOST /p?q= HTTP/1.1\r\nHost: {{Hostname}}\r\nX-A:  b \r\n\r\nx=1\r\ny\r\n"
    built = first(Block(raws=(raw,)))
    assert built.timeout_seconds == 25.0
    assert (built.message.method, built.message.path, built.message.query) == ("POST", "/p", "q=")
    assert dict(built.message.fields)["X-A"] == "b"
    assert built.message.body == "x=1\r\ny"


def test_an_unsafe_request_is_kept_but_for_annotations() -> None:
    built = first(
        Block(raws=("@Host: x\r\nGET /a b HTTP/1.1\r\nHost: {{Hostname}}\r\n\r\n",), is_unsafe=True)
    )
    assert built.message.raw == "GET /a b HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"


@pytest.mark.parametrize(
    ("attack", "expected"),
    [
        ("batteringram", [{"a": "1"}, {"a": "2"}, {"b": "x"}, {"b": "y"}]),
        ("pitchfork", [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}]),
        ("clusterbomb", [{"a": i, "b": j} for i in "12" for j in "xy"]),
    ],
)
def test_payloads_are_combined_as_the_attack_says(attack: str, expected: list[dict[str, str]]) -> None:
    block = Block(paths=("/",), payloads=(("a", ("1", "2")), ("b", ("x", "y"))), attack=attack)
    assert [planned.payload for planned in plan(block)] == expected


def test_a_request_with_something_left_to_fill_in_is_not_made() -> None:
    with pytest.raises(MissingValueError, match="nonce"):
        first(Block(paths=("{{BaseURL}}/?n={{nonce}}",)))
    assert (
        first(Block(paths=("{{BaseURL}}/?n={{nonce}}",), skips_variables_check=True)).message.query
        == "n={{nonce}}"
    )


@pytest.mark.parametrize("raw", ["\r\n\r\n", "GET\r\n\r\n"])
def test_a_raw_request_needs_a_request_line(raw: str) -> None:
    with pytest.raises(MalformedRequestError):
        first(Block(raws=(raw,)))
