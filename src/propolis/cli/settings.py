"""The configuration file, as every command takes it."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from propolis import notes
from propolis.config import Config, load

DEFAULT_CONFIG = Path("propolis.toml")

ConfigPath = Annotated[
    Path,
    Parameter(
        name=["--config", "-c"], help="Configuration file (also PROPOLIS_CONFIG).", env_var="PROPOLIS_CONFIG"
    ),
]


def configured(path: Path) -> Config:
    """The configuration, with notes going to standard error."""
    config = load(path)
    notes.open_log(json=config.host.log_json)
    return config
