from pathlib import Path

import msgspec
import pytest

from propolis.flaws.check import Failure, check, message
from propolis.flaws.file import Case, Flaw, load, parse
from propolis.flaws.file import Tests as Examples

EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.yaml"))
YARN = (Path(__file__).parent / "examples" / "hadoop-yarn.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_hold(path: Path) -> None:
    assert check(load(path), path.read_text(encoding="utf-8"), path) == ()


def failures(old: str, new: str) -> tuple[Failure, ...]:
    assert old in YARN
    text = YARN.replace(old, new)
    return check(parse(text, "yarn.yaml"), text, "yarn.yaml")


@pytest.mark.parametrize(
    ("old", "new", "line", "why"),
    [
        ("step: new\n", "step: blind\n", 35, "reaches step new, not blind"),
        ('reply: [application_, "200"]', "reply: [job_]", 36, "the answer does not contain 'job_'"),
        ("extract: {command: id}", "extract: {command: ls}", 50, "extracts ['id'], not 'ls'"),
        ("miss: [", 'miss: ["POST /ws/v1/cluster/apps/new-application HTTP/1.1\\n\\n", ', 57, "by step new"),
        ("POST /ws/v1/cluster/apps/new-application HTTP/1.1", "GET / HTTP/1.1", 31, "is not recognised"),
        ("path: /ws/v1/cluster/apps,", "route: /ws/v1/cluster/apps,", 17, "there is no field 'route'"),
        ("digits(13)", "digitz(13)", 12, "digitz"),
    ],
)
def test_what_fails_is_told_with_its_line(old: str, new: str, line: int, why: str) -> None:
    found = failures(old, new)
    assert found
    assert found[0].file == "yarn.yaml"
    assert found[0].line == line
    assert why in found[0].why


def test_a_case_without_a_request_is_told() -> None:
    flaw: Flaw = msgspec.structs.replace(
        parse(YARN, ""), tests=Examples(match=(Case(step="new"),), miss=("GET / HTTP/1.1\n\n",))
    )
    assert check(flaw) == (Failure("hadoop-yarn.yaml", 0, "has no request; give request, or requests"),)


def test_a_message_has_the_line_ends_and_the_length_of_http() -> None:
    assert message("GET / HTTP/1.1\nHost: a") == b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    assert message("POST / HTTP/1.1\n\na=1\n") == b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na=1"
    assert (
        message("POST / HTTP/1.1\nContent-length: 4\n\na=1\n")
        == b"POST / HTTP/1.1\r\nContent-length: 4\r\n\r\na=1\r\n"
    )
    assert message("GET /{{a}}/{{b}}/{{7*7}} HTTP/1.1\r\n\r\n", {"a": b"1"}) == (
        b"GET /1/{{b}}/{{7*7}} HTTP/1.1\r\n\r\n"
    )
