from pathlib import Path

import pytest

from propolis.detection.lint import Remark, implies, lint
from propolis.detection.rules import Every, Not, Some, Test
from rule_files import rule_text, write_rule


def has(value: str, how: str = "contains", field: str = "raw") -> Test:
    return Test(field, how, (value.encode(),))  # type: ignore[arg-type]


def keys(remarks: list[Remark]) -> list[str]:
    return [remark.key for remark in remarks]


def changed(folder: Path, name: str, *pairs: tuple[str, str]) -> Path:
    text = rule_text(name)
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return path


def test_a_good_rule_has_no_remark(tmp_path: Path) -> None:
    assert lint([write_rule(tmp_path)], ()) == []


def test_a_file_that_does_not_load_is_a_remark_at_its_key(tmp_path: Path) -> None:
    remarks = lint([write_rule(tmp_path, proof="other")], ())
    assert keys(remarks) == ["examples.match[0]"]


def test_a_technique_that_is_none_or_missing(tmp_path: Path) -> None:
    one = changed(tmp_path, "one", ("attack.t1190", "attack.t1190, attack.t9999"))
    two = changed(tmp_path, "two", ("[attack.t1190]", "[]"), ("/waxworks", "/beeswax"))
    remarks = lint([one, two], ())
    assert keys(remarks) == ["tags[1]", "tags"]
    assert "no technique T9999" in remarks[0].why


def test_a_miss_that_is_not_near(tmp_path: Path) -> None:
    path = changed(tmp_path, "one", ("GET /waxworks?show=id", "GET /elsewhere"))
    assert keys(lint([path], ())) == ["examples.miss"]


def test_a_literal_that_is_everywhere(tmp_path: Path) -> None:
    path = changed(tmp_path, "one", ("'/waxworks'", "'/'"), ("'run='", "'n='"))
    (remark,) = lint([path], ())
    assert "the literal 'n=' alone" in remark.why


def test_twins_by_id_and_by_title(tmp_path: Path) -> None:
    one = write_rule(tmp_path / "a", "one")
    two = write_rule(tmp_path / "b", "one", "beeswax")
    three = write_rule(tmp_path, "three", "propolis", title="RUNS ONE")
    assert keys(lint([one, two, three], ())) == ["id", "title", "id", "title", "title", "title"]


def test_a_rule_that_adds_nothing_to_another(tmp_path: Path) -> None:
    broad = write_rule(tmp_path, "broad", "wax")
    narrow = write_rule(tmp_path, "narrow", "waxworks")
    (remark,) = lint([broad, narrow], ())
    assert remark.path == str(narrow)
    assert "whatever it finds broad finds" in remark.why
    graver = write_rule(tmp_path, "narrow", "waxworks", grade="confirmed")
    assert lint([broad, graver], ()) == []


@pytest.mark.parametrize(
    ("narrow", "broad", "is_so"),
    [
        (has("wax"), has("wax"), True),
        (has("waxworks"), has("wax"), True),
        (has("wax"), has("waxworks"), False),
        (has("wax", field="path"), has("wax"), False),
        (has("wax", "equals"), has("a"), True),
        (has("wax"), has("wax", "equals"), False),
        (has("wax", "startswith"), has("wa", "startswith"), True),
        (has("wax", "endswith"), has("wa", "endswith"), False),
        (Every((has("a"), has("b"))), has("a"), True),
        (has("a"), Some((has("b"), has("a"))), True),
        (Some((has("ab"), has("ac"))), has("a"), True),
        (Some((has("ab"), has("c"))), has("a"), False),
        (Not(has("a")), Not(has("ab")), True),
        (Not(has("ab")), Not(has("a")), False),
        (Test("raw", "contains", (b"ab", b"c")), Test("raw", "contains", (b"a", b"c")), True),
        (Test("raw", "contains", (b"ab", b"c"), every=True), has("a"), True),
        (has("ab"), Test("raw", "contains", (b"a", b"b"), every=True), True),
    ],
)
def test_what_implies_what(narrow: object, broad: object, is_so: bool) -> None:  # noqa: FBT001 - a column of the table above
    assert implies(narrow, broad) is is_so  # type: ignore[arg-type]
