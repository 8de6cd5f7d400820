import random

import pytest
from bench.scanner.template import read
from bench.scanner.third_party import needs_third_party

AWAY = "{type: word, part: interactsh_protocol, words: [dns]}"
HERE = "{type: word, words: [a]}"


def needs(text: str) -> bool:
    return needs_third_party(read(f"id: x\n{text}", random.Random(1)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"http: [{{matchers: [{AWAY}]}}]", True),
        (f"http: [{{matchers: [{AWAY}, {HERE}]}}]", False),
        (f"http: [{{matchers-condition: and, matchers: [{AWAY}, {HERE}]}}]", True),
        (f"http: [{{matchers: [{AWAY}]}}, {{matchers: [{HERE}]}}]", False),
        (f"flow: http(1) && http(2)\nhttp: [{{matchers: [{AWAY}]}}, {{matchers: [{HERE}]}}]", True),
        (f"flow: http(1) || http(2)\nhttp: [{{matchers: [{AWAY}]}}, {{matchers: [{HERE}]}}]", False),
        (f"flow: if (http(1)) {{ http(2) }}\nhttp: [{{matchers: [{AWAY}]}}, {{matchers: [{HERE}]}}]", False),
        ("http: [{matchers: [{type: dsl, dsl: [\"contains(interactsh_protocol, 'dns') && a\"]}]}]", True),
        ("http: [{matchers: [{type: dsl, dsl: [\"contains(interactsh_protocol, 'dns') || a\"]}]}]", False),
        ("http: [{extractors: [{type: regex, part: interactsh_request, regex: [a]}]}]", True),
        (
            f"http: [{{matchers: [{HERE}], extractors: [{{type: kval, part: interactsh_request, kval: [a]}}]}}]",
            False,
        ),
    ],
)
def test_a_template_needs_a_third_party_if_no_way_is_left(text: str, *, expected: bool) -> None:
    assert needs(text) is expected
