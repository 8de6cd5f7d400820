"""What a rule says of a request's zones, as conditions."""

import pytest

from propolis.flaws import condition
from propolis.flaws.request import Request
from propolis.flaws.scanners.zones import Leaf, UnsaidError, as_sent, both, shouted, ways


def leaf(
    zone: str,
    value: str = "",
    kind: str = "contains",
    variable: str = "",
    transforms: tuple[str, ...] = ("lowercase",),
) -> Leaf:
    return Leaf("rules[0]", (zone,), (variable,) if variable else (), transforms, kind, value)


def holds(tested: Leaf, request: str) -> bool:
    raw = request.replace("\n", "\r\n").encode()
    return condition.compile(ways(tested)).holds(Request.parse(raw), {}) is not None


GET = "GET /A/b.php?Page=x%26y&--env=1&id=1'%20or%201=1 HTTP/1.1\nHost: a\nX-Own-Thing: 1\nCookie: t3_a1=o:3:\n\n"
MULTI = (
    "POST /up HTTP/1.1\nContent-Type: multipart/form-data; boundary=q\n\n--q\nContent-Disposition: form-data; "
    'name="Cmd"\n\n;id\n--q\nContent-Disposition: form-data; name="f"; filename="a.JSP"\n\nx\n--q--\n'
)
B64 = "POST / HTTP/1.1\n\nx=PCFET0M="
JSON = 'POST /j HTTP/1.1\nContent-Type: application/json\n\n{"serverConfig": {"Command": "id"}}'


@pytest.mark.parametrize(
    ("tested", "request_", "is_held"),
    [
        (leaf("METHOD", "get", "equals"), GET, True),
        (leaf("METHOD", "po.t", "regex"), GET, False),
        (leaf("URI", "/a/b.php", "equals"), GET, True),
        (leaf("URI", ".php", "endswith"), GET, True),
        (leaf("URI", "/../"), "GET /x/%2e%2e/y HTTP/1.1\n\n", True),
        (leaf("URI_FULL", "b.php?page="), GET, True),
        (leaf("URI", "/%2e%2e/"), "GET /x/%2E%2e/y HTTP/1.1\n\n", True),
        (leaf("URI_FULL", "page=x%26"), GET, True),
        (leaf("ARGS", "y", variable="Page"), GET, True),
        (leaf("ARGS", "^[0-9]+$", "regex", "id"), GET, False),
        (leaf("ARGS", "[^0-9]", "regex", "id"), "GET /?id=5&x=y HTTP/1.1\n\n", False),
        (leaf("ARGS", kind="libinjectionsql", variable="id"), GET, True),
        (leaf("ARGS", kind="libinjectionsql", variable="id"), "GET /?id=some+words HTTP/1.1\n\n", False),
        (leaf("ARGS", kind="libinjectionxss", variable="q"), "GET /?q=%3Csvg/onload=x%3E HTTP/1.1\n\n", True),
        (leaf("ARGS", "x&y"), GET, True),
        (leaf("ARGS", "1", "equals"), GET, True),
        (leaf("ARGS_NAMES", "--env", "endswith"), GET, True),
        (leaf("ARGS_NAMES", "env", "equals"), GET, False),
        (leaf("HEADERS_NAMES", "x-own-thing", "equals"), GET, True),
        (leaf("HEADERS_NAMES", "x-(?:own|other)", "regex"), GET, True),
        (leaf("HEADERS", "1", "equals", "x-own-thing"), GET, True),
        (leaf("COOKIES", r"[oc]:\d", "regex", "/t3_.*/"), GET, True),
        (leaf("BODY_ARGS", "[;|]", "regex", "Cmd"), MULTI, True),
        (leaf("BODY_ARGS_NAMES", "cmd", "equals"), MULTI, True),
        (leaf("FILENAMES", r"\.jsp$", "regex"), MULTI, True),
        (leaf("RAW_BODY", ";id"), MULTI, True),
        (leaf("BODY_ARGS", ".+", "regex", "json.serverconfig.command"), JSON, True),
        (leaf("BODY_ARGS", "id", "equals", "json.serverConfig.Command"), JSON, True),
        (leaf("ARGS", "2", "gte", "id", ("count",)), "GET /?id=1&id=2 HTTP/1.1\n\n", True),
        (leaf("ARGS", "2", "gte", "id", ("count",)), GET, False),
        (leaf("ARGS", "9", "gt", "Long", ("length",)), "GET /?Long=0123456789 HTTP/1.1\n\n", True),
        (leaf("BODY_ARGS", "<!doc", variable="x", transforms=("b64decode", "lowercase")), B64, True),
    ],
)  # fmt: skip
def test_a_test_holds_where_the_rule_does(tested: Leaf, request_: str, *, is_held: bool) -> None:
    assert holds(tested, request_) is is_held


@pytest.mark.parametrize(
    "tested",
    [
        leaf("TEMPERATURE"),
        leaf("ARGS", "1", "ipmatch", "id"),
        leaf("ARGS", "1", transforms=("rot13",), variable="id"),
        leaf("BODY_ARGS", "1", transforms=("b64decode",)),
        leaf("ARGS", "1", "gt", "id"),
        leaf("ARGS", "x", "gte", "id", ("count",)),
    ],
)
def test_what_no_condition_says_is_told_with_its_key(tested: Leaf) -> None:
    with pytest.raises(UnsaidError, match=r"rules\[0\]"):
        ways(tested)


def test_tests_of_one_field_are_joined() -> None:
    assert both([{"path|contains": "a"}], [{"path|contains": "b"}], "k") == [
        {"path|contains|all": ("a", "b")}
    ]
    with pytest.raises(UnsaidError):
        both([{"method": "GET"}], [{"method": "POST"}], "k")
    assert as_sent({"path|lower|contains": "a", "raw_path|urldecode|lower|contains": ".."}) == {
        "raw_path|urldecode|lower|contains|all": ("a", "..")
    }


def test_names_in_lower_case_stand_for_capitals_too() -> None:
    assert shouted(leaf("ARGS", variable="id")).variables == ("ID",)
    for same in (leaf("ARGS", variable="deviceName"), leaf("COOKIES", variable="id"), leaf("URI")):
        assert shouted(same) == same
