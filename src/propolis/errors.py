"""What an operator can put right: each error names the thing, the place in it, and the cure.

Bytes from an attacker never end here; they are data (:class:`propolis.events.Malformed`).
"""

from pathlib import Path


class PropolisError(Exception):
    """Anything an operator can put right. The command line prints it as one line and exits with 2."""


class ConfigError(PropolisError):
    """A setting that cannot be used."""

    def __init__(self, path: Path | str, key: str, cure: str) -> None:
        self.path = str(path)
        self.key = key
        self.cure = cure
        super().__init__(f"{path}: {key}: {cure}" if key else f"{path}: {cure}")


class CodecError(PropolisError):
    """Bytes that are not what they claim to be; ``where`` locates the first fault."""

    def __init__(self, what: str, where: str, why: str) -> None:
        self.what = what
        self.where = where
        self.why = why
        super().__init__(f"{what}: {where}: {why}")


class RuleError(PropolisError):
    """A detection rule that cannot be loaded."""

    def __init__(self, path: Path | str, where: str, why: str) -> None:
        self.path = str(path)
        self.where = where
        self.why = why
        super().__init__(f"{path}: {where}: {why}")


class StreamError(PropolisError):
    """The stream cannot be started, reached or written."""


class EnforcerError(PropolisError):
    """An enforcer cannot do its work on this machine, with the cure."""


class LakeError(PropolisError):
    """A lake that cannot be opened or believed, with the cure."""


class QueryError(PropolisError):
    """A hunting question that cannot be answered."""
