from pathlib import Path

import pytest

from propolis.config import parse
from propolis.stream import address_of, folder


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("127.0.0.1:4333", "nats://127.0.0.1:4333"),
        ("0.0.0.0:4333", "nats://127.0.0.1:4333"),
        ("[::]:4333", "nats://[::1]:4333"),
        ("[fd00::1]:4333", "nats://[fd00::1]:4333"),
    ],
)
def test_the_embedded_server_is_spoken_to_with_its_own_credential(
    tmp_path: Path, listen: str, url: str
) -> None:
    config = parse(f'[stream]\nlisten = "{listen}"'.encode(), tmp_path / "propolis.toml")
    address = address_of(config)
    assert address.url == url
    assert address.credential == folder(config) / "credentials" / "owner.nk"
    assert folder(config) == tmp_path / "var" / "stream"


def test_a_cluster_is_taken_as_it_is_named(tmp_path: Path) -> None:
    config = parse(b'[stream]\nurl = "nats://a:1,nats://b:2"', tmp_path / "propolis.toml")
    assert (address_of(config).url, address_of(config).credential) == ("nats://a:1,nats://b:2", None)


def test_a_credential_is_found_beside_the_configuration(tmp_path: Path) -> None:
    text = b'[stream]\nurl = "nats://a:1"\ncredentials = "edge.nk"'
    assert address_of(parse(text, tmp_path / "propolis.toml")).credential == tmp_path / "edge.nk"
    text = b'[stream]\ncredentials = "/etc/edge.nk"'
    assert address_of(parse(text, tmp_path / "propolis.toml")).credential == Path("/etc/edge.nk")
