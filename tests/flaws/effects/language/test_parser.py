import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.flaws.effects.language import Engine, NoSenseError, Opaque, Thing, evaluate


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1 + 2 * 3", 7),
        ("-2 ** 2", -4),
        ("7 % 4", 3),
        ("'a' ~ 1", "a1"),
        ("'a' == 'a'", 1),
        ("1 < 2 && !(2 < 1)", 1),
        ("1 ? 'y' : 'n'", "y"),
        ("0 ?: 'd'", "d"),
        ("x = 4; x * x", 16),
        ("[1, 2][1]", 2),
        ("'abc'[0]", "a"),
        ("'abc'.length()", 3),
        ("'abc'?upper_case", "ABC"),
        ("'a,b' | replace(',', '-') | upper", "A-B"),
        ("', '.join(['a', 'b'])", "a, b"),
        ("['a', 'b'] | join('-')", "a-b"),
        ("'%s!' % 'x'", "x!"),
        ("0x1f", 31),
        ("1.5 + 1", 2.5),
        ("T(java.lang.Character).toString(105)", "i"),
        ("T(java.lang.Math).max(1, 2)", 2),
        ("md5('a')", "0cc175b9c0f1b6a831c399e269772661"),
        (r"'\u0041\x42\103'", "ABC"),
        ("true", 1),
        ("null", None),
    ],
)
def test_it_has_a_value(source: str, value: Thing) -> None:
    assert evaluate(source, "python", {}) == value


@pytest.mark.parametrize("source", ["request.application", "T(java.lang.Runtime).getRuntime()", "a['b'].c()"])
def test_nothing_is_known_of_objects(source: str) -> None:
    assert isinstance(evaluate(source, "java", {}), Opaque)


@pytest.mark.parametrize(
    "source",
    [
        *("", "1 +", "(1", "1 2", "'a' - 1", "1 / 0", "9 ** 99999", "(" * 99, "[1][9]", "\x00"),
        "9" * 199 + "*9" * 4_000,
    ],
)
def test_what_has_none_is_refused(source: str) -> None:
    with pytest.raises(NoSenseError):
        evaluate(source, "python", {})


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                *("1", "7", "'a'", '"b"', "+", "-", "*", "/", "**", "//", "%", "~", "(", ")", "[", "]", "."),
                *("|", ",", ";", "=", "==", "<", "?", ":", "!", "x", "upper", "join(", "md5("),
            ]
        ),
        max_size=14,
    ).map(" ".join),
    st.sampled_from(["python", "php", "java", "ruby"]),
)
def test_any_expression_ends(source: str, engine: Engine) -> None:
    try:
        evaluate(source, engine, {})
    except NoSenseError:
        return
