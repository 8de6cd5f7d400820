from pathlib import Path

import pytest
import structlog

from installation import Installation
from propolis.cli.settings import DEFAULT_CONFIG, configured
from propolis.errors import ConfigError


def test_the_file_is_named_by_option_by_environment_or_by_default(idle: Installation) -> None:
    idle.path.rename(idle.folder / "other.toml")
    assert idle.say("check", "-c", "other.toml") == "other.toml: good\n"
    assert idle.say("check", PROPOLIS_CONFIG="other.toml") == "other.toml: good\n"
    assert idle.mistake("check").startswith(f"propolis: {DEFAULT_CONFIG}: cannot be read")


@pytest.mark.parametrize("is_json", [True, False])
def test_the_configuration_says_how_notes_are_written(tmp_path: Path, *, is_json: bool) -> None:
    path = tmp_path / "propolis.toml"
    path.write_text(f"[host]\nlog_json = {str(is_json).lower()}\n")
    assert configured(path).host.log_json is is_json
    renderer = structlog.get_config()["processors"][-1]
    assert isinstance(renderer, structlog.processors.JSONRenderer) is is_json


def test_a_file_with_a_fault_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "propolis.toml"
    path.write_text("[host]\nnam = 'x'\n")
    with pytest.raises(ConfigError, match="unknown key 'nam'"):
        configured(path)
