"""afrog's templates: rules of one request and one condition each, and an expression over the rules.

Written after the behaviour of afrog 3: variables from ``set`` in order, ``{{name}}`` filled into path, headers and
body, rules run in the order written until the expression is decided, outputs kept when a rule holds. Its third party is
``oobCheck``, which is never satisfied here.
"""

import base64
import binascii
import hashlib
import itertools
import random
import re
import string
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote_plus, unquote_to_bytes

import msgspec
import yaml

from bench.scanner import cel, gadget
from bench.scanner.build import AGENT
from bench.scanner.exchange import Client, ExchangeError, Message, Response
from bench.scanner.helpers import helpers
from bench.scanner.render import callbacks
from bench.scanner.scan import Turn, Verdict
from bench.scanner.template import TemplateError
from bench.scanner.text import bytewise, encoded

THIRD_PARTY: Final = frozenset({"oobCheck", "wait"})
OWN_KEYS: Final = frozenset({"mode", "commit", "continue"})
MAX_REQUESTS: Final = 200


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One request and what its answer must be."""

    name: str
    method: str
    path: str
    fields: tuple[tuple[str, str], ...]
    body: str
    raw: str
    follows: bool
    conditions: tuple[str, ...]
    outputs: tuple[tuple[str, str], ...]
    brute: tuple[tuple[str, str | tuple[str, ...]], ...]
    mode: str
    stops_if_mismatch: bool
    stops_if_match: bool
    sleep_seconds: float


class Afrog(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    id: str
    variables: tuple[tuple[str, Any], ...]
    rules: tuple[Rule, ...]
    expression: str


def read_afrog(text: str) -> Afrog:
    """A template of its text. Raises :class:`~bench.scanner.template.TemplateError`."""
    try:
        tree = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise TemplateError("not YAML") from error
    if not isinstance(tree, dict) or not isinstance(tree.get("rules"), dict):
        raise TemplateError("not an afrog template")
    return Afrog(
        id=str(tree.get("id")),
        variables=tuple((tree.get("set") or {}).items()),
        rules=tuple(_rule(str(name), rule) for name, rule in tree["rules"].items()),
        expression=str(tree.get("expression") or ""),
    )


def _rule(name: str, tree: Mapping[str, Any]) -> Rule:
    request = tree.get("request") or {}
    if str(request.get("type") or "http").lower() not in {"http", "https"}:
        raise TemplateError("not an HTTP template")
    conditions = tree.get("expressions") or [tree.get("expression") or "false"]
    brute = tree.get("brute") or {}
    return Rule(
        name=name,
        method=str(request.get("method") or "GET"),
        path=bytewise(str(request.get("path") or "/")),
        fields=tuple(
            (str(key), bytewise(_shown(value))) for key, value in (request.get("headers") or {}).items()
        ),
        body=bytewise(str(request.get("body") or "").strip()),
        raw=bytewise(str(request.get("raw") or "")).replace("\r\n", "\n").replace("\n", "\r\n"),
        follows=bool(request.get("follow_redirects")),
        conditions=tuple(_shown(condition) for condition in conditions),  # YAML makes a truth of true
        outputs=tuple((str(key), str(value)) for key, value in (tree.get("output") or {}).items()),
        brute=tuple((str(key), _values(value)) for key, value in brute.items() if key not in OWN_KEYS),
        mode=str(brute.get("mode") or "sniper"),
        stops_if_mismatch=bool(tree.get("stop_if_mismatch")),
        stops_if_match=bool(tree.get("stop_if_match")),
        sleep_seconds=float(tree.get("before_sleep") or 0),
    )


def _values(value: Any) -> str | tuple[str, ...]:
    return tuple(bytewise(str(item)) for item in value) if isinstance(value, list) else str(value)


def afrog_needs_third_party(template: Afrog) -> bool:
    """Whether the expression cannot hold unless an outside server is contacted."""

    def impossible(name: str) -> bool:
        rule = next((one for one in template.rules if one.name == name), None)
        if rule is None:
            return name in THIRD_PARTY
        return not any(_may_hold(condition, impossible) for condition in rule.conditions)

    return not _may_hold(template.expression, impossible)


def _may_hold(text: str, impossible: Any) -> bool:
    try:
        return cel.may_hold(cel.parse(text), impossible)
    except cel.CelError:
        return not any(f"{name}(" in text for name in THIRD_PARTY)


def functions(source: random.Random) -> dict[str, cel.Function]:
    """What expressions may call; a receiver is the first argument."""

    def drawn(alphabet: str) -> cel.Function:
        return lambda count: "".join(source.choices(alphabet, k=min(int(count), 65_536)))

    known = helpers(source)
    return {
        "bcontains": lambda text, part: part in _shown(text),
        "ibcontains": lambda text, part: part.lower() in _shown(text).lower(),
        "contains": lambda text, part: part in _shown(text),
        "icontains": lambda text, part: part.lower() in _shown(text).lower(),
        "startsWith": lambda text, part: _shown(text).startswith(part),
        "bstartsWith": lambda text, part: _shown(text).startswith(part),
        "endsWith": lambda text, part: _shown(text).endswith(part),
        "matches": lambda text, pattern: re.search(pattern, text) is not None,
        "bmatches": lambda pattern, text: re.search(pattern, _shown(text)) is not None,
        "rmatches": lambda pattern, text: re.search(pattern, _shown(text)) is not None,
        "submatch": _submatch,
        "bsubmatch": _submatch,
        "string": _shown,
        "bytes": _shown,
        "int": int,
        "size": len,
        "substr": lambda text, start, length: text[start : start + length],
        "replaceAll": lambda text, old, new: text.replace(old, new),
        "toUpper": str.upper,
        "toLower": str.lower,
        "md5": lambda text: hashlib.md5(encoded(_shown(text))).hexdigest(),
        "sha1": lambda text: hashlib.sha1(encoded(_shown(text))).hexdigest(),
        "base64": lambda text: base64.b64encode(encoded(_shown(text))).decode(),
        "base64Decode": lambda text: base64.b64decode(encoded(text)).decode("latin-1"),
        "urlencode": lambda text: quote_plus(encoded(text), safe="-_.~"),
        "urldecode": lambda text: unquote_to_bytes(encoded(text.replace("+", " "))).decode("latin-1"),
        "hexdecode": lambda text: binascii.unhexlify(text).decode("latin-1"),
        "hex": lambda text: encoded(text).hex(),
        "randomInt": lambda low, high: source.randrange(low, max(high, low + 1)),
        "randomLowercase": drawn(string.ascii_lowercase),
        "randomUppercase": drawn(string.ascii_uppercase),
        "randomString": drawn(string.ascii_letters + string.digits),
        "ysoserial": lambda kind, command, coding: gadget.java(
            "dns" if kind == "URLDNS" else kind, command, "base64-raw" if coding == "base64" else coding
        ),
        "versionCompare": lambda left, order, right: known["compare_versions"](left, f"{order}{right}"),
        "timestamp_second": lambda: str(int(time.time())),
        "year": lambda: time.strftime("%Y"),
        "month": lambda: time.strftime("%m"),
        "day": lambda: time.strftime("%d"),
        "sleep": _slept,
        "oobCheck": lambda *_: False,
        "wait": lambda *_: False,
        "oob": dict,
    }


def _shown(value: Any) -> str:
    match value:
        case dict():
            return " ".join(f"{key}:{item}" for key, item in value.items())
        case bool():
            return str(value).lower()
    return str(value)


def _slept(seconds: float) -> bool:
    time.sleep(float(seconds))
    return True


def _submatch(pattern: str, text: str) -> dict[str, str]:
    match = re.search(pattern, _shown(text))
    if match is None:
        return {}
    named = {str(number): part or "" for number, part in enumerate((match[0], *match.groups()))}
    return named | {name: part or "" for name, part in match.groupdict().items()}


class _Run:
    def __init__(self, template: Afrog, client: Client, source: random.Random) -> None:
        self.template = template
        self.client = client
        self.functions = functions(source)
        callback = callbacks(source)()
        host = f"{client.address[0]}:{client.address[1]}"
        url = {
            "host": host,
            "domain": client.address[0],
            "port": str(client.address[1]),
            "path": "",
            "scheme": "http",
        }
        oob = {"HTTP": f"http://{callback}", "DNS": callback, "ProtocolHTTP": "http", "ProtocolDNS": "dns"}
        self.values: dict[str, Any] = {"request": {"url": url}, "oob": oob}
        self.host = host
        self.turns: list[Turn] = []
        self.held: dict[str, bool] = {}
        self._set(template.variables)

    def _set(self, variables: Any) -> None:
        for name, written in variables:
            if isinstance(written, list):
                self.values[name] = tuple(bytewise(str(item)) for item in written)
                continue
            try:
                self.values[name] = cel.evaluate(cel.parse(str(written)), self.values, self.functions)
            except cel.CelError:
                self.values[name] = bytewise(str(written))

    def fill(self, text: str) -> str:
        """``{{name}}`` and ``{{name.field}}`` for what is known."""

        def value(match: re.Match[str]) -> str:
            found: Any = self.values
            for part in match[1].split("."):
                if not isinstance(found, Mapping) or part not in found:
                    return match[0]
                found = found[part]
            return _shown(found)

        return re.sub(r"\{\{\s*([\w.]+)\s*\}\}", value, text)

    def verdict(self) -> Verdict:
        expression = self.template.expression
        for rule in self.template.rules:
            time.sleep(rule.sleep_seconds)
            is_held = self.held[rule.name] = any(self._rule(rule, some) for some in self._brute(rule))
            if is_held:
                self._set(rule.outputs)
            if (rule.stops_if_mismatch and not is_held) or ("||" not in expression and not is_held):
                break
            if rule.stops_if_match and is_held:
                return Verdict(is_vulnerable=True, turns=tuple(self.turns))
        called = {rule.name: self._held(rule.name) for rule in self.template.rules}
        try:
            is_vulnerable = cel.evaluate(cel.parse(expression), self.values, self.functions | called) is True
        except cel.CelError as error:
            return Verdict(is_vulnerable=False, reason=f"expression: {error}", turns=tuple(self.turns))
        failed = next((rule.name for rule in self.template.rules if not self.held.get(rule.name)), "")
        reason = "" if is_vulnerable else f"rule {failed} does not hold"
        return Verdict(is_vulnerable=is_vulnerable, reason=reason, turns=tuple(self.turns))

    def _held(self, name: str) -> cel.Function:
        return lambda: self.held.get(name, False)

    def _brute(self, rule: Rule) -> Iterator[dict[str, str]]:
        lists = []
        for _, values in rule.brute:
            found = self.values.get(values.strip("{} "), ()) if isinstance(values, str) else values
            lists.append(tuple(map(_shown, found)) if isinstance(found, list | tuple) else (_shown(found),))
        names = [name for name, _ in rule.brute]
        combined = zip(*lists, strict=False) if rule.mode == "pitchfork" else itertools.product(*lists)
        for some in combined if names else [()]:
            yield dict(zip(names, some, strict=True))

    def _rule(self, rule: Rule, brute: Mapping[str, str]) -> bool:
        if len(self.turns) >= MAX_REQUESTS:
            return False
        self.values.update(brute)
        message = self._message(rule)
        try:
            answer = self.client.exchange(
                message,
                redirects="all" if rule.follows else "none",
                keeps_cookies=False,
                timeout_seconds=20.0,
            )[0]
        except ExchangeError as error:
            self.turns.append(Turn(block=0, sent=f"{message.method} {message.path}", fault=str(error)))
            return False
        self.turns.append(Turn(block=0, sent=answer.sent, response=answer))
        self.values["response"] = _response(answer)
        return any(self._holds(condition) for condition in rule.conditions)

    def _holds(self, condition: str) -> bool:
        try:
            return cel.evaluate(cel.parse(condition), self.values, self.functions) is True
        except cel.CelError:
            return False

    def _message(self, rule: Rule) -> Message:
        if rule.raw:
            raw = self.fill(rule.raw).rstrip("\r\n")
            raw += "\r\n\r\n" if "\r\n\r\n" not in raw else ""
            method, _, rest = raw.partition(" ")
            return Message(method=method, path=rest.partition(" ")[0], host=self.host, raw=raw)
        path = self.fill(rule.path.strip()).replace(" ", "%20").replace("#", "%23").removeprefix("^")
        path, has_query, query = (path if path.startswith("/") else f"/{path}").partition("?")
        fields = {"User-Agent": AGENT} | {name: self.fill(value) for name, value in rule.fields}
        if rule.method == "POST" and "content-type" not in {name.lower() for name in fields}:
            fields["Content-Type"] = "application/x-www-form-urlencoded"
        return Message(
            method=rule.method,
            path=path,
            query=query if has_query else None,
            host=fields.pop("Host", self.host),
            fields=tuple(fields.items()),
            body=self.fill(rule.body),
        )


def _response(answer: Response) -> dict[str, Any]:
    """An answer under afrog's names; every field once, names in lower case."""
    lines = [f"{name}: {values[0]}" for name, values in answer.table().items()]
    raw_header = "\n".join(lines)
    return {
        "status": answer.status,
        "headers": {name.lower(): values[0] for name, values in answer.table().items()},
        "content_type": answer.table().get("Content-Type", [""])[0],
        "body": answer.body,
        "raw_header": raw_header,
        "raw": f"{answer.status_line}\n{raw_header}\n\n{answer.body}",
        "latency": int(answer.seconds * 1_000),
    }


def scan_afrog(
    template: Afrog, address: tuple[str, int], random_source: random.Random, *, source: str = ""
) -> Verdict:
    """Run ``template`` against ``address`` (IP, port) from the local address ``source``."""
    return _Run(template, Client(address, source=source), random_source).verdict()
