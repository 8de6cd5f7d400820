from collections import deque
from collections.abc import Iterator

import pytest

from propolis.flaws.effects.php.machine import Php
from propolis.flaws.effects.php.nodes import Node
from propolis.flaws.effects.php.script import evaluate
from propolis.flaws.effects.php.syntax import NotPhpError, Parser
from scenes import a_scope


def _statements(parser: Parser) -> Iterator[Node]:
    while not parser.is_done:
        yield parser.statement()


@pytest.mark.parametrize(
    "code", ["echo", "1 +;", "(1", "[1", "{ echo 1;", "foreach ($a as $b) {}", "$a =", "\x01"]
)
def test_what_is_not_read_is_refused(code: str) -> None:
    with pytest.raises(NotPhpError):
        deque(_statements(Parser(code)), maxlen=0)


def test_statements_are_read_one_by_one() -> None:
    parser = Parser("$a = 2; ; $b = $a * 3 ?>")
    machine = Php(a_scope(), evaluate)
    for node in _statements(parser):
        node(machine)
    assert (machine.read("a"), machine.read("b")) == (2, 6)
