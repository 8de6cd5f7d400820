import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.flaws.effects.sql.expression import MAX_COLUMNS, Reader
from propolis.flaws.effects.sql.values import NoSenseError, Value
from scenes import a_scope


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1 + 2 * 3", 7),
        ("-7 % 4", -3),
        ("7 div 2", 3),
        ("'a' 'ignored", "a"),
        ("'it''s'", "it's"),
        (r"'a\'b'", "a'b"),
        ("'open", "open"),
        ("0x6162", "ab"),
        ("x'6162'", "ab"),
        ("'a' || 'b'", "ab"),
        ("1 || 0", 1),
        ("'a' = 'A'", 1),
        ("null = null", None),
        ("'abc' like 'a%'", 1),
        ("not 1 xor 1", 1),
        ("case when 1=2 then 'a' when 1 then 'b' else 'c' end", "b"),
        ("cast('a' as char)", "a"),
        ("convert(int, 'x')", "x"),
        ("(select 5 from (select 6) t where (1))", 5),
        ("if(1<2, 'y', 'n')", "y"),
        ("@@hostname = @@hostname", 1),
        ("`user_login`", "admin"),
        ("$$text$$", "text"),
        ("1 / 0", None),
        ("~0", 2**64 - 1),
    ],
)
def test_an_expression_has_a_value(source: str, value: Value) -> None:
    assert Reader(a_scope(), source).value() == value


@pytest.mark.parametrize(
    "source", ["", "(", "nosuch(1)", ")", "substr('a')", "case when 1 then 2", "(" * 99 + "1"]
)
def test_what_has_none_is_refused(source: str) -> None:
    with pytest.raises(NoSenseError):
        Reader(a_scope(), source).value()


def test_columns_have_names_and_an_end() -> None:
    assert Reader(a_scope(), "distinct 1 as a, 'b' b, 3 from t, u").columns() == [1, "b", 3]
    assert len(Reader(a_scope(), "1," * 500 + "1").columns()) == MAX_COLUMNS


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="1'\"a(),=|+-*/ xselct0@`[]:$", max_size=40))
def test_any_text_has_a_value_or_none(source: str) -> None:
    try:
        Reader(a_scope(), source).columns()
    except NoSenseError:
        return
