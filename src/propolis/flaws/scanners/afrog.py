"""An afrog POC as it stands in its file.

Of afrog 3 (https://github.com/zan8in/afrog): variables from ``set`` in order, rules of one request and one condition,
values taken out of answers by ``output``, and an expression over the rules. Its expressions are CEL (:mod:`.cel`);
:mod:`.respell` says them in nuclei's words.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from propolis.flaws.scanners import cel, dsl
from propolis.flaws.scanners.document import TemplateError, cves, cwes, mapping, tags, text, texts
from propolis.flaws.scanners.dsl import Call, Expr, Literal, Name, Operation
from propolis.flaws.scanners.regexes import PatternError, compiled
from propolis.flaws.scanners.respell import Respelling, literal_text
from propolis.flaws.scanners.template import Block, Extractor, Form, Matcher, Template

MAX_RULES = 64
MAX_VALUES = 4_096
"""Of one list of values."""

_BRACES: Final = re.compile(r"\{\{\s*([A-Za-z_][\w.]*)\s*\}\}")
_BRUTE_OWN: Final = frozenset({"mode", "commit", "continue"})
"""Keys of ``brute`` that are no variable."""
_THIRD_PARTIES: Final = frozenset({"oob", "newJNDI", "newOOB", "newReverse"})
"""What a POC has waiting for a callback, in the words of several of afrog's versions."""
_TAKES: Final = frozenset({"submatch", "bsubmatch", "rsubmatch"})
_PARTS: Final = {
    "response.body": "body",
    "response.raw": "response",
    "response.raw_header": "raw_header",
}
"""Where a pattern of ``output`` is sought."""


def is_one(tree: Mapping[str, Any]) -> bool:
    """Whether a file is one of afrog's: it has named rules, and an expression over them."""
    return isinstance(tree.get("rules"), dict) and isinstance(tree.get("info"), dict)


def read(tree: Mapping[str, Any]) -> Template:
    """The template a file's data describe. Raises :class:`TemplateError`."""
    return _Reader(tree).template()


