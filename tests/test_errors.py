"""What an operator reads is one line: the thing, the place in it, the cure."""

from pathlib import Path

import pytest

from propolis import errors
from propolis.errors import CodecError, ConfigError, PropolisError, RuleError

KINDS = [
    value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, PropolisError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_ours_and_documented(kind: type[PropolisError]) -> None:
    assert kind.__doc__
    assert issubclass(kind, PropolisError)


def test_a_setting_is_named_by_file_and_key() -> None:
    error = ConfigError(Path("p.toml"), "stream.lanes", "must be 1 or 2")
    assert str(error) == "p.toml: stream.lanes: must be 1 or 2"
    assert (error.path, error.key, error.cure) == ("p.toml", "stream.lanes", "must be 1 or 2")
    assert str(ConfigError("p.toml", "", "cannot be read")) == "p.toml: cannot be read"


def test_bytes_are_named_by_what_they_claim_to_be_and_where() -> None:
    error = CodecError("findings", "$[0].grade", "is unknown")
    assert str(error) == "findings: $[0].grade: is unknown"
    assert (error.what, error.where, error.why) == ("findings", "$[0].grade", "is unknown")


def test_a_rule_is_named_by_file_and_place() -> None:
    error = RuleError(Path("r.yaml"), "detection", "is missing")
    assert str(error) == "r.yaml: detection: is missing"
    assert (error.path, error.where, error.why) == ("r.yaml", "detection", "is missing")
