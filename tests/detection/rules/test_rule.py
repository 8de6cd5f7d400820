import re

import pytest

from propolis.detection.rules import Every, Not, Some, Test, holds
from propolis.detection.rules.rule import REGEX_BYTES

FIELDS = {"path": b"/Admin/Login.php", "body": b"", "long": b"a" * REGEX_BYTES + b"needle"}
NO, YES = Test("path", "contains", (b"nothing",)), Test("path", "contains", (b"admin",))


def regex(field: str, *sources: bytes, every: bool = False) -> Test:
    return Test(field, "re", sources, every, tuple(re.compile(source) for source in sources))


@pytest.mark.parametrize(
    ("test", "passes"),
    [
        (Test("path", "equals", (b"/admin/login.php",)), True),
        (Test("path", "equals", (b"/admin",)), False),
        (Test("path", "contains", (b"nothing", b"login")), True),
        (Test("path", "contains", (b"nothing", b"login"), every=True), False),
        (Test("path", "contains", (b"admin", b"login"), every=True), True),
        (Test("path", "startswith", (b"/adm",)), True),
        (Test("path", "startswith", (b"login",)), False),
        (Test("path", "endswith", (b".php",)), True),
        (Test("path", "exists", (b"true",)), True),
        (Test("body", "exists", (b"true",)), False),
        (Test("body", "exists", (b"false",)), True),
        (regex("path", rb"L\w+n\."), True),
        (regex("path", rb"l\w+n\."), False),
        (regex("path", rb"Admin", rb"absent", every=True), False),
        (Test("long", "contains", (b"needle",)), True),
        (regex("long", rb"needle"), False),
    ],
)
def test_a_test_compares_as_sigma_says(test: Test, passes: bool) -> None:  # noqa: FBT001 - what is expected
    assert holds(test, FIELDS) is passes


def test_nodes_combine() -> None:
    assert holds(Every((YES, Not(NO))), FIELDS)
    assert not holds(Every((YES, NO)), FIELDS)
    assert holds(Some((NO, YES)), FIELDS)
    assert not holds(Not(Some((NO, YES))), FIELDS)