class _Reader:
    """``respelling`` grows with every variable and output, in the order of the file."""

    def __init__(self, tree: Mapping[str, Any]) -> None:
        self._tree = tree
        self._respelling = Respelling()
        self._variables: dict[str, str] = {}
        self._lists: dict[str, tuple[str, ...]] = {}

    def template(self) -> Template:
        """The whole file."""
        info, rules = mapping(self._tree.get("info")), mapping(self._tree.get("rules"))
        for name, written in mapping(self._tree.get("set")).items():
            self._set(text(name), written)
        blocks = tuple(
            self._block(text(name), mapping(rule)) for name, rule in list(rules.items())[:MAX_RULES]
        )
        if not blocks:
            raise TemplateError("asks nothing over HTTP")
        name, words = text(info.get("name")), tags(info.get("tags"))
        numbers = cves([text(self._tree.get("id")), name, *words])
        return Template(
            scanner="afrog",
            id=text(self._tree.get("id")),
            name=" ".join(name.split()),
            severity=text(info.get("severity")).lower(),
            cves=numbers,
            cwes=cwes(words),
            tags=words,
            metadata={},
            variables=self._variables,
            blocks=blocks,
            flow=self._flow([block.id for block in blocks]),
        )

    def _set(self, name: str, written: Any) -> None:
        """A variable: an expression if it is one of names that are known, otherwise the text as it stands."""
        if isinstance(written, list):
            self._lists[name] = texts(written[:MAX_VALUES])
            return
        tree = self._parsed(text(written))
        if tree is None:
            known = self._respelling.add(name, is_text=True)
            self._variables[known] = literal_text(text(written))
        elif isinstance(tree, Call) and tree.function in _THIRD_PARTIES and not tree.arguments:
            self._respelling.alias(name, "oob")
        elif isinstance(tree, Name) and tree.name.startswith("request.url"):
            self._respelling.alias(name, tree.name)
        else:
            spelled, is_text = self._respelling.spell(tree)
            self._variables[self._respelling.add(name, is_text=is_text)] = f"{{{{{spelled}}}}}"

    def _parsed(self, written: str) -> Expr | None:
        """The tree of an expression whose names are all known; ``None`` for a text that is merely one."""
        try:
            tree = cel.parse(written)
        except cel.CelError:
            return None
        names = list(dsl.names(tree))
        is_constant = isinstance(tree, Literal) and not isinstance(tree.value, bytes)
        return tree if not is_constant and all(map(self._respelling.knows, names)) else None

    def _block(self, name: str, rule: Mapping[str, Any]) -> Block:
        request = mapping(rule.get("request"))
        if text(request.get("type")).lower() not in {"", "http", "https"}:
            raise TemplateError(f"rule {name} speaks {text(request.get('type'))}, not HTTP")
        brute = mapping(rule.get("brute"))
        payloads = {text(key): self._values(value) for key, value in brute.items() if key not in _BRUTE_OWN}
        for key in payloads:
            self._respelling.add(key, is_text=True)
        message, form = self._message(request)
        matchers = self._matchers(rule)
        return Block(
            id=name,
            requests=(message,),
            matchers=matchers,
            is_all=False,
            extractors=tuple(self._outputs(name, mapping(rule.get("output")))),
            payloads={self._respelling.name(key): values for key, values in payloads.items()},
            attack="pitchfork" if text(brute.get("mode")) == "pitchfork" else "clusterbomb",
            is_literal=True,
            form=form,
            is_followed=bool(request.get("follow_redirects")),
        )

    def _values(self, value: Any) -> tuple[str, ...]:
        """The values of a list, which may be named instead."""
        if isinstance(value, list):
            return tuple(map(literal_text, texts(value[:MAX_VALUES])))
        named = _BRACES.fullmatch(text(value).strip())
        return tuple(map(literal_text, self._lists.get(named[1], ()))) if named else (self._filled(value),)

    def _message(self, request: Mapping[str, Any]) -> tuple[str, Form]:
        raw = self._filled(request.get("raw"))
        if raw.strip():
            return raw.lstrip(), "unsafe"
        method = text(request.get("method")).upper() or "GET"
        path = self._filled(request.get("path")).strip().removeprefix("^").replace("#", "%23") or "/"
        headers = mapping(request.get("headers"))
        lines = [f"{text(name)}: {self._filled(value)}" for name, value in headers.items()]
        named = {text(name).lower() for name in headers}
        if "host" not in named:
            lines.insert(0, "Host: {{Hostname}}")
        if method == "POST" and "content-type" not in named:
            lines.append("Content-Type: application/x-www-form-urlencoded")
        body = self._filled(text(request.get("body")).strip())
        path = path if path.startswith(("/", "{{")) else f"/{path}"
        return "\n".join([f"{method} {path} HTTP/1.1", *lines, "", body]), "path"

    def _filled(self, value: Any) -> str:
        """A text with its variables under their new names; other braces are text."""
        out, at = "", 0
        written = text(value)
        for found in _BRACES.finditer(written):
            spelled = self._respelling.variable(found[1])
            if spelled is None:
                continue
            out += literal_text(written[at : found.start()]) + f"{{{{{spelled}}}}}"
            at = found.end()
        return out + literal_text(written[at:])

    def _matchers(self, rule: Mapping[str, Any]) -> tuple[Matcher, ...]:
        """One matcher for each condition; one of them is enough."""
        written = texts(rule.get("expressions")) or (text(rule.get("expression")) or "false",)
        return tuple(
            Matcher(
                kind="dsl",
                part="body",
                values=(self._condition(one),),
                is_all=False,
                is_negative=False,
                is_nocase=False,
                is_hex=False,
            )
            for one in written
        )

    def _condition(self, written: str) -> str:
        try:
            return self._respelling.spell(cel.parse(written))[0]
        except cel.CelError as error:
            raise TemplateError(f"expression {written.strip()[:60]!r} {error}") from error

    def _outputs(self, rule: str, outputs: Mapping[str, Any]) -> Iterator[Extractor]:
        """A pattern's groups become extractors, whatever is computed from those a variable."""
        for name, written in outputs.items():
            try:
                tree = cel.parse(text(written))
            except cel.CelError as error:
                raise TemplateError(f"output {name} of rule {rule} {error}") from error
            taken = _taken(tree)
            if taken is None:
                spelled, is_text = self._respelling.spell(tree)
                self._variables[self._respelling.add(text(name), is_text=is_text)] = f"{{{{{spelled}}}}}"
                continue
            pattern, part = taken
            for group, number in _groups(pattern):
                known = self._respelling.add_group(text(name), group, f"{rule}_{group}")
                yield Extractor("regex", known, part, (literal_text(pattern),), number, "", is_nocase=False)

    def _flow(self, rules: list[str]) -> str:
        """The expression over the rules in nuclei's words; empty if any rule alone is enough."""
        written = text(self._tree.get("expression")) or "false"
        try:
            tree = cel.parse(written)
        except cel.CelError as error:
            raise TemplateError(f"expression {written.strip()[:60]!r} {error}") from error
        if sorted(_either(tree)) == sorted(rules):
            return ""
        return self._respelling.spell(_numbered(tree, rules))[0]


def _taken(tree: Expr) -> tuple[str, str] | None:
    """The pattern that an ``output`` seeks, and in which part of the response; ``None`` for another expression."""
    match tree:
        case Call(function, (Literal(bytes(pattern)), Name(of))) if function in _TAKES and of in _PARTS:
            return pattern.decode("utf-8", "replace"), _PARTS[of]
        case _:
            return None


def _groups(pattern: str) -> list[tuple[str, int]]:
    """The groups of a pattern that an expression can name, with their numbers. Raises :class:`TemplateError`."""
    try:
        found = compiled(pattern.encode())
    except PatternError as error:
        raise TemplateError(f"output {error}") from error
    names = {number: name for name, number in found.groupindex.items()}
    return [(names.get(number, str(number)), number) for number in range(1, found.groups + 1)]


def _either(tree: Expr) -> list[str]:
    """The rules one of which is enough; empty if the expression says anything else."""
    match tree:
        case Operation("||", (left, right)):
            both = _either(left), _either(right)
            return [*both[0], *both[1]] if all(both) else []
        case Call(rule, ()):
            return [rule]
        case _:
            return []


def _numbered(tree: Expr, rules: list[str]) -> Expr:
    """An expression with nuclei's ``http(1)`` in the place of the first rule."""
    match tree:
        case Call(rule, ()) if rule in rules:
            return Call("http", (Literal(rules.index(rule) + 1),))
        case Operation(operator, operands):
            return Operation(operator, tuple(_numbered(one, rules) for one in operands))
        case _:
            return tree
