import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judging import NOW
from nouns import decisions
from propolis.decisions import ACTIONS, Decided, Revoked, commands, target_of
from propolis.decisions.commands import (
    MAX_ANSWER_ENTRIES,
    Answer,
    decode_answer,
    decode_command,
    encode,
    shortened,
)

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
numbers = st.floats(allow_nan=False, allow_infinity=False)
WORDS: dict[type, dict[str, st.SearchStrategy[object]]] = {
    commands.Add: {"target": texts, "ttl_seconds": numbers, "action": st.sampled_from(ACTIONS)},
    commands.Revoke: {"what": texts},
    commands.Arm: {},
    commands.StandDown: {},
    commands.Rehearse: {"network": texts, "enforcer": texts, "seconds": numbers},
}
given_commands = st.one_of(
    *(st.builds(kind, by=texts, reason=texts, **words) for kind, words in WORDS.items())
)


@given(given_commands)
def test_a_command_comes_as_it_was_given(command: commands.Command) -> None:
    assert decode_command(encode(command)) == command


@given(st.binary(max_size=200) | st.just(b"[" * 100_000) | st.just(b'{"type":"Add","by":"a","reason":"b"}'))
def test_anything_else_is_said_to_be_none(data: bytes) -> None:
    assert str(decode_command(data)).startswith("not a command: ")


@pytest.mark.parametrize("field", ["surprise", "scope"])
def test_a_field_that_is_not_known_is_refused(field: str) -> None:
    tree = {"type": "Arm", "by": "a", "reason": "b", field: 1}
    assert field in str(decode_command(msgspec.json.encode(tree)))


@given(st.lists(decisions(), max_size=3), texts)
def test_an_answer_comes_as_it_was_given(held: list[object], error: str) -> None:
    entries = tuple(Decided(time=NOW, decision=decision) for decision in held)  # type: ignore[arg-type]
    answer = Answer(entries=entries, error=error)
    assert decode_answer(encode(answer)) == answer


@given(st.binary(max_size=200) | st.just(b"[" * 100_000))
def test_an_answer_that_is_none_says_so(data: bytes) -> None:
    assert decode_answer(data).error.startswith("not an answer") or decode_answer(data) == Answer()


def test_a_long_answer_is_cut_and_says_how_much() -> None:
    target = target_of("9.9.9.9")
    revoked = tuple(
        Revoked(time=NOW, target=target, decision=str(number), reason="r", by="b")
        for number in range(MAX_ANSWER_ENTRIES + 5)
    )
    short = shortened(Answer(entries=revoked))
    assert (len(short.entries), short.omitted) == (MAX_ANSWER_ENTRIES, 5)
    assert shortened(Answer(entries=revoked[:3])) == Answer(entries=revoked[:3])
