from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.flaws.literals import MAX_ADDED, Literals

words = st.binary(min_size=1, max_size=4)


def found(literals: Literals, text: bytes) -> set[bytes]:
    names = {number: literal for literal, number in literals.numbers.items()}
    seen = literals.scan(text)
    assert len(seen) == len(set(seen))
    return {names[number] for number in seen}


def test_literals_are_found_in_any_case() -> None:
    assert found(Literals([b"WGET", b"\x00(", b"curl"]), b"a wGet \x00(") == {b"wget", b"\x00("}
    assert found(Literals([]), b"a") == set()


def test_new_ones_are_found_beside_older_ones() -> None:
    one = Literals([b"one", b"gone", b"two"])
    two = Literals([b"one", b"two", b"three"], one)
    three = Literals([b"one", b"four"], two)
    assert two.numbers[b"one"] == one.numbers[b"one"]
    assert found(one, b"one two three") == {b"one", b"two"}
    assert found(two, b"one two three") == {b"one", b"two", b"three"}
    assert found(three, b"one four") == {b"one", b"four"}
    assert found(Literals([b"new"], Literals([])), b"new") == {b"new"}


def test_many_new_ones_or_many_stale_ones_compile_all_anew() -> None:
    many = [b"word%d" % number for number in range(MAX_ADDED + 1)]
    assert len(Literals(many, Literals([b"one"])).numbers) == len(many)
    assert len(Literals([b"one"], Literals([b"one", b"a", b"b"])).numbers) == 1


@given(st.lists(words, max_size=6), st.lists(words, max_size=6), st.binary(max_size=30))
@settings(max_examples=60, deadline=None)
def test_what_is_wanted_is_found(older: list[bytes], wanted: list[bytes], text: bytes) -> None:
    literals = Literals(wanted, Literals(older))
    there = {literal.lower() for literal in wanted if literal.lower() in text.lower()}
    assert found(literals, text) & {literal.lower() for literal in wanted} == there
