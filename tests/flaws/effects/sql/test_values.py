import pytest

from propolis.flaws.effects.sql.values import FUNCTIONS, VARIABLES, Value, column, number_of, text_of
from scenes import MINT, a_scope


@pytest.mark.parametrize(
    ("name", "values", "result"),
    [
        ("concat", ["a", 1, None], None),
        ("concat_ws", [":", "a", None, "b"], "a:b"),
        ("char", [97, 98], "ab"),
        ("hex", ["ab"], "6162"),
        ("hex", [255], "FF"),
        ("unhex", ["6162"], "ab"),
        ("unhex", ["zz"], None),
        ("substring", ["hello", 2, 2], "el"),
        ("substring", ["hello", -2], "lo"),
        ("mid", ["hello", 1, 1], "h"),
        ("left", ["hello", 2], "he"),
        ("repeat", ["ab", 2], "abab"),
        ("replace", ["aXa", "a", "b"], "bXb"),
        ("ifnull", [None, "x"], "x"),
        ("elt", [2, "a", "b"], "b"),
        ("ascii", ["a"], 97),
        ("from_base64", ["YWI="], "ab"),
        ("sha1", ["a"], "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"),
        ("floor", [1.9], 1),
        ("load_file", ["/etc/timezone"], "Etc/UTC\n"),
    ],
)
def test_a_function_gives(name: str, values: list[Value], result: Value) -> None:
    assert FUNCTIONS[name](a_scope(), values) == result


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_takes_any_values(name: str) -> None:
    choices: list[list[Value]] = [
        [],
        [None],
        ["a"],
        ["a", "b", "c"],
        [1, 10**18, -1],
        ["md5", "x"],
        [1e300, 1e300],
    ]
    for values in choices:
        try:
            FUNCTIONS[name](a_scope(), values)
        except (ArithmeticError, IndexError, KeyError, ValueError):
            continue  # what the reader takes for no sense


def test_columns_are_believable_and_passwords_are_canaries() -> None:
    scope = a_scope()
    assert column(scope, "table_name") == "users"
    assert column(scope, "user_login") == "admin"
    assert MINT.find(column(scope, "user_pass").encode())
    assert VARIABLES["@@hostname"](scope) == scope.scene.hostname


def test_values_are_read_as_numbers_and_texts() -> None:
    assert number_of("12ab") == 12
    assert number_of(None) == 0
    assert text_of(4.0) == "4"
    assert text_of(None) == ""
