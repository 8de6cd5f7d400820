import hashlib
import random
import re

from answering import page, serving
from bench.scanner import Verdict, read, scan


def run(text: str, answer: object) -> tuple[Verdict, list[bytes]]:
    with serving(answer) as (address, received):  # type: ignore[arg-type]
        return scan(read(text, random.Random(3)), address, random.Random(4)), received


def test_a_proof_of_execution_is_believed() -> None:
    def answer(data: bytes) -> bytes:
        found = re.search(rb"md5\((\d+)\)", data)
        return page(hashlib.md5(found[1]).hexdigest() if found else "")

    text = """
    id: x
    variables: {num: "{{rand_int(100000, 999999)}}"}
    http:
      - method: GET
        path: ["{{BaseURL}}/?code=print(md5({{num}}))"]
        matchers: [{type: word, words: ["{{md5(num)}}"]}]
    """
    verdict, received = run(text, answer)
    assert verdict.is_vulnerable
    assert received[0].startswith(b"GET /?code=print(md5(")


def test_a_token_is_carried_to_the_next_request_and_requests_are_numbered() -> None:
    def answer(data: bytes) -> bytes:
        if data.startswith(b"POST"):
            return page("welcome" if b"token=n42" in data and b"Cookie: s=1" in data else "no")
        return page("<i name=token value=n42>", "200 OK", "Set-Cookie: s=1; path=/")

    text = """
    id: x
    http:
      - raw:
          - |
            GET /login HTTP/1.1
            Host: {{Hostname}}
          - |
            POST /login HTTP/1.1
            Host: {{Hostname}}

            token={{token}}
        extractors: [{type: regex, name: token, group: 1, regex: ["value=(\\\\w+)"], internal: true}]
        matchers: [{type: dsl, dsl: ["status_code_1 == 200 && contains(body_2, 'welcome')"]}]
    """
    assert run(text, answer)[0].is_vulnerable
    verdict, _ = run(text, lambda _: page("nothing"))
    assert not verdict.is_vulnerable
    assert verdict.reason == "block 1: unresolved: token"


FLOW = """
id: x
flow: http(1) && http(2)
http:
  - method: GET
    path: ["{{BaseURL}}/one"]
    matchers: [{type: word, words: [one]}]
  - method: GET
    path: ["{{BaseURL}}/two"]
    matchers: [{type: word, words: [two]}]
"""


def test_a_flow_that_is_false_is_not_believed_although_its_first_block_matched() -> None:
    verdict, received = run(FLOW, lambda data: page("one" if b"/one" in data else "three"))
    assert len(received) == 2
    assert not verdict.is_vulnerable
    assert verdict.reason == "block 2: no match: word"


def test_a_flow_that_is_true_is_believed() -> None:
    assert run(FLOW, lambda data: page("one" if b"/one" in data else "two"))[0].is_vulnerable


def test_what_an_operator_gives_is_given() -> None:
    text = """
    id: x
    http:
      - method: POST
        path: ["{{BaseURL}}/login"]
        body: "u={{username}}&p={{password}}"
        stop-at-first-match: true
        matchers: [{type: status, status: [200]}]
    """
    verdict, received = run(text, lambda _: page(""))
    assert verdict.is_vulnerable
    assert received[0].endswith(b"\r\n\r\nu=editor&p=Correct-Horse-7")
