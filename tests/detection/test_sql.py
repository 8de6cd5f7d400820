import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.detection.sql import NEEDS, TOKENS, fingerprint, is_injection

INJECTED = (
    b"1 or 1=1",
    b"1' or '1'='1",
    b'x" or "a"="a',
    b"admin'-- -",
    b"admin' #",
    b"-1 union all select 1,user(),3",
    b"1/**/union/**/select/**/1,2",
    b"1 /*!50000union*/ select null,null--",
    b"1) and sleep(5) and (1=1",
    b"'; waitfor delay '0:0:5'--",
    b"1;select pg_sleep(5)--",
    b"x' and extractvalue(1,concat(0x7e,version()))-- -",
    b"id,(select*from(select(sleep(5)))a)",
    b"1' order by 9-- -",
    b"a` = 1 and 1=1 -- -",
    b"7'",
    b'") "',
)
ORDINARY = (
    b"it's one or two, isn't it?",
    b"o'reilly and sons",
    b"rock 'n' roll",
    b'i would like to "search" for the string "%t" please.',
    b"union select committee",
    b"select all the rows of fromdate = @-_",
    b"the 5' or 6' one",
    b"{'a': 'b', 'c': 1}",
    b"a=1; b=2",
    b"what is 2+2 and 3+3?",
    b"john+or@var.es",
    b"5 - 3 = 2",
    b"",
)


@pytest.mark.parametrize("value", INJECTED)
def test_an_input_that_goes_on_as_sql_is_an_injection(value: bytes) -> None:
    assert is_injection(value)


@pytest.mark.parametrize("value", ORDINARY)
def test_what_people_write_is_none(value: bytes) -> None:
    assert not is_injection(value)


@pytest.mark.parametrize(
    ("value", "letters"),
    [
        (b"1 or 'a'='a'", "1&sos"),
        (b"union select sleep(5), x from y", "UET(1),nBn"),
        (b"@@version -- rest", "vc"),
        (b"0x41 <= 1.5e3", "1o1"),
        (b"/* gone */ ; drop table t # rest", ";Ennc"),
        (b"\\", "?"),
    ],
)
def test_a_token_is_a_letter(value: bytes, letters: str) -> None:
    assert fingerprint(value) == letters


words = st.lists(
    st.sampled_from([*INJECTED, *ORDINARY, b"'", b'"', b"(", b")", b" ", b"--", b"/*", b"\xff"]), max_size=5
)


@given(st.binary(max_size=200) | words.map(b"".join))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_within_the_bound(value: bytes) -> None:
    assert len(fingerprint(value)) <= TOKENS + 1
    is_injection(value)


@given(words.map(b"".join))
@settings(max_examples=300, deadline=None)
def test_no_injection_is_without_what_the_prefilter_seeks(value: bytes) -> None:

    if is_injection(value):
        assert re.search(NEEDS, value)
