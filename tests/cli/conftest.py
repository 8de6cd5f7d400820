"""One real installation for every test of the command line, one drill against it, and one that never ran."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from installation import SOURCES, Drilled, Installation, installed


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("installation")) as running:
        yield running


@pytest.fixture(scope="session")
def drilled(installation: Installation) -> Drilled:
    result = installation.json("drill", "--sources", str(SOURCES), "--attack", "http-exploit")
    held = installation.json("decisions", "list")["decisions"]
    return Drilled(result, [decision for decision in held if decision["rule"] == "phpunit-eval-stdin"])


@pytest.fixture(autouse=True)
def log() -> Iterator[None]:
    """A command opens its log on the standard error of its test: it is closed with the test."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def idle(tmp_path: Path) -> Installation:
    """Configured, and nothing runs."""
    return Installation(tmp_path)
