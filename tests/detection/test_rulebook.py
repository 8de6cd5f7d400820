from collections.abc import Callable
from pathlib import Path

import pytest

from propolis.detection import rulebook
from propolis.detection.promotion import SEPARATOR, Backtested, Promotion, join
from propolis.detection.rulebook import Rulebook
from propolis.detection.rules import RuleSet, read
from propolis.flaws import signature
from propolis.flaws.signature import RULE, Envelope
from propolis.notes import RuleLive, RuleRefused, RuleRolledBack
from propolis.stream import Stored
from rule_files import rule_text, write_rule

Push = Callable[..., Stored]
PROMOTION = Promotion(by="anna", made=1, reason="r", backtested=Backtested(events=9, findings=0, sources=0))


@pytest.fixture
def push(tmp_path: Path) -> Push:
    signature.make_key(tmp_path / "key.pem")
    private = signature.read_key(tmp_path / "key.pem")

    def signed(name: str, version: int, text: str, repeats: int = 0) -> Stored:
        plain = Envelope(id=name, version=version, made=1, text=text, repeats=repeats, key="")
        data = signature.encode(signature.sign(plain, private, RULE))
        return Stored(f"$KV.lures.rule.{name}", version, 0, data, {})

    return signed


@pytest.fixture
def book(tmp_path: Path, push: Push) -> Rulebook:
    """A folder with two rules."""
    public = signature.public_text(signature.read_key(tmp_path / "key.pem"))
    files = [read(write_rule(tmp_path, name, word)) for name, word in (("bees", "hive"), ("moth", "comb"))]
    return Rulebook(RuleSet(tuple(files)), lambda: (public,))


def test_a_pushed_rule_is_on_trial_and_proves_nothing(book: Rulebook, push: Push) -> None:
    assert book.deliver([push("ants", 1, rule_text("ants"))]) == [RuleLive(id="ants", version=1, trial=True)]
    rule = book.live["ants"]
    assert rule.is_on_trial
    assert (rule.rule.grade, rule.rule.confidence) == ("attempt", 95)
    assert (rule.judged.grade, rule.judged.confidence, rule.judged.title) == (
        "seen",
        0,
        "Runs ants (on trial)",
    )
    assert rule.judged.logic == rule.rule.logic


def test_a_promoted_rule_is_judged_by_as_it_stands(book: Rulebook, push: Push) -> None:
    notes = book.deliver([push("ants", 2, join(rule_text("ants"), PROMOTION))])
    assert notes == [RuleLive(id="ants", version=2, trial=False)]
    rule = book.live["ants"]
    assert not rule.is_on_trial
    assert rule.judged.grade == "attempt"
    assert rule.promotion == PROMOTION


def test_a_rule_keeps_its_number_when_it_is_replaced_and_new_ones_come_behind(
    book: Rulebook, push: Push
) -> None:
    book.deliver([push("ants", 1, rule_text("ants")), push("bees", 1, rule_text("bees", "nest"))])
    assert [rule.id for rule in book.rules().rules] == ["bees", "moth", "ants"]
    assert book.live["bees"].origin == "pushed"
    assert book.live["moth"].origin == "folder"
    assert book.pushed == 2
    assert book.deliver([push("bees", 2, "")]) == [RuleRolledBack(id="bees", version=2, repeats=0)]
    assert book.live["bees"].origin == "folder"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (rule_text("ants", proof="other"), "must match and does not"),
        (rule_text("bees"), "it was pushed as 'ants'"),
        ("not yaml: [", "is not YAML"),
        ("x" * 100_000, "the limit is"),
        (rule_text("ants") + SEPARATOR + "{}", "promotion"),
    ],
)
def test_a_rule_that_is_not_good_is_refused_and_what_was_live_stays(
    book: Rulebook, push: Push, text: str, why: str
) -> None:
    book.deliver([push("ants", 1, rule_text("ants"))])
    (note,) = book.deliver([push("ants", 2, text)])
    assert isinstance(note, RuleRefused)
    assert why in note.why
    assert book.live["ants"].version == 1


def test_there_is_a_limit(book: Rulebook, push: Push, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rulebook, "MAX_RULES", 3)
    book.deliver([push("ants", 1, rule_text("ants"))])
    (note,) = book.deliver([push("wasp", 1, rule_text("wasp"))])
    assert isinstance(note, RuleRefused)
    assert "there are 3 rules already" in note.why
    assert book.deliver([push("ants", 2, rule_text("ants"), repeats=1)]) == [
        RuleRolledBack(id="ants", version=2, repeats=1)
    ]
