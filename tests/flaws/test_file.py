"""A lure file's text to a flaw and back; every mistake is told with its file, line and key."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.flaws.file import FlawError, line_of, load, parse, write

PLAIN = """id: yarn
name: YARN runs whatever is submitted
product: hadoop-yarn
steps:
  - id: new
    match: {method: POST, path: [/a, /b], "json.n|gt": 3}
    issue: {app: "'a' + digits(3)"}
    reply: {headers: ["A: b"], body: "x{{app}}", delay: [0.1, 0.2]}
tests:
  match: [{request: "POST /a HTTP/1.1\\n\\n", step: new}]
  miss: ["GET / HTTP/1.1\\n\\n"]
"""


def test_a_file_is_a_flaw_and_a_flaw_is_a_file() -> None:
    flaw = parse(PLAIN, "yarn.yaml")
    assert flaw.steps[0].match == {"method": "POST", "path": ("/a", "/b"), "json.n|gt": 3}
    assert flaw.steps[0].reply.delay == (0.1, 0.2)
    assert parse(write(flaw), "yarn.yaml") == flaw


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("id: yarn", "id: Yarn", "yarn.yaml:1: id: "),
        ("  - id: new\n", "  - id: new\n    grades: scan\n", "grades"),
        ("delay: [0.1, 0.2]", "status: high", "yarn.yaml:8: steps[0].reply.status: "),
        ("    issue:", "    after: [old]\n    issue:", "yarn.yaml:7: steps[0].after: there is no step 'old'"),
        ('{method: POST, path: [/a, /b], "json.n|gt": 3}', "{}", "steps[0].match: is empty"),
        ("delay: [0.1, 0.2]", 'body_base64: "eA=="', "stands beside body"),
        ("A: b", "A b", "steps[0].reply.headers[0]"),
        ("{method: POST, path", "{method: &m POST, host: *m, path", "an alias is not allowed"),
        ("{method: POST, path", "{path: /c, method: POST, path", "'path' is written twice here"),
        ("    issue:", "    cve: [2024-1]\n    issue:", "yarn.yaml:7: steps[0].cve[0]: "),
        ("name: YARN", "name: [YARN", "is not YAML"),
        ("[/a, /b]", "[" * 40 + "/a" + "]" * 40, "nested deeper"),
        ("yarn\n", "yarn\n  x: y\n", "is not YAML"),
    ],
)
def test_a_mistake_is_told_with_its_place(old: str, new: str, said: str) -> None:
    with pytest.raises(FlawError) as error:
        parse(PLAIN.replace(old, new, 1), "yarn.yaml")
    assert said in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("word", ["yes", "on", "2024-01-01", "0x10", "1e3", "~", "null", "010"])
def test_words_are_words(word: str) -> None:
    flaw = parse(PLAIN.replace("YARN runs whatever is submitted", word), "yarn.yaml")
    assert flaw.name == word
    assert parse(write(flaw), "yarn.yaml") == flaw


def test_a_file_has_its_ids_name(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(PLAIN)
    with pytest.raises(FlawError, match=r"other\.yaml:1: id: is 'yarn'; name the file yarn\.yaml"):
        load(path)
    with pytest.raises(FlawError, match="cannot be read"):
        load(tmp_path / "missing.yaml")
    path.write_bytes(b"\xff")
    with pytest.raises(FlawError, match="is not UTF-8"):
        load(path)


@pytest.mark.parametrize("bomb", ["[" * 200_000, "{a: " * 60_000, "- " * 100_000, "x" * 300_000])
def test_bombs_do_nothing(bomb: str) -> None:
    with pytest.raises(FlawError):
        parse(bomb, "bomb.yaml")


@given(st.text(max_size=200))
def test_any_text_is_a_flaw_or_an_error(text: str) -> None:
    with pytest.raises(FlawError):
        parse(text, "any.yaml")
    assert line_of(text, "steps[0].id") >= 0


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=60))
def test_any_body_is_written_and_read_again(body: str) -> None:
    flaw = parse(PLAIN, "yarn.yaml")
    step = msgspec.structs.replace(
        flaw.steps[0], reply=msgspec.structs.replace(flaw.steps[0].reply, body=body)
    )
    flaw = msgspec.structs.replace(flaw, steps=(step,))
    assert parse(write(flaw), "yarn.yaml") == flaw
