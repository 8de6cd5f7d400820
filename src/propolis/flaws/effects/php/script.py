"""A PHP script from its text to what it prints."""

import re
from collections.abc import Iterator
from functools import lru_cache

from propolis.flaws.effects.php.machine import Php, Stop
from propolis.flaws.effects.php.nodes import Node, Return
from propolis.flaws.effects.php.syntax import NotPhpError, Parser
from propolis.flaws.effects.php.values import Value
from propolis.flaws.scene import Scope

MAX_BYTES = 65_536
KNOWN_CHARACTERS = 2_048
"""A longer script is parsed each time."""

_FAULTS = (NotPhpError, ArithmeticError, ValueError, IndexError, TypeError, RecursionError)

_OPEN = re.compile(r"<\?(?:php\b|=|(?!xml))|<script\s+language\s*=\s*[\"']?php[\"']?\s*>", re.IGNORECASE)


def php(scope: Scope, code: bytes) -> bytes:
    """What a script prints. Code without ``<?php`` is what ``eval`` is given; text outside of tags is printed as it is.

    ``system`` and its kin print what the persona's shell does, ``phpinfo()`` a page of the true structure,
    ``$_GET['x']`` is the request's. O(steps), bounded; never raises.
    """
    source = code[:MAX_BYTES].decode("latin-1")
    machine = Php(scope, evaluate)
    is_page = _OPEN.search(source) is not None
    try:
        for is_code, part in _parts(source) if is_page else [(True, source)]:
            if is_code:
                evaluate(machine, part)
            else:
                machine.say(part)
    except Stop:
        pass
    return machine.output.encode("latin-1", "replace")


def evaluate(machine: Php, source: str) -> Value:
    """Run statements on a machine; the value of a ``return``. Raises :class:`Stop` for ``die`` and fatal errors."""
    statements, is_whole = _program(source) if len(source) <= KNOWN_CHARACTERS else _parse(source)
    try:
        for node in statements:
            machine.step()
            node(machine)
    except Return as left:
        return left.value
    except _FAULTS as error:
        raise Stop from error
    if not is_whole:
        raise Stop
    return None


def _parse(source: str) -> tuple[tuple[Node, ...], bool]:
    """Statements up to the first that is none, and whether that is all of them."""
    statements: list[Node] = []
    try:
        parser = Parser(source)
        while not parser.is_done:
            statements.append(parser.statement())
    except _FAULTS:
        return tuple(statements), False
    return tuple(statements), True


_program = lru_cache(maxsize=256)(_parse)
"""Many attackers send the same script."""


def _parts(source: str) -> Iterator[tuple[bool, str]]:
    """Text and code in turn; ``<?= x ?>`` is ``echo x``."""
    at = 0
    while opened := _OPEN.search(source, at):
        yield False, source[at : opened.start()]
        end = source.find("?>", opened.end())
        stop = len(source) if end < 0 else end
        yield True, ("echo " if opened[0].endswith("=") else "") + source[opened.end() : stop]
        at = len(source) if end < 0 else end + 2
        at += source.startswith("\n", at)  # a line end right behind the tag is swallowed
    yield False, source[at:]
