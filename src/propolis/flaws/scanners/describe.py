"""What a template says of the flaw it looks for: its kind, its product, the server around it."""

import re
from collections.abc import Iterator
from typing import Final

from propolis.findings import Severity
from propolis.flaws.file import Kind
from propolis.flaws.scanners.template import Template

_TAGS: Final[tuple[tuple[str, Kind], ...]] = (
    ("default-login", "default-credentials"), ("xxe", "xxe"), ("ssti", "template-injection"), ("sqli", "sqli"),
    ("time-based-sqli", "sqli"), ("xss", "xss"), ("ssrf", "ssrf"), ("lfi", "file-read"), ("fileread", "file-read"),
    ("lfr", "file-read"), ("traversal", "traversal"), ("path-traversal", "traversal"), ("file-upload", "file-upload"),
    ("fileupload", "file-upload"), ("intrusive-upload", "file-upload"), ("deserialization", "deserialization"),
    ("log4j", "deserialization"), ("jndi", "deserialization"), ("redirect", "open-redirect"),
    ("open-redirect", "open-redirect"), ("smuggling", "request-smuggling"), ("auth-bypass", "authentication-bypass"),
    ("authbypass", "authentication-bypass"), ("bypass", "authentication-bypass"), ("rce", "command-injection"),
    ("cmdi", "command-injection"), ("injection", "command-injection"), ("unauth", "missing-authentication"),
    ("exposure", "information-disclosure"), ("disclosure", "information-disclosure"),
    ("config", "information-disclosure"),
    ("sql-injection", "sqli"), ("local-file-inclusion", "file-read"), ("arbitrary-file-upload", "file-upload"),
    ("code-injection", "code-injection"), ("command-injection", "command-injection"),
    ("authentication-bypass", "authentication-bypass"), ("information-disclosure", "information-disclosure"),
    ("overflow", "memory-corruption"), ("dos", "denial-of-service"), ("crlf", "other"),
)  # fmt: skip
_CWES: Final[dict[str, Kind]] = {
    "CWE-22": "traversal", "CWE-23": "traversal", "CWE-36": "traversal", "CWE-73": "file-read",
    "CWE-77": "command-injection",
    "CWE-78": "command-injection", "CWE-79": "xss", "CWE-80": "xss", "CWE-89": "sqli", "CWE-94": "code-injection",
    "CWE-95": "code-injection", "CWE-98": "file-read", "CWE-119": "memory-corruption", "CWE-120": "memory-corruption",
    "CWE-125": "memory-corruption", "CWE-200": "information-disclosure", "CWE-287": "authentication-bypass",
    "CWE-288": "authentication-bypass", "CWE-306": "missing-authentication", "CWE-400": "denial-of-service",
    "CWE-434": "file-upload", "CWE-444": "request-smuggling", "CWE-502": "deserialization", "CWE-601": "open-redirect",
    "CWE-611": "xxe", "CWE-787": "memory-corruption", "CWE-798": "default-credentials",
    "CWE-862": "missing-authentication",
    "CWE-863": "authentication-bypass", "CWE-917": "template-injection", "CWE-918": "ssrf",
    "CWE-1336": "template-injection",
    "CWE-1188": "default-credentials", "CWE-552": "information-disclosure", "CWE-532": "information-disclosure",
}  # fmt: skip
_SEVERITIES: Final[dict[str, Severity]] = {
    "info": "informational", "low": "low", "medium": "medium", "high": "high", "critical": "critical",
}  # fmt: skip
_SERVERS: Final = (
    ("iis", re.compile(r"(?i)/[^\s?]*\.(?:aspx|ashx|asmx|asp|svc)\b")),
    ("tomcat", re.compile(r"(?i)/[^\s?]*\.(?:jsp|jspx|do|action|jsf|seam)\b|WEB-INF")),
)


def kind(template: Template) -> Kind:
    """The flaw's family, by its weakness (CWE) if that is a clear one, otherwise by its tags."""
    return kind_of(template.tags, template.cwes)


