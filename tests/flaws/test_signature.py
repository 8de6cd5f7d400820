import subprocess
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.config import parse
from propolis.errors import ConfigError
from propolis.flaws import signature
from propolis.flaws.signature import Envelope, SignatureError, decode, encode, sign, verify

TEXT = "id: x\n"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "keys" / "signing.pem"
    signature.make_key(path)
    return path


def envelope(**changes: object) -> Envelope:
    return msgspec.structs.replace(
        Envelope(id="x", version=1, made=2, text=TEXT, repeats=0, key=""), **changes
    )


def public(key: Path) -> str:
    return signature.public_text(signature.read_key(key))


def test_what_was_signed_is_believed_after_its_journey(key: Path) -> None:
    signed = decode(encode(sign(envelope(), signature.read_key(key))))
    verify(signed, [public(key)])
    assert signed.text == TEXT
    assert signed.key == signature.key_id(public(key))


@pytest.mark.parametrize(
    "change", [{"id": "y"}, {"version": 2}, {"made": 3}, {"text": "id: y\n"}, {"text": ""}, {"repeats": 1}]
)
def test_nothing_of_it_can_be_changed(key: Path, change: dict[str, object]) -> None:
    signed = msgspec.structs.replace(sign(envelope(), signature.read_key(key)), **change)
    with pytest.raises(SignatureError, match="was changed after it was signed"):
        verify(signed, [public(key)])


def test_nobody_vouches_for_another(key: Path, tmp_path: Path) -> None:
    other = signature.make_key(tmp_path / "other.pem")
    signed = sign(envelope(), signature.read_key(key))
    with pytest.raises(SignatureError, match=r"not trusted; name its public key in flaws\.trusted"):
        verify(signed, [other])
    with pytest.raises(SignatureError, match="was changed"):
        verify(msgspec.structs.replace(signed, key=signature.key_id(other)), [other])
    with pytest.raises(SignatureError, match="is not signed"):
        verify(envelope(key=signature.key_id(other)), [other])


@given(st.binary(max_size=200) | st.just(b"[" * 5_000))
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(SignatureError, match="no signed lure"):
        decode(data)


def test_a_private_key_is_its_owner_s_alone_and_never_overwritten(key: Path) -> None:
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.parent.stat().st_mode & 0o077 == 0
    with pytest.raises(SignatureError, match="exists already"):
        signature.make_key(key)


def test_openssl_reads_it_and_says_the_same_public_key(key: Path) -> None:
    done = subprocess.run(
        ["openssl", "pkey", "-in", str(key), "-pubout", "-outform", "DER"], capture_output=True, check=True
    )
    assert signature._public_bytes(public(key)) == done.stdout[-32:]


def test_a_file_that_is_none_says_how_to_make_one(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(SignatureError, match=r"cannot be read .* `propolis lures keygen`"):
        signature.read_key(path)
    path.write_text("hello")
    with pytest.raises(SignatureError, match="is no private key"):
        signature.read_key(path)
    subprocess.run(["openssl", "genpkey", "-algorithm", "X25519", "-out", str(path)], check=True)
    with pytest.raises(SignatureError, match="is not an Ed25519 key"):
        signature.read_key(path)


def test_a_lone_operator_trusts_their_own_key(tmp_path: Path) -> None:
    config = parse(b"", tmp_path / "propolis.toml")
    assert signature.trusted_keys(config) == ()
    path = signature.ensure_own_key(config)
    assert path.is_relative_to(config.state)
    assert signature.ensure_own_key(config) == path
    assert signature.trusted_keys(config) == (public(path),)


def test_named_keys_are_trusted_alone(tmp_path: Path, key: Path) -> None:
    config = parse(f'[flaws]\ntrusted = ["{public(key)}"]'.encode(), tmp_path / "propolis.toml")
    signature.ensure_own_key(config)
    assert signature.trusted_keys(config) == (public(key),)


@pytest.mark.parametrize("text", ["", "abc", "é" * 43, "A" * 44, "A" * 42 + "!"])
def test_a_trusted_key_that_is_none_is_located(tmp_path: Path, text: str) -> None:
    config = parse(f'[flaws]\ntrusted = ["{text}"]'.encode(), tmp_path / "propolis.toml")
    with pytest.raises(ConfigError, match=r"flaws\.trusted\[0\]: is no public key"):
        signature.trusted_keys(config)


def test_a_named_key_is_never_made(tmp_path: Path) -> None:
    config = parse(b'[flaws]\nkey = "mine.pem"', tmp_path / "propolis.toml")
    assert signature.ensure_own_key(config) == tmp_path / "mine.pem"
    assert not (tmp_path / "mine.pem").exists()
