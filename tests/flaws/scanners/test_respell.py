"""afrog's expressions in nuclei's words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.flaws.scanners import dsl, functions
from propolis.flaws.scanners.cel import parse
from propolis.flaws.scanners.respell import Respelling, literal_text, quoted


def spelled(text: str) -> str:
    respelling = Respelling()
    respelling.add("word", is_text=True)
    respelling.add("figure", is_text=False)
    respelling.add("body", is_text=True)
    return respelling.spell(parse(text))[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("response.body.bcontains(bytes(md5(string(figure))))", "contains(body, md5(figure))"),
        ("response.body.bcontains(body)", "contains(body, body_set)"),
        ('"a.b".bmatches(response.body)', "regex('a.b', body)"),
        ('response.raw.matches("a.b")', "regex('a.b', response)"),
        ("response.headers['Content-Type'].icontains('json')", "contains(to_lower(content_type), 'json')"),
        ("'x-run' in response.headers", "contains(header, 'X-Run: ')"),
        ("response.latency >= 6000", "duration >= 6.0"),
        ("string(figure + 1)", "(to_number(figure) + 1)"),
        ('word + "%" + word', "concat(concat(word, '%'), word)"),
        ("randomLowercase(4)", "rand_base(4, 'abcdefghijklmnopqrstuvwxyz')"),
        ("oobCheck(oob, oob.ProtocolDNS, 3)", "contains(interactsh_protocol, 'dns')"),
        ("substr(word, 1, 2)", "substr(word, 1, (1 + 2))"),
        ("nobody == 1", "(nobody() == 1)"),
    ],
)
def test_an_expression_is_said_in_nucleis_words(text: str, words: str) -> None:
    assert spelled(text) == words
    dsl.parse(words)


@settings(max_examples=80)
@given(st.binary(max_size=30))
def test_any_text_can_be_written(value: bytes) -> None:
    assert functions.text(functions.evaluate(dsl.parse(quoted(value)), lambda _: None)) == value


@settings(max_examples=80)
@given(st.text(alphabet="a{}§md5( )", max_size=30))
def test_a_text_asks_for_nothing(text: str) -> None:
    tree = dsl.parse_text(literal_text(text))
    assert functions.render(tree, lambda _: None) == text.encode()
