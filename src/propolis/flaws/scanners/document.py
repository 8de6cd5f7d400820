"""A scanner's file as plain data: bounded YAML, and scalars as the texts they were written as."""

import re
from typing import Any, Final

import yaml

MAX_CHARACTERS = 1_048_576
MAX_DEPTH = 32
"""Collections inside one another."""


class TemplateError(ValueError):
    """A file that is nothing a scanner would ask over HTTP; says why."""


def load(written: str) -> dict[str, Any]:
    """The mapping that a file's text is. Raises :class:`TemplateError`."""
    if len(written) > MAX_CHARACTERS:
        raise TemplateError(f"has more than {MAX_CHARACTERS} characters")
    try:
        _check(written)
        tree = yaml.load(written, _Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise TemplateError(f"is not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(tree, dict):
        raise TemplateError("is no mapping")
    return tree


def mapping(value: Any) -> dict[str, Any]:
    """A mapping; an empty one in the place of anything else."""
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[dict[str, Any]]:
    """The mappings of a list; what else is in it is left out."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def texts(value: Any) -> tuple[str, ...]:
    """One or several scalars as texts."""
    if value is None:
        return ()
    if isinstance(value, list):
        return tuple(text(one) for one in value)
    return (text(value),)


def text(value: Any) -> str:
    """A scalar as it was written; nothing is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


_CVE: Final = re.compile(r"CVE-\d{4}-\d{4,7}")
_CWE: Final = re.compile(r"CWE-\d+")


def cves(value: Any) -> tuple[str, ...]:
    """The numbers of vulnerabilities in one or several texts, each once."""
    return tuple(dict.fromkeys(_CVE.findall(" ".join(texts(value)).upper())))


def cwes(value: Any) -> tuple[str, ...]:
    """The numbers of weaknesses in one or several texts, each once."""
    return tuple(dict.fromkeys(_CWE.findall(" ".join(texts(value)).upper())))


def tags(value: Any) -> tuple[str, ...]:
    """Words between commas, in lower case."""
    return tuple(word.strip().lower() for word in ",".join(texts(value)).split(",") if word.strip())


def _check(written: str) -> None:
    """Raises ``yaml.YAMLError`` for aliases, as bombs are made of them, and for what is nested too deeply."""
    depth = 0
    for event in yaml.parse(written, _Loader):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError("an alias; write it out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise yaml.YAMLError(f"collections nested deeper than {MAX_DEPTH}")


class _Loader(yaml.CSafeLoader):
    """Plain data; dates stay text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {  # noqa: RUF012 - PyYAML's own shape
        first: [(tag, regex) for tag, regex in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }
