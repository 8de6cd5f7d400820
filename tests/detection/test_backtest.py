import pytest

from batches import BEGIN, batch_of, built_in, tries
from propolis.clock import SECOND
from propolis.detection import backtest as module
from propolis.detection.backtest import Backtest
from propolis.detection.rules import Rule, RuleSet
from propolis.events import RequestReceived
from propolis.findings import GRADES, Finding
from rule_files import rule_of


def is_blocked(finding: Finding) -> bool:
    return GRADES.index(finding.grade) >= GRADES.index("attempt")


def asked(source: str, path: str) -> tuple[str, RequestReceived]:
    raw = f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode()
    return source, RequestReceived("GET", path, "h", "", raw, 0)


def trial(rule: Rule | None = None, *others: Rule) -> Backtest:
    return Backtest(
        rule or rule_of("ants", "nest"), RuleSet(others or (rule_of("bees", "nest/hive"),)), is_blocked
    )


def test_what_was_found_by_whom_and_what_it_would_have_changed() -> None:
    test = trial()
    test.feed(batch_of([asked("198.18.0.1", "/nest?run=1"), asked("198.18.0.2", "/nest/hive?run=1")]))
    test.feed(
        batch_of(
            [asked("198.18.0.1", "/nest?run=1"), asked("198.18.0.3", "/else")], begin=BEGIN + 90 * SECOND
        )
    )
    report = test.report()
    assert (report.events, report.findings, report.sources) == (4, 3, 2)
    assert report.texts == (("GET /nest?run=1", 2), ("GET /nest/hive?run=1", 1))
    assert (report.also, report.alone) == ({"bees": 1}, 2)
    assert (report.blocked, report.gained) == (("198.18.0.1", "198.18.0.2"), ("198.18.0.1",))
    assert 0 < report.first < report.last
    assert report.summary().findings == 3


def test_its_own_older_version_is_not_another_rule() -> None:
    test = trial(rule_of("ants", "nest"), rule_of("ants", "nest"))
    test.feed(batch_of([asked("198.18.0.1", "/nest?run=1")]))
    assert (test.report().also, test.report().gained) == ({}, ("198.18.0.1",))


def test_a_behaviour_is_tried_like_any_rule() -> None:
    rules = {rule.id: rule for rule in built_in().rules}
    test = trial(rules["password-guessing"], rules["credential-tried"])
    test.feed(batch_of(tries("198.18.0.1", 9)))
    report = test.report([b"GET / HTTP/1.1\r\n\r\n"])
    assert (report.findings, report.benign_found) == (1, 0)
    assert report.gained == ()


def test_benign_requests_that_fit_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BENIGN_ROWS", 2)
    good, bad = b"GET / HTTP/1.1\r\n\r\n", b"GET /nest?run=1 HTTP/1.1\r\n\r\n"
    report = trial().report([good, bad, bad, good, bad])
    assert (report.benign, report.benign_found) == (5, 3)
    assert report.mistaken == (("GET /nest?run=1", 3),)
    assert (report.events, report.findings, report.first) == (0, 0, 0)


def test_what_is_counted_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TEXTS", 2)
    test = trial()
    test.feed(batch_of([asked(f"198.18.0.{n}", f"/nest/{n}?run=1") for n in range(5)]))
    report = test.report()
    assert report.findings == 5
    assert report.sources == 2
    assert dict(report.texts)[module.MORE] == 3
