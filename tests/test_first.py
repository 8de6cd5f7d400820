import os
import socket
from pathlib import Path

from propolis import first
from propolis.config import Config, load


def test_the_first_configuration_is_valid_and_says_what_could_not_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "propolis.toml"
    first.write(path)
    config = load(path)
    assert set(config.lures) == set(Config().lures)
    assert config.enforcers.run == (("nftables",) if first.can_enforce() else ("dry-run",))
    for name, lure in config.lures.items():
        standard = Config().lures[name]
        assert [port % first.HIGH for port in lure.ports] == list(standard.ports)
        assert [port % first.HIGH for port in lure.tls_ports] == list(standard.tls_ports)


def test_a_taken_port_is_moved() -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        assert not first.can_listen(taken.getsockname()[1])


def test_a_dry_run_is_named_as_one() -> None:
    assert 'run = ["dry-run"]  # only pretends' in first.text("dry-run")
    assert first.can_enforce() <= (os.geteuid() == 0)


def test_every_setting_is_told_with_its_default() -> None:
    told = {key: (default, meaning) for key, default, meaning in first.settings()}
    assert told["stream.lanes"][0] == "2"
    assert told["console.listen"][0] == '"127.0.0.1:8765"'
    assert "path" not in told
    assert "decisions.policy = [" in first.settings_text()
