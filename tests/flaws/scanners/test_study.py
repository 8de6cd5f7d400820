"""A template becomes a lure that its own scanner believes."""

import re

import pytest

from propolis.flaws.check import check
from propolis.flaws.file import Flaw
from propolis.flaws.scanners.folder import import_template, study
from propolis.flaws.scanners.imported import BELIEVED, Refused
from templates import TEMPLATE

LOGIN = """id: demo-login
info: {{name: Demo Panel - Command Injection, severity: high, tags: "cve,rce"}}
http:
  - raw:
      - |
        GET /login HTTP/1.1
        Host: {{{{Hostname}}}}
      - |
        POST /run HTTP/1.1
        Host: {{{{Hostname}}}}
        Content-Type: application/x-www-form-urlencoded

        token={{{{token}}}}&cmd=id
    matchers:
      - {{type: dsl, dsl: ["status_code_2 == 200 && contains(body_2, 'uid=')"]}}
    extractors:
      - {{type: regex, name: token, part: body_1, group: 1, internal: true, regex: ['name="t" value="{group}"']}}
"""


def test_a_template_becomes_a_lure_that_computes_what_the_scanner_expects() -> None:
    known = study(TEMPLATE, "demo-rce")
    assert known.verdict == BELIEVED
    flaw = import_template(TEMPLATE, "demo-rce")
    assert isinstance(flaw, Flaw)
    assert flaw.cve == ("CVE-2024-1234",)
    assert flaw.kind == "command-injection"
    assert check(flaw) == ()


def test_what_is_no_template_is_refused_with_a_reason() -> None:
    assert isinstance(import_template("id: x", "x"), Refused)


@pytest.mark.parametrize(
    "group",
    ["([0-9a-z]+)", "([a-f0-9]+)", "([0-9]+)", "([A-Z0-9]{12})", "([a-z]{8})", "([a-f0-9]{32})", "(.+)"],
)
def test_what_is_issued_is_what_the_extractor_takes(group: str) -> None:
    known = study(LOGIN.format(group=group), "demo-login")
    assert known.verdict == BELIEVED
    assert known.flaw is not None
    (issue,) = (issue for step in known.flaw.steps for issue in step.issue.values())
    assert re.fullmatch(r"[\w'/ +]+\(\d*\)", issue)


LINES = ("GET /status?x=4711 HTTP/2", "GET  /status?x=4711  HTTP/1.1", "GET /status?x=4711 HTTP/1.1")


@pytest.mark.parametrize("line", LINES)
def test_the_version_is_no_part_of_what_is_asked_for(line: str) -> None:
    text = TEMPLATE.replace("POST /cgi/run?x={{num}} HTTP/1.1", line)
    flaw = study(text, "demo-rce").flaw
    assert flaw is not None
    (step,) = flaw.steps
    assert isinstance(step.match, dict)
    assert (step.match["path"], step.match["query.x"]) == ("/status", "4711")


def test_an_address_in_a_parameter_stays() -> None:
    text = TEMPLATE.replace("x={{num}}", "url=https://elsewhere.example/a")
    flaw = study(text, "demo-rce").flaw
    assert flaw is not None
    (step,) = flaw.steps
    assert isinstance(step.match, dict)
    assert step.match["query.url"] == "https://elsewhere.example/a"


def test_the_line_end_behind_a_body_is_nobodys_value() -> None:
    text = TEMPLATE.partition("http:")[0] + (
        "http:\n  - method: POST\n    path: ['{{BaseURL}}/run']\n    headers: {Content-Type: a/b}\n"
        "    body: |\n      cmd=echo%20{{num}}&last=one\n    matchers: [{type: word, words: ['{{md5(num)}}']}]\n"
    )
    known = study(text, "demo-rce")
    assert known.verdict == BELIEVED
    assert known.flaw is not None
    (step,) = known.flaw.steps
    assert isinstance(step.match, dict)
    assert step.match["form.last|trim"] == "one"


def test_a_host_that_is_written_out_stands_for_any() -> None:
    text = TEMPLATE.replace("x={{num}}", "next=https://interact.sh/a").replace(
        '{type: word, part: body, words: ["{{md5(num)}}"]}',
        "{type: regex, part: header, regex: ['(?m)^Location: https://interact\\.sh/a']}",
    )
    known = study(text.replace("status: [200]", "status: [302]"), "demo-rce")
    assert known.verdict == BELIEVED
    assert known.flaw is not None
    (step,) = known.flaw.steps
    assert isinstance(step.match, dict)
    assert step.match["query.next|re"] == r"^https://[A-Za-z0-9.:\-]+/a$"
    assert any("{{ callback" in header for header in step.reply.headers)
    assert "callback" in step.extract


def test_a_header_that_must_be_something_else_is_there() -> None:
    text = TEMPLATE.replace("{type: status, status: [200]}", "{type: dsl, dsl: [\"x_own != ''\"]}")
    known = study(text, "demo-rce")
    assert known.verdict == BELIEVED
    assert known.flaw is not None
    assert "X-Own: 1" in known.flaw.steps[0].reply.headers


def test_a_value_may_be_used_by_way_of_a_list() -> None:
    text = LOGIN.format(group="([a-z]+)").replace("token={{token}}", "token={{word}}")
    text = text.replace("    matchers:", "    payloads: {word: ['{{token}}x']}\n    matchers:", 1)
    known = study(text, "demo-login")
    assert known.verdict == BELIEVED
    assert known.flaw is not None
    assert known.flaw.steps[0].issue
