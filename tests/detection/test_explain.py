from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batches import built_in
from propolis.detection.explain import explain
from propolis.detection.rules.examples import satisfies
from rule_files import rule_of

RULES = {rule.id: rule for rule in built_in().rules}


def test_a_rule_is_told_as_a_tree_and_an_event_says_what_holds() -> None:
    plain = explain(rule_of())
    assert (plain.text, plain.holds) == ("an event of kind RequestReceived where all of", None)
    assert [part.text for part in plain.parts] == [
        "path_decoded contains '/waxworks'",
        "query contains 'run='",
    ]
    asked = explain(rule_of(), {"request": "GET /waxworks?show=1 HTTP/1.1\n\n"})
    assert asked.holds is False
    assert [part.holds for part in asked.parts] == [True, False]


def test_an_event_of_another_kind_is_told_as_such() -> None:
    part = explain(rule_of(), {"kind": "CommandRun", "command": "id"})
    assert (part.holds, part.text) == (False, "an event of kind RequestReceived, and this is CommandRun")


def test_a_behaviour_says_how_far_the_events_get() -> None:
    events = [{"kind": "ConnectionOpened", "port": port} for port in range(1, 4)]
    part = explain(RULES["port-sweep-wide"], events)
    assert part.holds is False
    assert part.text == "sweep of one source reaches 8 within a window, and these events reach 3"
    assert explain(RULES["port-sweep-wide"]).holds is None


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_rule_can_be_told(name: str) -> None:
    assert explain(RULES[name]).text


@given(
    st.sampled_from([rule for rule in RULES.values() if "RequestReceived" in rule.kinds]),
    st.text(max_size=80),
)
@settings(max_examples=60, deadline=None)
def test_the_tree_agrees_with_the_rule(rule: Any, text: str) -> None:
    example = {"kind": "RequestReceived", "path": text, "method": "GET"}
    assert explain(rule, example).holds == satisfies(rule, example)


@pytest.mark.parametrize("example", [[], "x", {"kind": "Nothing"}, {"kind": "CommandRun", "port": 1}])
def test_what_is_no_event_is_refused(example: Any) -> None:
    with pytest.raises(ValueError, match=r"kind|column|mapping"):
        explain(rule_of(), example)
