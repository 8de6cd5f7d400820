"""Certificates as the tools make them, held against the tools; stable, and the owner's only."""

import subprocess
from pathlib import Path
from typing import get_args

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from propolis.clock import ManualClock
from propolis.errors import ConfigError
from propolis.sensors.tls.certificate import Habit, certificate, make

NOW = ManualClock().now()
SNAKEOIL = Path("/usr/share/ssl-cert/ssleay.cnf")


def shape(pem: bytes) -> dict[str, object]:
    """What a scanner reads in a certificate, without what is drawn anew for each."""
    found = x509.load_pem_x509_certificate(pem)
    key = found.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    return {
        "subject": [(part.oid, part.value, part._type) for part in found.subject],
        "is_self_issued": found.subject == found.issuer,
        "days": (found.not_valid_after_utc - found.not_valid_before_utc).days,
        "extensions": [(one.oid, one.critical) for one in found.extensions],
        "signature": found.signature_algorithm_oid,
        "key": (key.key_size, key.public_numbers().e),
        "version": found.version,
        "serial_words": (found.serial_number.bit_length() + 31) // 32,
    }


def run(*command: str | Path) -> bytes:
    return subprocess.run(command, capture_output=True, check=True).stdout


def made_by(habit: Habit, folder: Path) -> bytes:
    """What the real tool makes."""
    request = ("openssl", "req", "-new", "-x509", "-nodes", "-newkey", "rsa:2048", "-keyout", folder / "key")
    match habit:
        case "snakeoil":
            text = (
                SNAKEOIL.read_text().replace("@HostName@", "web01").replace("@SubjectAltName@", "DNS:web01")
            )
            (folder / "conf").write_text(text)
            return run(*request, "-config", folder / "conf", "-days", "3650", "-sha256")
        case "openssl":
            return run(*request, "-days", "365", "-subj", "/C=AU/ST=Some-State/O=Internet Widgits Pty Ltd")
        case "keytool":
            store = ("-keystore", folder / "store", "-storepass", "changeit", "-alias", "tomcat")
            name = ", ".join(f"{kind}=Unknown" for kind in ("CN", "OU", "O", "L", "ST", "C"))
            run("keytool", "-genkeypair", "-keyalg", "RSA", "-dname", name, *store)
            return run("keytool", "-exportcert", "-rfc", *store)


@pytest.mark.root
@pytest.mark.parametrize("habit", get_args(Habit))
def test_a_certificate_is_shaped_as_its_tool_makes_it(habit: Habit, tmp_path: Path) -> None:
    try:
        real = made_by(habit, tmp_path)
    except FileNotFoundError as error:
        pytest.skip(f"needs {error.filename}")
    assert shape(make(habit, "web01", NOW)) == shape(real)


def test_a_certificate_is_made_once_and_is_the_owner_s(tmp_path: Path) -> None:
    path = certificate(tmp_path, "snakeoil", "web01", NOW)
    first = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert certificate(tmp_path, "snakeoil", "web02", NOW).read_bytes() == first
    assert sorted(found.name for found in tmp_path.iterdir()) == ["tls_snakeoil.pem"]


@pytest.mark.parametrize("habit", get_args(Habit))
def test_a_certificate_is_valid_now_and_was_not_made_today(habit: Habit) -> None:
    found = x509.load_pem_x509_certificate(make(habit, "web01", NOW))
    begun, over = found.not_valid_before_utc.timestamp(), found.not_valid_after_utc.timestamp()
    assert begun < NOW / 10**9 - 3_000
    assert over > NOW / 10**9 + 20 * 86_400
    found.verify_directly_issued_by(found)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tls_snakeoil.pem.*cannot be written"):
        certificate(tmp_path / "missing", "snakeoil", "web01", NOW)
