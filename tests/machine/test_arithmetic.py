import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.machine.arithmetic import reckon


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("-7 / 2", -3),
        ("-7 % 2", -1),
        ("2 ** 10", 1024),
        ("0x1f + 010", 39),
        ("1 << 4 | 1", 17),
        ("!0 + !5", 1),
        ("~0", -1),
        ("3 > 2 && 2 >= 2", 1),
        ("x * 2", 42),
        ("9223372036854775807 + 1", -(2**63)),
    ],
)
def test_it_reckons_as_c_does(text: str, value: int) -> None:
    assert reckon(text, lambda name: "21" if name == "x" else "") == value


@pytest.mark.parametrize("text", ["", "1 +", "(1", "1 2", "1 / 0", "a b", "'", "(" * 99, "08"])
def test_what_is_no_expression_has_no_value(text: str) -> None:
    assert reckon(text) is None


@given(st.text(alphabet=st.sampled_from(list("0123456789abx ()+-*/%<>=!&|^~'\u0663")), max_size=40))
def test_any_text_is_survived(text: str) -> None:
    value = reckon(text)
    assert value is None or -(2**63) <= value < 2**63
