import json

import pytest

from installation import Installation
from propolis.cli.rules import placed
from rule_files import write_rule

pytestmark = pytest.mark.xdist_group("installation")


def test_what_is_built_in_and_in_the_folder_is_listed_before_anything_runs(idle: Installation) -> None:
    idle.path.write_text(idle.path.read_text() + '[detection]\nrules = "mine"\n')
    write_rule(idle.folder / "mine", "good")
    rows = {row["id"]: row for row in idle.json("rules", "list")["rules"]}
    assert (rows["log4shell"]["origin"], rows["log4shell"]["technique"]) == ("built-in", "T1190")
    assert (rows["good"]["origin"], rows["good"]["trial"], rows["good"]["hits"]) == ("folder", False, None)


def test_an_example_that_fails_is_told_with_file_line_and_key(idle: Installation) -> None:
    write_rule(idle.folder / "mine", "good")
    write_rule(idle.folder / "mine", "bad", proof="other")
    (idle.folder / "mine" / "torn.yaml").write_text("id: torn\ndetection: [")
    done = idle.run("rules", "test", "mine")
    assert done.returncode == 2
    first, second = done.stderr.splitlines()
    assert first == "mine/bad.yaml:14: examples.match[0]: must match and does not"
    assert second.startswith("mine/torn.yaml:2: is not YAML")
    assert idle.say("rules", "test", "mine/good.yaml") == "1 rules: all examples hold.\n"
    assert "no rule file was named" in idle.mistake("rules", "test")


def test_lint_says_what_and_where(idle: Installation) -> None:
    good = write_rule(idle.folder, "good")
    assert idle.say("rules", "lint", str(good)) == "Nothing to remark.\n"
    bad = write_rule(idle.folder, "bad", "beeswax", title="Log4j lookup")
    bad.write_text(bad.read_text().replace("attack.t1190", "attack.t9190"))
    done = idle.run("rules", "lint", str(bad), "--json")
    assert done.returncode == 1
    assert {remark["key"] for remark in json.loads(done.stdout)} >= {"tags[0]"}
    words = idle.run("rules", "lint", str(bad)).stdout
    assert "bad.yaml:6: tags[0]: ATT&CK has no technique T9190" in words


def test_a_rule_is_explained_and_an_event_says_which_parts_hold(idle: Installation) -> None:
    path = write_rule(idle.folder, "good")
    words = idle.say("rules", "explain", str(path))
    assert "good: Runs good (attempt 95 % T1190)" in words
    assert "path_decoded contains '/waxworks'" in words
    event = idle.folder / "event.json"
    event.write_text('{"request": "GET /waxworks?show=1 HTTP/1.1\\n\\n"}')
    words = idle.say("rules", "explain", str(path), "--event", str(event))
    assert "✓ path_decoded contains '/waxworks'" in words
    assert "✗ query contains 'run='" in words
    assert idle.json("rules", "explain", "log4shell")["rule"] == "log4shell"
    event.write_text("{")
    assert "is no event in JSON" in idle.mistake("rules", "explain", str(path), "--event", str(event))
    event.write_text('{"kind": "Nothing"}')
    assert "no such kind" in idle.mistake("rules", "explain", str(path), "--event", str(event))
    assert "there is no such rule" in idle.mistake("rules", "explain", "nothing").splitlines()[-1]


def test_what_of_attack_is_covered(idle: Installation) -> None:
    matrix = {tactic["name"]: tactic for tactic in idle.json("rules", "coverage")}
    brute = next(one for one in matrix["credential-access"]["techniques"] if one["id"] == "T1110")
    assert "credential-tried" in brute["rules"]
    words = idle.say("rules", "coverage")
    assert "credential-access" in words
    assert "Exploit Public-Facing Application" in words


def test_a_place_in_a_file_that_is_gone_is_named_without_a_line() -> None:
    assert placed("/nowhere/x.yaml", "id", "is wrong") == "/nowhere/x.yaml: id: is wrong"
