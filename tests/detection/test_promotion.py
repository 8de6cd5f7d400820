import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.detection.promotion import SEPARATOR, Backtested, Promotion, digest, join, split
from propolis.errors import CodecError
from rule_files import rule_text

WORD = Promotion(
    by="anna",
    made=1,
    reason="two weeks and no stranger in it",
    backtested=Backtested(events=9, findings=2, sources=1),
)


def test_a_promotion_travels_behind_the_text_and_comes_off_again() -> None:
    assert split(join(rule_text(), WORD)) == (rule_text().rstrip("\n") + "\n", WORD)
    assert split(join(rule_text(), None)) == (rule_text(), None)


@given(st.text(max_size=40))
def test_half_a_promotion_is_refused(tail: str) -> None:
    with pytest.raises(CodecError, match="promotion"):
        split(rule_text() + SEPARATOR + tail)


def test_a_text_is_known_however_it_ends() -> None:
    assert digest("a: b") == digest("a: b\n\n")
    assert digest("a: b") != digest("a: c")
