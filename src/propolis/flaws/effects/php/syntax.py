"""The grammar of PHP, as far as proofs of execution use it: a text to functions of a machine."""

import re
from collections.abc import Iterator

import msgspec

from propolis.flaws.effects.php.functions import HALTS, LANGUAGE
from propolis.flaws.effects.php.machine import Php
from propolis.flaws.effects.php.nodes import (
    Node,
    assigned,
    called,
    cast,
    constant,
    halted,
    indexed,
    interpolated,
    inverted,
    made_array,
    negated,
    number,
    read,
    returned,
)
from propolis.flaws.effects.php.operators import BINARY, truth
from propolis.flaws.effects.php.values import Value, text_of

MAX_DEPTH = 48
MAX_NODES = 4_000

_TOKEN = re.compile(
    r"""(?:\s|//(?:(?!\?>)[^\n])*|\#(?!\[)(?:(?!\?>)[^\n])*|/\*.*?(?:\*/|\Z))*(?:
      (?P<number>0[xX][0-9a-fA-F]{1,16}|\d{1,18}(?:\.\d{1,18})?)
    | (?P<single>'(?:[^'\\]|\\.)*')
    | (?P<double>"(?:[^"\\]|\\.)*")
    | (?P<ticks>`(?:[^`\\]|\\.)*`)
    | (?P<variable>\$\w+)
    | (?P<cast>\(\s*(?:int|integer|string|float|bool|array)\s*\))
    | (?P<name>\\?[A-Za-z_][\w\\]*)
    | (?P<operator>\?>|===|!==|\*\*|\.=|\+=|-=|\*=|==|!=|<>|<=|>=|&&|\|\||\?\?|\?:|=>|->|::|<<|>>|\+\+|--
        |[-+*/%.=<>!?:;,(){}\[\]@&|^~$])
    )""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)


class _Token(msgspec.Struct, frozen=True):
    kind: str
    text: str


_END = _Token("end", "")


class NotPhpError(Exception):
    """What this parser does not read."""


class Parser:
    """Statements and expressions to functions of a machine."""

    def __init__(self, source: str) -> None:
        self._tokens = _scan(source)
        self._nodes = 0
        self._depth = 0
        self._token = next(self._tokens, _END)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left; stray semicolons and ends of tags are nothing."""
        while self._take(";", "?>"):
            pass
        return self._token.kind == "end"

    def statement(self) -> Node:
        """One statement."""
        if self._take("{"):
            return self._block()
        match self._token.text.lower() if self._token.kind == "name" else "":
            case "echo":
                self._next()
                return self._said(self._list())
            case "if":
                return self._condition()
            case "return":
                self._next()
                is_bare = self._token.text in {";", "", "}", "?>"}
                return returned(constant(None) if is_bare else self._expression(0))
        node = self._expression(0)
        self._take(";", "?>")
        return node

    def _condition(self) -> Node:
        self._next()
        self._expect("(")
        condition = self._expression(0)
        self._expect(")")
        then = self.statement()
        other = constant(None)
        self._take(";")
        if self._token.text.lower() in {"else", "elseif"} and self._token.kind == "name":
            is_chained = self._token.text.lower() == "elseif"
            other = self._condition() if is_chained else (self._next(), self.statement())[1]
        return lambda machine: (then if truth(condition(machine)) else other)(machine)

    def _block(self) -> Node:
        nodes: list[Node] = []
        self._deeper()
        while not self._take("}"):
            if self._token.kind == "end":
                raise NotPhpError
            if not self._take(";"):
                nodes.append(self.statement())
        self._depth -= 1

        def run(machine: Php) -> Value:
            for node in nodes:
                machine.step()
                node(machine)
            return None

        return run

    def _said(self, nodes: list[Node]) -> Node:
        def say(machine: Php) -> Value:
            for node in nodes:
                machine.say(text_of(node(machine)))
            return 1

        return say

    def _list(self) -> list[Node]:
        nodes = [self._expression(0)]
        while self._take(","):
            nodes.append(self._expression(0))
        return nodes

    def _expression(self, least: int) -> Node:
        """Precedence climbing; the ternary binds least, then assignment."""
        self._deeper()
        node = self._unary()
        while self._token.kind in {"operator", "name"}:
            name = self._token.text.lower()
            if name in {"?", "?:"} and least <= 1:
                node = self._choice(node)
                continue
            known = BINARY.get(name)
            if known is None or known.level < least:
                break
            self._next()
            node = self._node(known.make(node, self._expression(known.level + 1)))
        self._depth -= 1
        return node

    def _choice(self, condition: Node) -> Node:
        if self._next().text == "?:":
            other = self._expression(2)
            return self._node(lambda machine: value if truth(value := condition(machine)) else other(machine))
        then = self._expression(1)
        self._expect(":")
        other = self._expression(2)
        return self._node(lambda machine: (then if truth(condition(machine)) else other)(machine))

    def _unary(self) -> Node:
        self._deeper()
        if self._token.kind == "cast":
            kind = self._next().text.strip("() \t\r\n").lower()
            inner = self._unary()
            node: Node = cast(kind, inner)
        elif self._take("@", "&"):
            node = self._unary()
        elif self._take("!"):
            inner = self._unary()
            node = negated(inner)
        elif self._take("-"):
            node = BINARY["-"].make(constant(0), self._unary())
        elif self._take("+"):
            node = self._unary()
        elif self._take("~"):
            inner = self._unary()
            node = inverted(inner)
        else:
            node = self._postfix(self._operand())
        self._depth -= 1
        return self._node(node)

    def _postfix(self, node: Node) -> Node:
        while True:
            if self._take("["):
                if self._take("]"):
                    continue
                index = self._expression(0)
                self._expect("]")
                node = self._node(indexed(node, index))
            elif self._token.text == "(" and self._token.kind == "operator":
                arguments = self._arguments()
                node = self._node(called(node, arguments))
            elif self._take("->", "::"):
                self._next()
                node = constant(None)
            elif self._take("++", "--"):
                continue
            else:
                return node

    def _operand(self) -> Node:
        token = self._next()
        match token.kind:
            case "number":
                return constant(number(token.text))
            case "single":
                return constant(re.sub(r"\\([\\'])", r"\1", token.text[1:-1]))
            case "double":
                return interpolated(token.text[1:-1])
            case "ticks":
                command = interpolated(token.text[1:-1])
                return lambda machine: machine.shell(text_of(command(machine)))
            case "variable":
                return self._variable(token.text[1:])
            case "name":
                return self._named(token.text.lstrip("\\"))
        if token.text == "(":
            node = self._expression(0)
            self._expect(")")
            return node
        if token.text == "[":
            return self._array("]")
        raise NotPhpError

    def _variable(self, name: str) -> Node:
        for sign, compute in (("=", None), (".=", "."), ("+=", "+"), ("-=", "-"), ("*=", "*")):
            if self._take(sign):
                value = self._expression(1)
                if compute:
                    value = BINARY[compute].make(read(name), value)
                return assigned(name, value)
        return read(name)

    def _named(self, name: str) -> Node:
        lower = name.lower()
        if lower in {"print", "include", "require", "include_once", "require_once", "echo"}:
            argument = self._expression(1)
            return (
                self._said([argument])
                if lower in {"print", "echo"}
                else called(constant("readfile"), [argument])
            )
        if lower in HALTS:
            arguments = self._arguments() if self._token.text == "(" else []
            return halted(arguments)
        if lower == "array" and self._take("("):
            return self._array(")")
        if lower == "new":
            self._next()
            if self._token.text == "(":
                self._arguments()
            return constant(None)
        if self._token.text == "(" and self._token.kind == "operator":
            return self._node(called(constant(name), self._arguments()))
        return lambda machine: LANGUAGE[name.upper()](machine) if name.upper() in LANGUAGE else name

    def _array(self, end: str) -> Node:
        keys: list[Node | None] = []
        values: list[Node] = []
        while not self._take(end):
            if values:
                self._expect(",")
                if self._take(end):
                    break
            node = self._expression(0)
            is_pair = self._take("=>")
            keys.append(node if is_pair else None)
            values.append(self._expression(0) if is_pair else node)
        return self._node(made_array(keys, values))

    def _arguments(self) -> list[Node]:
        self._expect("(")
        nodes: list[Node] = []
        while not self._take(")"):
            if nodes:
                self._expect(",")
            nodes.append(self._expression(0))
        return nodes

    def _node(self, node: Node) -> Node:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise NotPhpError
        return node

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NotPhpError

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise NotPhpError

    def _take(self, *texts: str) -> bool:
        if self._token.kind != "operator" or self._token.text not in texts:
            return False
        self._next()
        return True

    def _next(self) -> _Token:
        token, self._token = self._token, next(self._tokens, _END)
        return token


def _scan(source: str) -> Iterator[_Token]:
    at = 0
    while found := _TOKEN.match(source, at):
        kind = str(found.lastgroup)
        yield _Token(kind, found[kind])
        at = found.end()
    if re.sub(r"(?s)\s|//[^\n]*|#[^\n]*|/\*.*?\*/", "", source[at:]):
        yield _Token("strange", source[at : at + 1])
