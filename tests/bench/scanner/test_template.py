import random

import pytest
from bench.scanner.template import TemplateError, read

TEXT = """
id: a-flaw
variables:
  num: "{{rand_int(1, 9)}}"
http:
  - raw:
      - |
        GET /{{randstr}} HTTP/1.1
        Host: {{Hostname}}
    payloads:
      user: [a, b]
      list: helpers/words.txt
    attack: pitchfork
    host-redirects: true
    max-redirects: 2
    matchers-condition: and
    matchers:
      - type: word
        encoding: hex
        words: ["4a4b"]
      - type: status
        status: [200]
      - type: regex
        part: body_2
        regex: ["{{randstr}}"]
        negative: true
    extractors:
      - type: regex
        name: nonce
        internal: true
        group: 1
        regex: ["n=(.)"]
"""


def test_a_template_is_read() -> None:
    template = read(TEXT, random.Random(1))
    (block,) = template.blocks
    word = dict(template.constants)["randstr"]
    assert block.raws == (f"GET /{word} HTTP/1.1\r\nHost: {{{{Hostname}}}}\r\n",)
    assert block.redirects == "host"
    assert block.matchers[0].words == ("JK",)
    assert block.matchers[2].expressions == (word,)
    assert block.matchers[2].is_negative
    assert block.extractors[0].is_internal
    assert dict(block.payloads)["user"] == ("a", "b")
    assert len(dict(block.payloads)["list"]) == 10


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("- a", "not a mapping"),
        ("id: [", "not YAML"),
        ("id: x\ndns: []", "not an HTTP template"),
        ("id: x\nhttp: [{race: true}]", "unsupported: race"),
        ("id: x\nhttp: [{matchers: [{type: regex, regex: ['(?=a)']}]}]", "regular expression is refused"),
    ],
)
def test_what_cannot_be_run_says_why(text: str, why: str) -> None:
    with pytest.raises(TemplateError, match=why):
        read(text, random.Random(1))
