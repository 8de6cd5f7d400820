import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.flaws.unwrap import MAX_UNWRAPPED, decode, locate, resolve, unquote


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/a/b", b"/a/b"),
        (b"/a/b?c=/../d", b"/a/b"),
        (b"/a/./b//c/../d/", b"/a/b/d/"),
        (b"/.%2e/.%2e/etc/passwd", b"/etc/passwd"),
        (b"/../../x", b"/x"),
        (b"/%zz/%4", b"/%zz/%4"),
        (b"/%2541", b"/%41"),
        (b"/a#b", b"/a"),
        (b"http://198.51.100.1:80/x?y", b"/x"),
        (b"http://198.51.100.1", b"/"),
        (b"x", b"/x"),
        (b"", b"/"),
        (b"/a/..", b"/"),
        (b"/a/.", b"/a/"),
    ],
)
def test_a_target_asks_for_a_path(target: bytes, path: bytes) -> None:
    assert locate(target) == path


@given(st.binary(max_size=60))
def test_every_target_has_a_path_that_needs_no_more_work(target: bytes) -> None:
    path = locate(target)
    assert path.startswith(b"/")
    assert b"//" not in path
    assert not {b"..", b"."} & set(path.split(b"/"))


def test_plus_is_a_space_and_escapes_are_undone_once() -> None:
    assert unquote(b"a+b%20c%2520") == b"a b c%20"


def test_escapes_are_undone_to_the_depth_attackers_use() -> None:
    assert decode(rb"%2525%2e\u002fA\/+") == b"%./a/ "
    assert decode(b"ABC") == b"abc"


def test_lookups_that_stand_for_text_are_undone() -> None:
    assert resolve(b"${${lower:j}ndi:${::-l}dap://a}") == b"${jndi:ldap://a}"
    assert resolve(b"${jndi:ldap://a}") == b"${jndi:ldap://a}"


def test_escapes_are_undone_only_so_far() -> None:
    assert unquote(b"%41" * MAX_UNWRAPPED).endswith(b"%41")
    assert len(decode(b"a" * 2 * MAX_UNWRAPPED)) == MAX_UNWRAPPED
