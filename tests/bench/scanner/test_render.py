import random

from bench.scanner.helpers import helpers
from bench.scanner.render import Renderer, callbacks, is_lazy, replaced, target_values, unresolved

TABLE = helpers(random.Random(1))
RENDERER = Renderer(TABLE, callbacks(random.Random(2)))


def test_names_and_expressions_are_filled_in() -> None:
    values = {"num": "7", "name": "x"}
    assert RENDERER.text("{{name}}-{{md5(num)}}-§name§", values) == "x-8f14e45fceea167a5a36dedd4bea2543-x"
    assert RENDERER.text("{{name + ':' + num}}", values) == "x:7"
    assert RENDERER.text("{{to_lower('{{name}}Y')}}", values) == "xy"


def test_what_is_unknown_stays_and_is_told() -> None:
    text = RENDERER.text("a={{nonce}}&b={{7*7}}&c=%7B%7Btoken%7D%7D", {})
    assert text == "a={{nonce}}&b={{7*7}}&c=%7B%7Btoken%7D%7D"
    assert unresolved(text) == ("nonce", "token")


def test_every_callback_is_another_name() -> None:
    first, second = RENDERER.text("{{interactsh-url}} {{interactsh-url}}", {}).split()
    assert first != second
    assert len(first.partition(".")[0]) == 33


def test_variables_see_those_before_them_and_what_is_given_wins() -> None:
    written = (("a", "1"), ("b", "{{a}}2"), ("c", "{{concat(b, a)}}"))
    assert RENDERER.variables(written, {}) == {"a": "1", "b": "12", "c": "121"}
    assert RENDERER.variables(written, {"a": "9"})["b"] == "92"


def test_variables_of_the_target_are_given_values_late() -> None:
    assert is_lazy((("a", "{{Hostname}}"),), TABLE)
    assert is_lazy((("a", "{{md5(other)}}"),), TABLE)
    assert not is_lazy((("a", "{{rand_int(1, 9)}}"), ("b", "{{md5(a)}}")), TABLE)


def test_a_target_is_known_by_its_names() -> None:
    values = target_values("127.0.0.1", 8080)
    assert replaced("{{BaseURL}} {{Hostname}} {{Host}} {{Port}}", values) == (
        "http://127.0.0.1:8080 127.0.0.1:8080 127.0.0.1 8080"
    )
    assert target_values("www.example.net", 80)["RDN"] == "example.net"
