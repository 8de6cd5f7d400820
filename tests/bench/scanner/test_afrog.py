import hashlib
import random
import re

from answering import page, serving
from bench.scanner import afrog_needs_third_party, read_afrog, scan_afrog

EXECUTION = """
id: one
set:
  num: randomInt(100000, 999999)
  name: randomLowercase(6)
rules:
  r0:
    request:
      method: GET
      path: /{{name}}?code=md5({{num}})
    expression: response.status == 200 && response.body.bcontains(bytes(md5(string(num))))
    output:
      search: '"token=(?P<token>[a-z]+)".bsubmatch(response.body)'
      token: search["token"]
  r1:
    request:
      method: POST
      path: /next
      body: |
        t={{token}}
    expression: '"^wel(come)?".bmatches(response.body) && response.content_type.icontains("HTML")'
expression: r0() && r1()
"""
AWAY = """
id: two
rules:
  r0:
    request: {method: GET, path: /}
    expression: response.status == 200 && oobCheck(oob.ProtocolDNS, 3)
  r1:
    request: {method: GET, path: /}
    expression: response.status == 200
expression: r0() && r1()
"""


def answer(data: bytes) -> bytes:
    found = re.search(rb"md5\((\d+)\)", data)
    if found:
        return page(f"{hashlib.md5(found[1]).hexdigest()} token=abc")
    is_right = b"\r\n\r\nt=abc" in data and b"x-www-form-urlencoded" in data
    return page("welcome" if is_right else "no", "200 OK", "Content-Type: text/html")


def test_outputs_of_a_rule_are_known_to_the_next() -> None:
    with serving(answer) as (address, received):
        verdict = scan_afrog(read_afrog(EXECUTION), address, random.Random(1))
    assert verdict.is_vulnerable
    assert len(received) == 2


def test_the_first_rule_that_fails_is_the_reason() -> None:
    with serving(lambda _: page("nothing")) as (address, received):
        verdict = scan_afrog(read_afrog(EXECUTION), address, random.Random(1))
    assert verdict.reason == "rule r0 does not hold"
    assert len(received) == 1


def test_a_callback_that_is_needed_is_seen() -> None:
    assert afrog_needs_third_party(read_afrog(AWAY))
    assert not afrog_needs_third_party(read_afrog(AWAY.replace("r0() && r1()", "r0() || r1()")))
    assert not afrog_needs_third_party(read_afrog(EXECUTION))
