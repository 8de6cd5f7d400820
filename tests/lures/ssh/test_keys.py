from pathlib import Path

import pytest

from propolis.errors import ConfigError
from propolis.lures.ssh.keys import host_keys


def test_keys_are_made_once_for_the_owner_only(tmp_path: Path) -> None:
    first = [key.export_public_key() for key in host_keys(tmp_path)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "ssh_host_ecdsa_key",
        "ssh_host_ed25519_key",
        "ssh_host_rsa_key",
    ]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert host_keys(tmp_path) is host_keys(tmp_path)
    host_keys.cache_clear()
    assert [key.export_public_key() for key in host_keys(tmp_path)] == first


def test_a_file_that_is_no_key_names_itself_and_the_cure(tmp_path: Path) -> None:
    (tmp_path / "ssh_host_rsa_key").write_text("nothing")
    with pytest.raises(ConfigError, match=r"ssh_host_rsa_key: is not a private key .* remove it"):
        host_keys(tmp_path)


def test_a_folder_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot hold host keys"):
        host_keys(tmp_path / "file" / "keys")
