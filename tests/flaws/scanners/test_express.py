"""From what is unknown to the expression that computes it."""

from propolis.flaws.scanners.express import literal, variable


def test_names_and_constants_of_the_answer_language() -> None:
    assert variable("Some-Name").isidentifier()
    assert literal(b"it's") in {'"it\'s"', "'it\\'s'"} or "it" in literal(b"it's")
    assert literal(7) == "7"
