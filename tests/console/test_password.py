import re
from pathlib import Path

import pytest

from propolis.console.password import (
    api_token,
    first_password,
    fits,
    hashed,
    password_file,
    read_password,
    token_file,
)
from propolis.errors import ConfigError


def test_the_first_password_is_told_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    text = first_password(tmp_path)
    assert text is not None
    assert re.fullmatch(r"([a-z2-9]{5}-){4}[a-z2-9]{5}", text)
    assert first_password(tmp_path) is None
    assert text.encode() not in password_file(tmp_path).read_bytes()
    kept = read_password(tmp_path)
    assert fits(text, kept)
    assert not fits(text[:-1], kept)
    assert not fits("", kept)


def test_only_the_owner_reads_what_is_kept(tmp_path: Path) -> None:
    first_password(tmp_path)
    api_token(tmp_path)
    for path in (password_file(tmp_path), token_file(tmp_path)):
        assert path.stat().st_mode & 0o777 == 0o600
    assert password_file(tmp_path).parent.stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in password_file(tmp_path).parent.iterdir()) == ["password", "token"]


def test_a_lost_password_is_made_anew_when_its_file_is_deleted(tmp_path: Path) -> None:
    before = first_password(tmp_path)
    password_file(tmp_path).unlink()
    after = first_password(tmp_path)
    assert after
    assert after != before


def test_two_hashes_of_one_password_differ() -> None:
    assert hashed("same").key != hashed("same").key


def test_no_text_is_too_odd_to_be_wrong() -> None:
    kept = hashed("right")
    for text in ("\ud800", "x" * 1_000_000, "\0", "ナ"):
        assert not fits(text, kept)


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b'{"salt":"AA==","key":"AA==","more":1}'])
def test_a_broken_password_file_says_what_to_do(tmp_path: Path, data: bytes) -> None:
    first_password(tmp_path)
    password_file(tmp_path).write_bytes(data)
    with pytest.raises(ConfigError, match="delete it"):
        read_password(tmp_path)


def test_no_password_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="propolis up"):
        read_password(tmp_path)


def test_the_token_stays_the_same_and_a_broken_one_is_refused(tmp_path: Path) -> None:
    token = api_token(tmp_path)
    assert len(token) >= 32
    assert api_token(tmp_path) == token
    token_file(tmp_path).write_text("short")
    with pytest.raises(ConfigError, match="too short"):
        api_token(tmp_path)
