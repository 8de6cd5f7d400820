import pytest

from lures.redis.real import answer, answers
from propolis.lures.redis.commands import HANDLERS, QUEUE_MAX
from propolis.lures.redis.persona import table


def test_every_command_that_is_played_is_the_servers() -> None:
    assert set(HANDLERS) <= set(table("").shapes)


def test_no_answer_was_recorded_for_nothing() -> None:
    recorded = set(table("").answers) - set(HANDLERS)
    assert len(recorded) > 90


@pytest.mark.parametrize("name", sorted(name.decode() for name in table("").shapes))
def test_any_command_survives_its_least_words(name: str) -> None:
    words = name.split("|")
    words += ["1"] * (abs(table("").shapes[name.encode()].arity) - len(words))
    for count in (0, 1, 2, 3):
        answers(" ".join(words + ["1"] * count))


def test_a_transaction_is_bounded() -> None:
    said = answers("MULTI", *["PING"] * (QUEUE_MAX + 1), "EXEC")
    assert said[-2].startswith(b"-OOM")
    assert said[-1].startswith(b"-EXECABORT")


def test_debug_is_refused() -> None:
    assert answer("DEBUG SLEEP 10").startswith(b"-ERR DEBUG command not allowed. ")
