import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.flaws.effects.delay import MAX_SECONDS, sleep


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"sleep 5", 5),
        (b"1' AND SLEEP(5)-- -", 5),
        (b"(select(0)from(select(sleep(4)))v)", 4),
        (b"1;SELECT pg_sleep(7)--", 7),
        (b"WAITFOR DELAY '0:0:6'", 6),
        (b"waitfor%20delay%20'0:1:6'", MAX_SECONDS),
        (b"DBMS_PIPE.RECEIVE_MESSAGE(CHR(98)||CHR(98),6)", 6),
        (b"ping -n 5 127.0.0.1", 4),
        (b"ping -c 4 127.0.0.1", 3),
        (b"sleep${IFS}6", 6),
        (b"sleep%206", 6),
        (b"sleep+6", 6),
        (b"BENCHMARK(50000000,MD5(1))", 10),
        (b"Thread.sleep(5000)", 5),
        (b"timeout /t 3", 3),
        (b"usleep(2000000)", 2),
        (b"sleep 2m", MAX_SECONDS),
        (b"asleep", 0),
        (b"", 0),
    ],
)
def test_it_says_how_long(text: bytes, seconds: float) -> None:
    assert sleep(text) == seconds


@given(st.binary(max_size=100))
def test_any_text_is_bounded(text: bytes) -> None:
    assert 0 <= sleep(text + b" sleep 99999999") <= MAX_SECONDS
