"""A request that does what a rule looks for: what a rule's lure is tested with.

A rule names zones and what is in them; here a message is put together that has all of it, in the plainest form.
"""

import base64
import json
import random
from collections.abc import Iterable
from urllib.parse import quote

from propolis.flaws.scanners.regexes import PatternError, compiled, sample
from propolis.flaws.scanners.zones import Leaf

_BOUNDARY = "----boundary7MA4YWxk"
_SAMPLES = {"libinjectionsql": "1' OR '1'='1' -- ", "libinjectionxss": "<script>alert(1)</script>"}
_BASE64 = "b64decode"
_LIKELY = (
    "../../../../etc/passwd",
    "1' OR '1'='1",
    ";id",
    "$(id)",
    "${7*7}",
    "<script>alert(1)</script>",
    "http://192.0.2.9/x",
    "shell.jsp",
)
"""What attackers send, in the order it is tried for what a pattern accepts."""


def attempt(leaves: Iterable[Leaf], draws: random.Random) -> str:
    """A message as a lure file writes it, for tests that all hold; whether they do, the caller sees."""
    message = _Message(draws)
    for leaf in leaves:
        message.put(leaf)
    return message.text()


class _Message:
    """``paths`` are pieces of a path by where they stand; pairs keep the order in which they are asked for."""

    def __init__(self, draws: random.Random) -> None:
        self._draws = draws
        self._method = ""
        self._paths: dict[str, list[str]] = {"startswith": [], "contains": [], "endswith": []}
        self._targets: list[str] = []
        self._query: dict[str, str] = {}
        self._form: dict[str, str] = {}
        self._json: dict[str, str] = {}
        self._headers: dict[str, str] = {}
        self._cookies: dict[str, str] = {}
        self._body: list[str] = []
        self._file = ""

    def put(self, leaf: Leaf) -> None:
        """Have what a test asks for."""
        value = self._sampled(leaf)
        zone, names = leaf.zones[0], leaf.variables[:1] or ("x",)
        name = self._plain(names[0])
        match zone:
            case "METHOD":
                self._method = value.upper()
            case "URI":
                self._paths.get(leaf.kind, self._paths["contains"]).append(value)
            case "URI_FULL":
                self._targets.append(value)
            case "RAW_BODY":
                self._body.append(value)
            case "FILENAMES":
                self._file += value
            case "HEADERS_NAMES":
                self._headers[value] = "1"
            case "ARGS_NAMES":
                self._query[value] = "1"
            case "BODY_ARGS_NAMES":
                self._form[value] = "1"
            case _:
                pairs = {"ARGS": self._query, "HEADERS": self._headers, "COOKIES": self._cookies}.get(
                    zone, self._form
                )
                if zone == "BODY_ARGS" and name.startswith("json."):
                    pairs, name = self._json, name.removeprefix("json.")
                pairs[name] = pairs.get(name, "") + value

    def text(self) -> str:
        """The whole message."""
        kind, body = self._content()
        path = "".join(piece for pieces in self._paths.values() for piece in dict.fromkeys(pieces))
        target = quote(path, safe="/.;:@!$&'()*+,=~-_")
        for piece in self._targets:
            target += "" if piece in target else piece if not target else f"?{piece}"
        target = target if target.startswith("/") else f"/{target}"
        if self._query:
            pairs = "&".join(
                f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in self._query.items()
            )
            target += ("&" if "?" in target else "?") + pairs
        method = self._method or ("POST" if body else "GET")
        lines = [f"{method} {target} HTTP/1.1", "Host: 192.0.2.1"]
        lines += [f"{name}: {value}" for name, value in self._headers.items()]
        if self._cookies:
            lines.append("Cookie: " + "; ".join(f"{name}={value}" for name, value in self._cookies.items()))
        return "\n".join([*lines, *([f"Content-Type: {kind}"] if body else []), "", body])

    def _content(self) -> tuple[str, str]:
        if self._file:
            part = (
                f'--{_BOUNDARY}\nContent-Disposition: form-data; name="file"; filename="{self._file}"\n\nx\n'
            )
            return f"multipart/form-data; boundary={_BOUNDARY}", f"{part}--{_BOUNDARY}--\n"
        if self._json:
            return "application/json", json.dumps(_nested(self._json))
        pairs = "&".join(
            f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in self._form.items()
        )
        return "application/x-www-form-urlencoded", "\n".join([*([pairs] if pairs else []), *self._body])

    def _sampled(self, leaf: Leaf) -> str:
        """What holds a test's value, before its transforms."""
        if leaf.kind in _SAMPLES:
            return _SAMPLES[leaf.kind]
        value = self._accepted(leaf) if leaf.kind == "regex" else leaf.value
        if "length" in leaf.transforms and value.isdigit():
            return "A" * min(int(value) + 1, 4_096)
        if _BASE64 in leaf.transforms:
            return _encoded(value)
        return value

    def _accepted(self, leaf: Leaf) -> str:
        """Something that a pattern accepts."""
        is_folded = "lowercase" in leaf.transforms
        try:
            pattern = compiled(leaf.value.encode())
        except PatternError:
            return leaf.value
        likely = (one for one in _LIKELY if pattern.search((one.lower() if is_folded else one).encode()))
        return next(likely, None) or self._plain(f"/{leaf.value}/")

    def _plain(self, name: str) -> str:
        """A name as it is; of one that is a pattern between slashes, what the pattern accepts."""
        if len(name) < 3 or not (name.startswith("/") and name.endswith("/")):
            return name
        try:
            made = sample(name[1:-1].encode(), self._draws).text.decode("latin-1")
        except PatternError:
            return name
        return made or "!"


def _encoded(value: str) -> str:
    """A text in base64; blanks around it make the length whole, so that texts can follow one another."""
    return base64.b64encode(value.encode() + b" " * (-len(value.encode()) % 3)).decode()


def _nested(pairs: dict[str, str]) -> dict[str, object]:
    """Paths such as ``a.b`` as mappings inside of one another."""
    tree: dict[str, object] = {}
    for path, value in pairs.items():
        *above, last = path.split(".")
        place = tree
        for key in above:
            inner = place.setdefault(key, {})
            place = inner if isinstance(inner, dict) else place
        place[last] = value
    return tree
