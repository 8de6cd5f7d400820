"""``{{...}}`` in a template's texts: plain names first, then expressions, then what is left unresolved.

A name that is not known stays as it stands, so that the caller can see which values were never extracted. An
expression is whatever stands between ``{{`` and some ``}}`` and parses, and names a helper or a known value.
"""

import random
import re
import string
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bench.scanner.expression import (
    EvaluationError,
    ExpressionSyntaxError,
    Helper,
    calls,
    evaluate,
    names,
    parse,
)
from bench.scanner.text import Value, merged, shown

MAX_EXPRESSIONS: Final = 250
CALLBACK: Final = re.compile(r"\{\{interactsh-url(?:_[0-9]+)?\}\}")
CALLBACK_CHARACTERS: Final = 33
CALLBACK_DOMAIN: Final = "oast.fun"
UNRESOLVED: Final = re.compile(r"(?:%7[Bb]|\{){2}([^}]+?)(?:%7[Dd]|\}){2}[\"')}]*")
ONLY_FIGURES: Final = re.compile(r"[0-9+\-/\W]+\Z")
KNOWN: Final = (
    "BaseURL",
    "RootURL",
    "Hostname",
    "Host",
    "Port",
    "Path",
    "Query",
    "File",
    "Scheme",
    "Input",
    "FQDN",
    "RDN",
    "DN",
    "TLD",
    "SD",
)
"""What every request knows of its target."""


class Renderer:
    """Fills in texts with ``helpers``; ``callback`` gives a third party's host name, which nobody will ever ask for."""

    def __init__(self, helpers: Mapping[str, Helper], callback: Callable[[], str]) -> None:
        self.helpers = helpers
        self.callback = callback

    def text(self, text: str, values: Mapping[str, Value]) -> str:
        """``text`` with all that is known put in."""
        if "{{" not in text and "§" not in text:
            return text
        text = CALLBACK.sub(lambda _: self.callback(), text)
        text = replaced(text, values)
        for expression in self._expressions(text, values):
            filled = replaced(expression, values)
            try:
                value = evaluate(parse(filled), values, self.helpers)
            except (ExpressionSyntaxError, EvaluationError):
                continue
            text = text.replace(f"{{{{{expression}}}}}", shown(value), 1)
        return text

    def _expressions(self, text: str, values: Mapping[str, Value]) -> list[str]:
        found: list[str] = []
        for _ in range(MAX_EXPRESSIONS):
            start = text.find("{{")
            if start < 0:
                break
            end = text.find("}}", start + 2)
            while end >= 0 and not self._is_expression(text[start + 2 : end], values):
                end = text.find("}}", end + 2)
            if end < 0:
                text = text[start + 2 :]
                continue
            found.append(text[start + 2 : end])
            text = text[end + 2 :]
        return found

    def _is_expression(self, text: str, values: Mapping[str, Value]) -> bool:
        try:
            tree = parse(text)
        except ExpressionSyntaxError:
            return False
        return bool(calls(tree) & self.helpers.keys()) or bool(names(tree) & values.keys())

    def variables(
        self, variables: Sequence[tuple[str, str]], values: Mapping[str, Value]
    ) -> dict[str, Value]:
        """Template variables in order; one that ``values`` has already keeps that value."""
        combined = dict(values)
        result: dict[str, Value] = {}
        for name, written in variables:
            source = shown(combined[name]) if name in combined else written
            result[name] = combined[name] = self.text(source, combined)
        return result


def is_lazy(variables: Sequence[tuple[str, str]], helpers: Mapping[str, Helper]) -> bool:
    """Whether the variables can only be given values when a request is made, anew for each one."""
    own = {name for name, _ in variables}
    for _, written in variables:
        if any(known in written for known in KNOWN) or "interactsh-url" in written:
            return True
        for expression in re.findall(r"\{\{(.+?)\}\}", written):
            try:
                tree = parse(expression)
            except ExpressionSyntaxError:
                continue
            if names(tree) - own or not calls(tree) <= helpers.keys():
                return True
    return False


def replaced(text: str, values: Mapping[str, Value]) -> str:
    """``{{name}}`` and ``§name§`` for every known name."""
    pieces: list[str] = []
    position = 0
    while (start := text.find("{{", position)) >= 0 and (end := text.find("}}", start + 2)) >= 0:
        inner = text.rfind("{{", start, end) + 2
        name = text[inner:end]
        if name in values:
            pieces.append(text[position : inner - 2] + shown(values[name]))
        else:
            pieces.append(text[position : end + 2])
        position = end + 2
    text = "".join(pieces) + text[position:]
    if "§" in text or "\xc2\xa7" in text:
        text = re.sub(
            "\xc2?\xa7([A-Za-z0-9_-]+)\xc2?\xa7",
            lambda match: shown(values[match[1]]) if match[1] in values else match[0],
            text,
        )
    return text


def unresolved(text: str) -> tuple[str, ...]:
    """Names in ``text`` for which there was no value."""
    left = []
    for match in UNRESOLVED.finditer(text):
        inside = match[1]
        if ONLY_FIGURES.match(inside):
            continue
        try:
            if not names(parse(inside)):
                continue
        except ExpressionSyntaxError:
            pass
        left.append(inside)
    return tuple(left)


def callbacks(source: random.Random) -> Callable[[], str]:
    """Names as an interaction server hands them out; each call another one."""
    alphabet = string.ascii_lowercase + string.digits
    return lambda: "c" + "".join(source.choices(alphabet, k=CALLBACK_CHARACTERS - 1)) + f".{CALLBACK_DOMAIN}"


def target_values(host: str, port: int) -> dict[str, Value]:
    """What templates may know of ``http://host:port``."""
    authority = host if port == 80 else f"{host}:{port}"
    base = f"http://{authority}"
    labels = host.split(".")
    return merged(
        dict.fromkeys(("BaseURL", "RootURL", "Input"), base),
        {"Hostname": authority, "Host": host, "FQDN": host, "Port": str(port), "Scheme": "http"},
        {"Path": "", "Query": "", "File": "", "ip": host},
        {"RDN": ".".join(labels[-2:]), "DN": labels[-2] if len(labels) > 1 else "", "TLD": labels[-1]},
        {"SD": ".".join(labels[:-2])},
    )
