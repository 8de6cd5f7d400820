import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.lures.http.target import resolve


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/a/b?c=../..", b"/a/b"),
        (b"//a/./b/../c", b"/a/c"),
        (b"/x/..", b"/"),
        (b"/x/y/..", b"/x/"),
        (b"/%69ndex", b"/index"),
        (b"/x%2f..%2fy", b"/y"),
        (b"/a#/../..", b"/a"),
        (b"http://b/x", b"/x"),
        (b"http://b", b"/"),
        (b"http://b?x", b"/"),
        (b"/..", None),
        (b"/%2e%2e/", None),
        (b"/a%00", None),
        (b"/%zz", None),
        (b"/%", None),
    ],
)
def test_paths_resolve_as_nginx_resolves_them(target: bytes, path: bytes | None) -> None:
    assert resolve(target) == path


@given(st.binary(max_size=60))
@settings(max_examples=300)
def test_a_path_never_climbs(target: bytes) -> None:
    path = resolve(b"/" + target)
    assert path is None or (path.startswith(b"/") and b"/../" not in path)
