"""A scanner's template, whoever wrote it: requests, matchers, extractors, and in which order they are asked.

Every reader of a scanner's format gives this form, and everything behind it knows no other. Its expressions are
nuclei's (:mod:`.dsl`), as are the names of a response's parts.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec

MatcherKind: TypeAlias = Literal["word", "regex", "status", "size", "binary", "dsl", "xpath"]
ExtractorKind: TypeAlias = Literal["regex", "kval", "json", "xpath", "dsl"]

Form: TypeAlias = Literal["path", "raw", "unsafe"]
"""How requests are given: methods and paths, whole messages, or whole messages that are sent as they stand."""

_SUFFIX: Final = re.compile(r"_(\d{1,2})$")


class Matcher(msgspec.Struct, frozen=True):
    """What a response must show. ``values`` are words, patterns, expressions or figures, by kind."""

    kind: MatcherKind
    part: str
    values: tuple[str, ...]
    is_all: bool
    is_negative: bool
    is_nocase: bool
    is_hex: bool


class Extractor(msgspec.Struct, frozen=True):
    """What is taken out of a response, under a name that later requests use (empty: it is only reported)."""

    kind: ExtractorKind
    name: str
    part: str
    values: tuple[str, ...]
    group: int
    attribute: str
    is_nocase: bool


class Block(msgspec.Struct, frozen=True):
    """Requests that share matchers. ``requests`` are whole messages as text with ``{{expressions}}``."""

    id: str
    requests: tuple[str, ...]
    matchers: tuple[Matcher, ...]
    is_all: bool
    extractors: tuple[Extractor, ...]
    payloads: Mapping[str, tuple[str, ...]]
    attack: str
    is_literal: bool
    """``skip-variables-check``: braces nobody knows are sent as they are."""
    form: Form
    is_followed: bool
    """Whether redirects are followed."""


class Template(msgspec.Struct, frozen=True):
    """A template, and how its blocks follow one another: ``flow`` is empty where each stands for itself.

    ``scanner`` is whose it is.
    """

    scanner: str
    id: str
    name: str
    severity: str
    cves: tuple[str, ...]
    cwes: tuple[str, ...]
    tags: tuple[str, ...]
    metadata: Mapping[str, str]
    variables: Mapping[str, str]
    blocks: tuple[Block, ...]
    flow: str


def suffix(name: str) -> tuple[str, int]:
    """``body_2`` as ``body`` and 2: a part, and which of a block's responses is meant; 0 for the present one."""
    found = _SUFFIX.search(name)
    return (name[: found.start()], int(found[1])) if found else (name, 0)
