"""What nuclei's helpers give."""

import pytest

from propolis.flaws.scanners.dsl import parse
from propolis.flaws.scanners.functions import (
    NotComputedError,
    compare_versions,
    evaluate,
    is_known,
    number,
    text,
    truth,
)


def lookup(name: str) -> bytes:
    return {"num": b"7"}[name]


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("md5('a')", b"0cc175b9c0f1b6a831c399e269772661"),
        ("base64('ab')", b"YWI="),
        ("to_upper(concat('a', num))", b"A7"),
        ("len('abc')", b"3"),
        ("hex_encode('A')", b"41"),
        ("url_encode('a b')", b"a+b"),
    ],
)
def test_helpers_compute(source: str, value: bytes) -> None:
    assert text(evaluate(parse(source), lookup)) == value


def test_what_nobody_knows_is_not_computed() -> None:
    with pytest.raises(NotComputedError):
        evaluate(parse("no_such_helper(1)"), lookup)
    assert not is_known(parse("no_such_helper(1)"))
    assert is_known(parse("md5(1)"))


def test_values_are_read_as_go_reads_them() -> None:
    assert number(b"12") == 12
    assert truth(value=True)
    with pytest.raises(NotComputedError):
        truth(b"true")
    assert compare_versions("1.5", [">= 1.2", "< 2.0"])
    assert not compare_versions("2.5", [">= 1.2", "< 2.0"])