def kind_of(words: tuple[str, ...], cwes: tuple[str, ...]) -> Kind:
    """The family that tags and weaknesses tell of, as :func:`kind`."""
    by_tag = next((kind for tag, kind in _TAGS if tag in words), None)
    by_class = next((_CWES[cwe] for cwe in cwes if cwe in _CWES), None)
    vague = {"information-disclosure", "missing-authentication", "authentication-bypass", "command-injection"}
    if by_class is not None and (by_tag is None or by_class not in vague or by_tag in vague):
        return by_class
    return by_tag or by_class or "other"


def severity(template: Template) -> Severity:
    """The template's severity; high if it names none we know."""
    return _SEVERITIES.get(template.severity, "high")


_FLAWS: Final = re.compile(
    r"(?i)(?:^|[\s_-])(?:v?\d+(?:\.[\dx]+)+|[<>]=?|before|up to|through|via|in |rce|sqli?|xss|ssrf|lfi|rfi|xxe|csrf|"
    r"ssti|cve-[\d-]+|"
    r"(?:un|pre-?)?auth\w*|arbitrary|remote|local|stored|reflected|blind|server[- ]side|cross[- ]site|open redirect|"
    r"(?:os )?command|code|shell|sql|path|directory|file|template|object|information|sensitive|default|weak|"
    r"improper|incorrect|missing|insecure|vulnerab\w*|expos\w*|disclosure|traversal|injection|inclusion|upload|bypass|"
    r"deserializ\w*|privilege|backdoor|getshell|weblogic t3)\b|[\s(\uff08|:\uff1a]*[\u3000-\u9fff]|\s[-<(|:\uff08]"
)
"""Where a template's name goes over from the product to what is wrong with it."""


def title(template: Template) -> str:
    """The product as people write it; empty if the template does not tell it."""
    named = template.metadata.get("product", "").replace("_", " ").strip()
    return named.title() if named else _FLAWS.split(template.name, maxsplit=1)[0].strip(" -_:,")[:80]


def product(template: Template) -> str:
    """The product's name as lure files write it; a plugin's after that of what it is plugged into."""
    named = template.metadata.get("product") or template.metadata.get("vendor") or ""
    framework = template.metadata.get("framework", "")
    plain = slug(named or title(template)) or next(iter(_telling(template.tags)), "")
    host = slug(framework)
    if host and host not in plain:
        plain = f"{host}-{plain}"
    return plain[:80].strip("-") or "unknown"


def _telling(tags: tuple[str, ...]) -> Iterator[str]:
    """Tags that are neither a number nor a kind of flaw: the first is mostly the product."""
    kinds = {tag for tag, _ in _TAGS}
    return (name for tag in tags if tag not in kinds and not tag.startswith("cve") and (name := slug(tag)))


def family(template: Template) -> str:
    """What the product is plugged into, if into something; otherwise the product."""
    framework = slug(template.metadata.get("framework", ""))
    asked = [request for block in template.blocks for request in block.requests]
    sought = [value for block in template.blocks for one in block.matchers for value in one.values]
    is_plugin = any(place in text for place in _WORDPRESS for text in (*asked, *sought))
    return framework or ("wordpress" if is_plugin else product(template))


_WORDPRESS: Final = ("/wp-content/", "/wp-admin/", "/wp-json/")


def server(template: Template) -> str:
    """The server persona that the product's addresses give away; empty for any."""
    lines = " ".join(request.split("\n", 1)[0] for block in template.blocks for request in block.requests)
    return next((name for name, look in _SERVERS if look.search(lines)), "")


def identity(name: str) -> str:
    """A file's name as a flaw's id."""
    plain = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")
    return plain[:80] if len(plain) > 1 else f"flaw-{plain}"


def slug(text: str) -> str:
    """Words in lower case with dashes between."""
    return re.sub(r"[^a-z0-9]+", "-", text.split(",", maxsplit=1)[0].lower()).strip("-")
