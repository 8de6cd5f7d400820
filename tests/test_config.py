"""An operator's mistake is one line that names file, key and cure; defaults are a whole configuration."""

import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.config import Config, host_port, load, parse
from propolis.errors import ConfigError

FILE = Path("/etc/propolis.toml")


def fault(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(text.encode(), FILE)
    error = caught.value
    assert "\n" not in str(error)
    assert str(error).startswith(f"{FILE}: ")
    return error


def test_an_empty_file_is_the_defaults() -> None:
    assert parse(b"", Path("propolis.toml")) == Config()


def test_what_is_written_is_what_is_meant() -> None:
    config = parse(
        b"""
        [host]
        name = "gate-1"
        state = "kept"
        [lures.redis]
        ports = [6379, 6380]
        [[decisions.never_block]]
        target = "198.18.0.0/24"
        owner = "ops"
        """,
        FILE,
    )
    assert config.state == Path("/etc/kept")
    assert (config.host_name, config.sensor_name) == ("gate-1", "gate-1")
    assert {name: lure.ports for name, lure in config.lures.items()} == {"redis": (6379, 6380)}
    assert config.decisions.never_block[0].owner == "ops"


@pytest.mark.parametrize(
    ("text", "key", "cure"),
    [
        ("colour = 1", "(top level)", "unknown key 'colour'; remove it"),
        ("[stream]\nulr = ''", "stream", "unknown key 'ulr'; remove it"),
        ("[lures.ssh]\nport = 22", "lures.ssh", "unknown key 'port'"),
        ("[stream]\nlanes = 3", "stream.lanes", "3"),
        ("[stream]\nlanes = 'two'", "stream.lanes", "expected `int"),
        ("[sensors]\nidle_seconds = 0", "sensors.idle_seconds", "> 0"),
        ("[sensors]\nname = 'a b'", "sensors.name", "matching regex"),
        ("[decisions]\nmax_prefix_v4 = 33", "decisions.max_prefix_v4", "<= 32"),
        ("[[decisions.policy]]\ngrade = 'scan'", "decisions.policy[0]", "missing required field"),
        ("[lures.ssh]\nports = [0]", "lures.ssh.ports[0]", ">= 1"),
        (
            "[lures.ssh]\nports = [22]\n[lures.tcp]\nports = [22]",
            "lures.tcp.ports",
            "port 22 is already lures.ssh's",
        ),
        (
            "[lures.http]\nports = [443]\ntls_ports = [443]",
            "lures.http.tls_ports",
            "port 443 is already lures.http's",
        ),
        ("[lures.ssh]\naddresses = ['localhost']", "lures.ssh.addresses", "write an IPv4 or IPv6 address"),
        ("[stream]\nlisten = '4222'", "stream.listen", "write one such as 127.0.0.1:4222"),
        ("[console]\nlisten = '127.0.0.1:99999'", "console.listen", "is not address:port"),
        ("[sensors]\nproxies = ['10.0.0.1/8']", "sensors.proxies[0]", "write a network such as"),
        ("path = '/x'", "path", "is not a setting; remove it"),
        ("stream = 1", "stream", "expected `object`"),
    ],
)
def test_a_mistake_names_its_key_and_the_cure(text: str, key: str, cure: str) -> None:
    error = fault(text)
    assert error.key == key
    assert cure in error.cure


@pytest.mark.parametrize("text", ["[", "a = ", "a = 1\na = 2", "[stream\n", "\x00", "a = 'open\n'"])
def test_what_is_no_toml_says_where(text: str) -> None:
    assert "is not TOML" in fault(text).cure


def test_a_file_that_cannot_be_read_names_the_cure(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(
            ConfigError, match=r"cannot be read .*; name another file with --config"
        ) as caught:
            load(path)
        assert caught.value.path == str(path)


def test_a_file_we_may_not_read_names_the_cure(tmp_path: Path) -> None:
    path = tmp_path / "propolis.toml"
    path.write_bytes(b"")
    path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65_534)  # root may read everything: be nobody for a moment
    try:
        with pytest.raises(ConfigError, match=r"Permission denied.*; name another file with --config"):
            load(path)
    finally:
        os.seteuid(user)


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "propolis.toml"
    path.write_text("[host]\nname = 'gate'\n")
    config = load(path)
    assert (config.host_name, config.path, config.state) == ("gate", path, tmp_path / "var")


@settings(max_examples=150)
@given(data=st.binary(max_size=120) | st.text(max_size=120).map(lambda text: text.encode(errors="replace")))
def test_any_bytes_are_a_configuration_or_one_line(data: bytes) -> None:
    try:
        parse(data, FILE)
    except ConfigError as error:
        assert str(error).startswith(f"{FILE}: ")  # noqa: PT017 - arbitrary bytes may be a comment, too


@settings(max_examples=150)
@given(
    section=st.sampled_from([*Config.__struct_fields__]),
    key=st.sampled_from(["ports", "name", "url", "lanes", "workers", "policy", "listen", "nftables", "ssh"]),
    value=st.sampled_from(
        ["true", "[]", "{}", "-1", "1e400", "nan", "''", "[[1]]", "1979-05-27", "9" * 30, "[{}]"]
    ),
)
def test_any_value_anywhere_is_accepted_or_one_line(section: str, key: str, value: str) -> None:
    try:
        parse(f"{section}.{key} = {value}".encode(), FILE)
    except ConfigError as error:
        assert "\n" not in str(error)  # noqa: PT017 - some of these are right
        assert error.key or "TOML" in error.cure  # noqa: PT017 - the same


def test_every_section_is_frozen_and_refuses_unknown_keys() -> None:
    for section in msgspec.structs.fields(Config):
        if isinstance(section.type, type) and issubclass(section.type, msgspec.Struct):
            assert section.type.__struct_config__.frozen
            assert section.type.__struct_config__.forbid_unknown_fields


@pytest.mark.parametrize(
    ("text", "parts"), [("127.0.0.1:4222", ("127.0.0.1", 4222)), ("[::1]:80", ("::1", 80))]
)
def test_an_address_and_its_port(text: str, parts: tuple[str, int]) -> None:
    assert host_port(text, FILE, "stream.listen") == parts


@pytest.mark.parametrize("text", ["", ":", "host:1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:٣", "::1:x"])
def test_what_is_no_address_and_port_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"stream\.listen"):
        host_port(text, FILE, "stream.listen")
