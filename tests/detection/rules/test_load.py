from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.detection.rules import BUILT_IN, RuleSet, Threshold, load, parse
from propolis.detection.rules.load import MAX_FILE_BYTES
from propolis.errors import RuleError

GOOD = """
title: A word was said
id: word-said
level: low
grade: scan
confidence: 50
tags: [attack.t1595.002, cve.2021.44228, attack.reconnaissance]
logsource: {kind: CommandRun}
detection:
  word: {command|contains: [abra, cadabra]}
  quiet: {command|startswith: sh}
  condition: word and not quiet
examples:
  match: [{kind: CommandRun, command: say Abra}]
  miss: [{kind: CommandRun, command: sh -c abra}]
"""


def write(folder: Path, text: str, name: str = "rule.yaml") -> Path:
    (folder / name).write_text(text)
    return folder


def test_a_rule_says_what_it_means(tmp_path: Path) -> None:
    rules = load(write(tmp_path, GOOD)).rules
    rule = next(rule for rule in rules if rule.id == "word-said")
    assert (rule.severity, rule.grade, rule.confidence) == ("low", "scan", 50)
    assert (rule.technique, rule.cve, rule.kinds) == ("T1595.002", ("CVE-2021-44228",), ("CommandRun",))
    assert rule.path == str(tmp_path / "rule.yaml")


def test_the_same_files_are_the_same_set(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    one, two = load(tmp_path), load(tmp_path)
    assert isinstance(one, RuleSet)
    assert one == two
    assert [rule.id for rule in one.rules] == sorted(rule.id for rule in one.rules)


def test_a_behaviour_is_a_threshold() -> None:
    sweep = next(rule for rule in load().rules if rule.id == "port-sweep")
    assert sweep.logic == Threshold("sweep", 3)


@pytest.mark.parametrize("path", sorted(BUILT_IN.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_built_in_rule_is_named_as_its_file(path: Path) -> None:
    rule = parse(path.read_bytes(), path)
    assert rule.id == path.stem
    assert rule.technique


@pytest.mark.parametrize(
    ("old", "new", "where", "why"),
    [
        ("level: low", "level: loud", "level", "Invalid enum value 'loud'"),
        ("confidence: 50", "confidence: 101", "confidence", "<= 100"),
        ("id: word-said", "id: Word Said", "id", "matching regex"),
        ("title: A", "tilte: A", "", "unknown field `tilte`"),
        ("kind: CommandRun}\ndet", "kind: Command}\ndet", "logsource.kind", "no such kind 'Command'"),
        ("command|contains", "comand|contains", "detection.word.comand|contains", "no field 'comand'"),
        ("command|contains", "command|holds", "detection.word.command|holds", "no such modifier"),
        ("command|contains", "command|contains|re", "detection.word.command|contains|re", "no such modifier"),
        ("[abra, cadabra]", "[]", "detection.word.command|contains", "a text or a list of texts"),
        ("[abra, cadabra]", "\u20ac", "detection.word.command|contains", "not one byte"),
        (
            "command|contains: [abra, cadabra]",
            "command|re: 'a('",
            "detection.word.command|re",
            "not a regular expression",
        ),
        ("command|contains: [abra, cadabra]", "command|re: '^abra'", "detection.word.command|re", "anchor"),
        (
            "command|contains: [abra, cadabra]",
            "command|re: '(?a)abra'",
            "detection.word.command|re",
            "Hyperscan",
        ),
        ("word and not quiet", "word and not loud", "detection.condition", "names no selection with 'loud'"),
        ("word and not quiet", "word", "detection.condition", "never uses the selection 'quiet'"),
        ("  condition: word and not quiet\n", "", "detection.condition", "is missing"),
        ("word: {command|contains: [abra, cadabra]}", "word: abra", "detection.word", "must be a mapping"),
        ("say Abra", "say nothing", "examples.match[0]", "must match and does not"),
        ("sh -c abra", "abra", "examples.miss[0]", "must not match and does"),
        ("sh -c abra}", "sh, port: 3}", "examples.miss[0]", "no column 'port'"),
        (
            "  miss: [{kind: CommandRun, command: sh -c abra}]\n",
            "",
            "examples",
            "missing required field `miss`",
        ),
        ("match: [{kind: CommandRun, command: say Abra}]", "match: []", "examples.match", "length >= 1"),
        ("level: low", "level: low\nlevel: high", "line 5", "given twice"),
        ("level: low", "level: [low", "line 5", "not YAML"),
    ],
)
def test_a_fault_is_located(old: str, new: str, where: str, why: str) -> None:
    assert old in GOOD
    with pytest.raises(RuleError, match=why.replace("(", r"\(")) as caught:
        parse(GOOD.replace(old, new, 1).encode(), Path("rule.yaml"))
    assert caught.value.path == "rule.yaml"
    assert caught.value.where == where


@pytest.mark.parametrize(
    ("detection", "where"),
    [
        ("{behaviour: sweeping, at_least: 3}", "detection.behaviour"),
        ("{behaviour: sweep, at_least: 17}", "detection.at_least"),
        ("{behaviour: sweep}", "detection"),
    ],
)
def test_a_fault_of_a_behaviour_is_located(detection: str, where: str) -> None:
    text = (BUILT_IN / "port-sweep.yaml").read_text().replace("{behaviour: sweep, at_least: 3}", detection)
    with pytest.raises(RuleError) as caught:
        parse(text.encode(), Path("rule.yaml"))
    assert caught.value.where == where


def test_an_id_is_used_once(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    write(tmp_path, GOOD, "second.yaml")
    with pytest.raises(RuleError, match="already the id of"):
        load(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="is not a folder"):
        load(tmp_path / "absent")


def test_a_file_that_is_too_long_is_refused() -> None:
    with pytest.raises(RuleError, match="the limit is"):
        parse(b"#" * (MAX_FILE_BYTES + 1), Path("rule.yaml"))


@given(
    st.binary(max_size=60) | st.text(max_size=60).map(lambda text: (GOOD + text).encode("utf-8", "replace"))
)
@settings(max_examples=80, deadline=None)
def test_any_file_is_a_rule_or_a_located_error(data: bytes) -> None:
    try:
        rule = parse(data, Path("rule.yaml"))
    except RuleError as error:
        told = error.why
    else:
        told = rule.title
    assert told
