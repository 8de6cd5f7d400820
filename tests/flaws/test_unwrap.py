import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.flaws.unwrap import (
    MAX_UNWRAPPED,
    decode,
    is_wrapped,
    locate,
    resolve,
    unquote,
    unwrap,
)


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


@pytest.mark.parametrize(
    ("wrapped", "plain"),
    [
        (b"%2e%65nv", b".env"),
        (b"%252e%2565nv", b".env"),
        (b"a+b%2Bc", b"a b+c"),
        (rb"\u0024%u007b\/", b"${/"),
        (b"%zz%", b"%zz%"),
        (b"%ADd", b"\xadd"),
        (rb"%2525%2e\u002fA\/+", b"%./a/ "),
        (b"ABC", b"abc"),
    ],
)
def test_escapes_are_undone(wrapped: bytes, plain: bytes) -> None:
    assert decode(wrapped) == plain
    assert unwrap(wrapped.replace(b"+", b" ")) == plain
    assert is_wrapped(wrapped) or wrapped.lower() == plain


@pytest.mark.parametrize(
    "disguised",
    [
        b"${jndi:ldap",
        b"${${lower:j}ndi:ldap",
        b"${${lower:${upper:j}}ndi:ldap",
        b"${${::-j}${::-n}${::-d}${::-i}:ldap",
        b"${j${k8s:k5:-nd}i${spring:k5:-:}ldap",
        b"${${env:nan:-j}ndi:ldap",
        b"${j${date:'n'}di:ldap",
    ],
)
def test_lookups_that_stand_for_text_are_undone(disguised: bytes) -> None:
    assert resolve(disguised) == b"${jndi:ldap"


@pytest.mark.parametrize("kept", [b"${env:home}", b"${jndi:x}", b"$", b"${", b"}", b"${:", b"${a}"])
def test_other_lookups_stay(kept: bytes) -> None:
    assert resolve(kept) == kept


def test_escapes_are_undone_only_so_far() -> None:
    assert unquote(b"%41" * MAX_UNWRAPPED).endswith(b"%41")
