import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.flaws.effects.files import file, located
from scenes import MINT, a_scope


@pytest.mark.parametrize(
    "path",
    [
        b"/etc/passwd",
        b"../../../../etc/passwd",
        b"/static/../../etc/passwd",
        b"..%2f..%2f..%2fetc%2fpasswd",
        b"%252e%252e%252fetc%252fpasswd",
        b"....//....//etc/passwd",
        b"..;/..;/etc/passwd",
        b"/..%c0%af../etc/passwd",
        b"file:///etc/passwd",
        b"file://localhost/etc/passwd",
        b"/etc/passwd%00.png",
        b"..\\..\\etc\\passwd",
        b"/var/www/images/../../../etc/passwd",
        b"/./etc/./passwd",
        b"/etc/passwd?raw",
    ],
)
def test_a_traversal_ends_at_the_file(path: bytes) -> None:
    assert file(a_scope(), path).startswith(b"root:x:0:0:")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (b"../../windows/win.ini", b"; for 16-bit app support"),
        (b"C:\\Windows\\System32\\drivers\\etc\\hosts", b"Microsoft"),
        (b"c:/boot.ini", b"[boot loader]"),
        (b"/proc/self/environ", b"HOME=/var/www"),
        (b"/etc/hosts", b"127.0.0.1\tlocalhost"),
        (b"../WEB-INF/web.xml", b"<web-app"),
        (b"../web.config", b"<configuration>"),
        (b".git/HEAD", b"ref: refs/heads/main"),
        (b"data://text/plain;base64,aGk=", b"hi"),
        (b"data:,a%20b", b"a b"),
        (b"php://filter/convert.base64-encode/resource=index.php", b"PD9waHA"),
        (b"php://filter/read=string.toupper|convert.base64-encode/resource=/etc/timezone", b"RVRDL1VUQwo="),
    ],
)  # fmt: skip
def test_well_known_files_are_there(path: bytes, said: bytes) -> None:
    assert said in file(a_scope(), path)


@pytest.mark.parametrize(
    "path", [b"/nope", b"", b"/etc/shadow", b"/etc", b"php://filter/x/resource=php://filter/y"]
)
def test_what_is_not_there_or_not_readable_is_empty(path: bytes) -> None:
    assert file(a_scope(), path) == b""


@pytest.mark.parametrize(
    "path", [b"/.env", b"/wp-config.php", b"/.git/config", b"/.aws/credentials", b"/.bash_history"]
)
def test_secrets_are_canaries(path: bytes) -> None:
    scope = a_scope()
    found = MINT.find(file(scope, path))
    assert found
    assert all(canary.source == scope.scene.source for canary in found)


def test_a_place_is_absolute() -> None:
    assert located(b"a/b/") == b"/a/b"
    assert located(b"") == b"/"


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(st.binary(max_size=60), st.text(alphabet="./%2ecf\\:;?ph=data,|", max_size=60).map(str.encode))
)
def test_any_path_is_survived(path: bytes) -> None:
    file(a_scope(), path)
