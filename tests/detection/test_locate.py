from hypothesis import given
from hypothesis import strategies as st

from propolis.detection.locate import line_of
from rule_files import rule_text


def test_a_key_has_its_line() -> None:
    text = rule_text()
    lines = text.split("\n")
    for where, start in (
        ("title", "title:"),
        ("detection.call.query|contains", "  call:"),
        ("examples.miss[0]", "    - request:"),
        ("logsource.kind", "logsource:"),
        ("examples.match[0].request", "    - request:"),
    ):
        assert lines[line_of(text, where) - 1].startswith(start)
    assert line_of(text, "detection.nothing") == line_of(text, "detection")
    assert line_of(text, "line 7") == 7
    assert line_of(text, "nothing") == line_of("", "x") == line_of("a: [", "a") == 0


@given(st.text(max_size=60), st.text(max_size=20))
def test_any_text_and_key_have_a_line_or_none(text: str, where: str) -> None:
    assert line_of(text, where) >= 0
