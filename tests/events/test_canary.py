"""What is minted is found, wherever it is hidden, and says whom it was given to."""

import base64
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.events import pack
from propolis.events.canary import KINDS, MIN_TAG_BYTES, Canary, Kind, Mint

MINT = Mint(b"k" * 32)
OTHER = Mint(b"o" * 32)
SOURCE = pack("203.0.113.9")

SHAPES: dict[Kind, str] = {
    "aws_key": r"AKIA[A-Z2-7]{16}",
    "aws_secret": r"[A-Za-z0-9+/]{40}",
    "cookie": r"[0-9a-v]{26}",
    "github_token": r"ghp_[A-Za-z0-9]{36}",
    "password": r"[A-Za-z0-9]{14}",
    "path": r"[a-z2-7]{16}",
    "token": r"[0-9a-f]{32}",
    "uuid": r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(address=st.ip_addresses(v=4))
def test_it_has_its_kinds_shape_and_leads_back(kind: Kind, address: object) -> None:
    import re  # noqa: PLC0415 - only here

    source = pack(str(address))
    value = MINT.mint(kind, source)
    assert re.fullmatch(SHAPES[kind], value)
    assert MINT.mint(kind, source) == value
    assert MINT.find(value.encode()) == [Canary(kind, value, source)]
    assert OTHER.find(value.encode()) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "form",
    [
        "{}",
        "x={}&y=1",
        '{{"k":"{}"}}',
        "a\n{}\n",
        r"a\n{}\n",
        "GET /{} HTTP/1.1",
        "user:{}@host",
        "%22{}%22",
        "'{}';",
    ],
)
def test_it_is_found_wherever_it_stands(kind: Kind, form: str) -> None:
    value = MINT.mint(kind, SOURCE)
    if kind == "aws_secret" and form.startswith("GET /"):
        value_in = quote(value, safe="")
        form = "GET /?k={} HTTP/1.1"
    else:
        value_in = value
    assert [found.value for found in MINT.find(form.format(value_in).encode())] == [value]


def test_it_is_found_in_basic_credentials_and_percent_encoding() -> None:
    password, secret = MINT.mint("password", SOURCE), MINT.mint("aws_secret", SOURCE)
    basic = base64.b64encode(f"admin:{password}".encode())
    assert [found.value for found in MINT.find(b"Authorization: Basic " + basic)] == [password]
    assert [found.value for found in MINT.find(b"k=" + quote(secret, safe="").encode())] == [secret]


def test_a_changed_letter_is_no_canary() -> None:
    for kind in KINDS:
        value = MINT.mint(kind, SOURCE)
        for place in range(len(value)):
            changed = value[:place] + ("b" if value[place] == "a" else "a") + value[place + 1 :]
            assert all(found.value != changed for found in MINT.find(changed.encode()))


def test_an_ipv6_source_is_recognised_though_not_recovered() -> None:
    source = pack("2001:db8::1")
    (found,) = MINT.find(MINT.mint("password", source).encode())
    assert len(found.source) == 4
    assert MINT.is_given_to(found, source)
    assert not MINT.is_given_to(found, pack("2001:db8::2"))


def test_kinds_are_apart_and_each_is_found_once() -> None:
    values = [MINT.mint(kind, SOURCE) for kind in KINDS]
    text = "\n".join(values * 2).encode()
    assert [found.value for found in MINT.find(text)] == values
    assert MIN_TAG_BYTES * 8 >= 48


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_has_32_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Mint(b"k" * size)


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.text(alphabet="AKIAghp_0123456789abcdef-%/+=\\", max_size=200).map(str.encode),
    )
)
def test_any_bytes_hold_none_of_ours(data: bytes) -> None:
    assert MINT.find(data) == []
