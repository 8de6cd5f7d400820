import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.events import CredentialTried
from propolis.lures.http.credentials import FORM_BYTES, basic, form

FORM = b"application/x-www-form-urlencoded"


def test_basic_offers_a_name_and_a_password_with_colons() -> None:
    header = b"bAsIc " + base64.b64encode(b"admin:pa:ss")
    assert basic(header) == CredentialTried("admin", "pa:ss", "basic", payload=header)


def test_basic_without_padding_and_other_schemes() -> None:
    assert basic(b"Basic YTpi") == CredentialTried("a", "b", "basic", payload=b"Basic YTpi")
    assert basic(b"Basic YQ") == CredentialTried("a", "", "basic", payload=b"Basic YQ")
    assert basic(b"Bearer x") is None
    assert basic(b"Basic \xff\xff!A") is None


@pytest.mark.parametrize(
    ("target", "kind", "body", "pair"),
    [
        (b"/login", FORM, b"username=admin&password=s3c%20ret", ("admin", "s3c ret")),
        (b"/wp-login.php", FORM, b"log=root&pwd=toor&wp-submit=Log+In", ("root", "toor")),
        (b"/api/auth", b"application/json", b'{"Email": "a@b", "Password": "x", "n": 1}', ("a@b", "x")),
        (b"/boaform/admin/formLogin", FORM, b"username=user&psd=user", ("user", "user")),
        (b"/login?a=b", b"", b"pass=", ("", "")),
    ],
)
def test_forms_of_login_pages(target: bytes, kind: bytes, body: bytes, pair: tuple[str, str]) -> None:
    found = form(target, kind, body)
    assert found is not None
    assert (found.username, found.secret, found.method) == (*pair, "form")


@pytest.mark.parametrize(
    ("target", "body"),
    [
        (b"/static/x.css", b"user=a&password=b"),
        (b"/login", b"user=a"),
        (b"/login", b"{"),
        (b"/login", b"[" * 5_000),
        (b"/login", b'{"password": 1}'),
        (b"/login", b"a=b&" * 100 + b"password=x"),
        (b"/login", b"password=" + b"x" * FORM_BYTES),
    ],
)
def test_other_posts_offer_nothing(target: bytes, body: bytes) -> None:
    assert form(target, b"", body) is None


@given(st.binary(max_size=200), st.sampled_from([FORM, b"application/json"]))
@settings(max_examples=200)
def test_any_bytes_are_read_or_left(body: bytes, kind: bytes) -> None:
    form(b"/login", kind, body)
    basic(b"Basic " + body)
