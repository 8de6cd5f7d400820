import subprocess
from pathlib import Path

import pytest
import yaml

from installation import Installation
from lure_files import write_lure
from propolis.cli.lures import hits_of
from propolis.flaws.standing import Standing

pytestmark = pytest.mark.xdist_group("installation")


def test_what_is_built_in_is_listed_before_anything_runs(idle: Installation) -> None:
    listed = idle.json("lures", "list")
    rows = {row["id"]: row for row in listed["lures"]}
    assert "CVE-2021-44228" in rows["log4shell"]["cve"]
    assert {row["origin"] for row in rows.values()} == {"built-in"}
    assert {row["hits"] for row in rows.values()} == {None}
    assert "log4shell" in idle.say("lures", "list")


def test_the_folder_is_listed_with_what_is_wrong_in_it(idle: Installation) -> None:
    idle.path.write_text(idle.path.read_text() + '[flaws]\npacks = "mine"\n')
    write_lure(idle.folder / "mine", "good")
    bad = write_lure(idle.folder / "mine", "bad")
    bad.write_text(bad.read_text().replace("kind: command-injection", "kind: magic"))
    words = idle.say("lures", "list")
    assert "good" in words
    assert f"refused bad: {idle.folder}/mine/bad.yaml:4: kind: " in words
    assert "Invalid enum value" in idle.mistake("lures", "show", "bad")


def test_a_lure_is_shown_as_a_file_that_can_be_used(idle: Installation) -> None:
    text = idle.say("lures", "show", "log4shell")
    assert yaml.safe_load(text)["id"] == "log4shell"
    assert "see `propolis lures list`" in idle.mistake("lures", "show", "no-such")
    (idle.folder / "log4shell.yaml").write_text(text)
    assert idle.say("lures", "test", "log4shell.yaml") == "All tests hold.\n"


def test_a_test_that_fails_is_told_with_file_and_line(idle: Installation) -> None:
    write_lure(idle.folder / "mine", "good")
    write_lure(idle.folder / "mine", "bad", proof="another word")
    (idle.folder / "mine" / "torn.yaml").write_text("id: torn\nsteps: [")
    done = idle.run("lures", "test", "mine")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("mine/bad.yaml:15: the answer does not contain 'another word'")
    assert lines[1].startswith("mine/torn.yaml:")
    assert "no lure file was named" in idle.mistake("lures", "test")


def test_a_key_is_made_once_and_says_whom_to_trust(idle: Installation) -> None:
    words = idle.say("lures", "keygen", "key.pem")
    path = idle.folder / "key.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    assert subprocess.run(["openssl", "pkey", "-in", str(path), "-noout"], check=False).returncode == 0
    (line,) = [line for line in words.splitlines() if line.startswith("trusted")]
    idle.path.write_text(idle.path.read_text() + f"[flaws]\n{line}\n")
    assert idle.say("check") == "propolis.toml: good\n"
    assert "exists already" in idle.mistake("lures", "keygen", "key.pem")


@pytest.mark.parametrize(
    ("setting", "why"),
    [('trusted = ["mine"]', r"flaws.trusted[0]: is no public key"), ('packs = "none"', "name a folder")],
)
def test_a_setting_that_cannot_be_used_is_found_before_anything_starts(
    idle: Installation, setting: str, why: str
) -> None:
    idle.path.write_text(idle.path.read_text() + f"[flaws]\n{setting}\n")
    assert why in idle.mistake("check")


def test_the_plan_says_what_each_port_plays(installation: Installation) -> None:
    sensors = installation.json("lures", "plan")
    (port,) = installation.config.lures["http"].ports
    assert [played["port"] for played in sensors["edge.0"]["cast"]] == [port]
    assert sensors["edge.0"]["cast"][0]["products"]
    assert str(port) in installation.say("lures", "plan")


def test_without_an_installation_there_is_no_plan(idle: Installation) -> None:
    assert "start it with `propolis up`" in idle.mistake("lures", "plan")


def test_hits_of_sensors_are_added() -> None:
    assert hits_of([Standing(hits={"a": 1}), Standing(hits={"a": 2, "b": 1})]) == {"a": 3, "b": 1}


def test_a_listing_of_a_running_installation_counts_hits(installation: Installation, tmp_path: Path) -> None:
    rows = {row["id"]: row for row in installation.json("lures", "list")["lures"]}
    assert all(isinstance(row["hits"], int) for row in rows.values())


TEMPLATE = """
id: hive-box-rce
info: {name: Hive box runs cmd, severity: critical, classification: {cve-id: CVE-2099-0002}}
http:
  - method: GET
    path: ["{{BaseURL}}/hive-box/run?cmd=id"]
    matchers: [{type: word, words: ["uid=", "gid="], condition: and}]
"""
UNSPEAKABLE = """
id: hive-box-callback
info: {name: Hive box calls back, severity: high}
http:
  - method: GET
    path: ["{{BaseURL}}/hive-box/fetch?url={{interactsh-url}}"]
    matchers: [{type: word, part: interactsh_protocol, words: ["dns"]}]
"""


def test_scanner_templates_become_lures_and_none_is_dropped_silently(idle: Installation) -> None:
    templates = idle.folder / "templates"
    templates.mkdir()
    (templates / "hive-box-rce.yaml").write_text(TEMPLATE)
    (templates / "hive-box-callback.yaml").write_text(UNSPEAKABLE)
    (templates / "torn.yaml").write_text("id: [")
    report = idle.json("lures", "import", "templates", "--out", "made")
    assert report["templates"] == report["believed"] + sum(map(len, report["report"].values())) == 3
    assert "hive-box-callback" in report["report"]["needs a third party"]
    assert len(list((idle.folder / "made").glob("*.yaml"))) == report["lures"]
    assert idle.say("lures", "test", "made") == "All tests hold.\n"
    words = idle.say("lures", "import", "templates", "--out", "made")
    assert words.startswith("3 templates: ")
    assert "1 needs a third party: hive-box-callback" in words


def test_a_folder_without_templates_is_a_mistake(idle: Installation) -> None:
    (idle.folder / "empty").mkdir()
    assert "has no templates" in idle.mistake("lures", "import", "empty", "--out", "made")
