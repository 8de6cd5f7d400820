"""The lure file: one YAML file a flaw, from its text to a :class:`Flaw`, and back.

``docs/reference/lure.schema.json`` is made from these structs. What the strings in it mean (conditions, expressions,
templates) is compiled elsewhere; here stands what a file may contain, and where in it a mistake is.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
import yaml
from msgspec import Meta

from propolis.errors import PropolisError
from propolis.findings import Grade, Severity

MAX_FILE_BYTES = 262_144
MAX_STEPS = 64
MAX_DEPTH = 24
"""Collections inside one another."""

Scalar: TypeAlias = str | int | float | bool
Conditions: TypeAlias = dict[str, Scalar | tuple[Scalar, ...]]
"""``field|modifier: value``; all of a mapping hold."""

Kind: TypeAlias = Literal[
    "authentication-bypass",
    "code-injection",
    "command-injection",
    "default-credentials",
    "denial-of-service",
    "deserialization",
    "file-read",
    "file-upload",
    "information-disclosure",
    "memory-corruption",
    "missing-authentication",
    "open-redirect",
    "other",
    "request-smuggling",
    "sqli",
    "ssrf",
    "template-injection",
    "traversal",
    "xss",
    "xxe",
]
"""What kind of weakness it is; a CWE family by the name people use."""

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,79}$")]
Cve = Annotated[str, Meta(pattern=r"^CVE-\d{4}-\d{4,7}$")]
Variable = Annotated[str, Meta(pattern=r"^[a-z_][a-z0-9_]{0,31}$")]
Texts: TypeAlias = str | tuple[str, ...]


class FlawError(PropolisError):
    """A lure file that cannot be used: the file, the line (0 if unknown), the key and the cure."""

    def __init__(self, file: Path | str, line: int, key: str, cure: str) -> None:
        self.file = str(file)
        self.line = line
        self.key = key
        self.cure = cure
        place = f"{file}:{line}" if line else f"{file}"
        super().__init__(f"{place}: {key}: {cure}" if key else f"{place}: {cure}")


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A mapping of the file; an unknown key is refused."""


class Reply(_Part, frozen=True, kw_only=True):
    """What the product answers."""

    status: Annotated[
        int, Meta(ge=0, le=999, description="0: the connection is closed without an answer")
    ] = 200
    reason: Annotated[str, Meta(max_length=200, description="reason phrase; empty: the standard one")] = ""
    headers: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[!-9;-~]+:", max_length=16_384)], ...],
        Meta(description="`Name: value` in order, exact case; values are templates"),
    ] = ()
    bare: Annotated[bool, Meta(description="only these headers, none of the server persona's")] = False
    body: Annotated[str, Meta(description="template: text with {{ expressions }}")] = ""
    body_base64: Annotated[str, Meta(description="a binary body as it is, instead of body")] = ""
    delay: Annotated[
        str | float | tuple[float, ...],
        Meta(
            description="seconds: one figure, quantiles of a recorded distribution, or an expression; 30 at most"
        ),
    ] = 0.0


class Step(_Part, frozen=True, kw_only=True):
    """One request of the flaw's story, how much it says of who sends it, and its answer."""

    id: Name
    match: Annotated[
        Conditions | tuple[Conditions, ...],
        Meta(description="conditions that all hold; of a list, one mapping must"),
    ]
    unless: Annotated[
        Conditions | tuple[Conditions, ...], Meta(description="conditions that must not hold")
    ] = msgspec.field(default_factory=dict)
    after: Annotated[
        tuple[Name, ...], Meta(description="steps of this lure that this source must have taken before")
    ] = ()
    grade: Annotated[
        Grade, Meta(description="scan: looked · attempt: exploits · confirmed: used what only we had said")
    ] = "attempt"
    confidence: Annotated[int, Meta(ge=0, le=100)] = 80
    cve: Annotated[
        tuple[Cve, ...] | None,
        Meta(description="the CVEs that this request is for, if not all of the file's; [] for none of them"),
    ] = None
    issue: Annotated[
        dict[Variable, str],
        Meta(description="variable: expression, drawn once per source and remembered for later steps"),
    ] = msgspec.field(default_factory=dict)
    extract: Annotated[
        dict[Variable, str],
        Meta(
            description="variable: `field` or `field|re:PATTERN`; url, command, c2, credential, webshell, wallet, "
            "callback and file are told in the event, any name can be used in the answer"
        ),
    ] = msgspec.field(default_factory=dict)
    reply: Reply = Reply()


class Case(_Part, frozen=True, kw_only=True):
    """Requests of one source that must be recognised, and what the last one is answered."""

    request: Annotated[str, Meta(description="the message; LF stands for CRLF")] = ""
    requests: Annotated[
        tuple[str, ...], Meta(description="several, one after another; {{name}} is what was issued")
    ] = ()
    step: Annotated[str, Meta(description="the step that is reached; empty: any")] = ""
    reply: Annotated[Texts, Meta(description="text that the answer, head and body, contains")] = ()
    extract: Annotated[dict[str, Texts], Meta(description="what is extracted")] = msgspec.field(
        default_factory=dict
    )


class Tests(_Part, frozen=True, kw_only=True):
    """What must and what must not be recognised; a file whose tests fail never goes live."""

    match: Annotated[tuple[Case, ...], Meta(min_length=1)]
    miss: Annotated[tuple[str, ...], Meta(min_length=1)]


class Flaw(_Part, frozen=True, kw_only=True):
    """A lure file: a flaw, what requests for it look like, and what the product would answer."""

    id: Annotated[Name, Meta(description="the file's name without .yaml")]
    name: Annotated[str, Meta(min_length=1, max_length=300)]
    cve: tuple[Cve, ...] = ()
    kind: Kind = "other"
    severity: Severity = "high"
    technique: Annotated[str, Meta(pattern=r"^T\d{4}(\.\d{3})?$", description="ATT&CK technique")] = "T1190"
    product: Annotated[Name, Meta(description="what the host must pretend to run for this lure to answer")]
    server: Annotated[
        str, Meta(pattern=r"^[a-z0-9_-]{0,40}$", description="server persona around it; empty: any")
    ] = ""
    ports: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=65_535)], ...],
        Meta(description="where it is found; empty: any HTTP port"),
    ] = ()
    source: Annotated[str, Meta(max_length=300, description="where it was imported from")] = ""
    steps: Annotated[tuple[Step, ...], Meta(min_length=1, max_length=MAX_STEPS)]
    tests: Tests


class _RefusedError(yaml.YAMLError):
    """YAML that would cost more than it shows, or say less than it does."""

    def __init__(self, problem: str, mark: Any) -> None:
        self.problem = problem
        self.problem_mark = mark
        super().__init__(problem)


def load(path: Path) -> Flaw:
    """The flaw of a file. Raises :class:`FlawError`, also for a file that is not named after its id."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise FlawError(path, 0, "", f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise FlawError(path, 0, "", f"is not UTF-8 (byte {error.start})") from error
    flaw = parse(text, path)
    if flaw.id != path.stem:
        raise FlawError(path, line_of(text, "id"), "id", f"is {flaw.id!r}; name the file {flaw.id}.yaml")
    return flaw


def parse(text: str, file: Path | str) -> Flaw:
    """The flaw that a file's text describes; ``file`` is for the errors. Raises :class:`FlawError`."""
    if len(text) > MAX_FILE_BYTES:
        raise FlawError(file, 0, "", f"has {len(text)} characters; the limit is {MAX_FILE_BYTES}")
    try:
        flaw = msgspec.convert(_read(text), Flaw)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        why = getattr(error, "problem", None) or str(error)
        raise FlawError(file, mark.line + 1 if mark else 0, "", f"is not YAML: {why}") from error
    except (msgspec.ValidationError, RecursionError, ValueError) as error:
        why, _, where = str(error).partition(" - at ")
        key = where.strip("`").removeprefix("$").removeprefix(".")
        raise FlawError(file, line_of(text, key), key, why) from error
    _check_steps(flaw, text, file)
    return flaw


def write(flaw: Flaw) -> str:
    """A file's text that :func:`parse` reads as this flaw."""
    text: str = yaml.dump(
        msgspec.to_builtins(flaw), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110
    )
    return text


def line_of(text: str, key: str) -> int:
    """The line, from 1, of a key such as ``steps[1].reply.status``, or of the nearest that is there; 0 for no YAML."""
    try:
        _read(text)
        node = yaml.compose(text, _Loader)
    except yaml.YAMLError:
        return 0
    line = 0
    for part in re.findall(r"[^.\[\]]+", key):
        found = _child(node, part)
        if found is None:
            break
        line, node = found
    return line + 1


def _read(text: str) -> Any:
    """The plain data of one document. Raises ``yaml.YAMLError``.

    Aliases are refused, because bombs are made of them, and deep nesting, because PyYAML recurses in C: events come
    without recursion, so both are seen before anything is built.
    """
    depth = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.AliasEvent):
            raise _RefusedError("an alias is not allowed; write it out", event.start_mark)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise _RefusedError(f"is nested deeper than {MAX_DEPTH}", event.start_mark)
    return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader


def _child(node: Any, part: str) -> tuple[int, Any] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == part:
                return name.start_mark.line, value
    if isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
        child = node.value[int(part)]
        return child.start_mark.line, child
    return None


def _check_steps(flaw: Flaw, text: str, file: Path | str) -> None:
    known: set[str] = set()
    for index, step in enumerate(flaw.steps):
        key = f"steps[{index}]"
        if step.id in known:
            raise FlawError(
                file, line_of(text, f"{key}.id"), f"{key}.id", f"{step.id!r} is taken; choose another"
            )
        known.add(step.id)
        if step.reply.body and step.reply.body_base64:
            where = f"{key}.reply.body_base64"
            raise FlawError(file, line_of(text, where), where, "stands beside body; remove one of them")
        if not step.match:
            where = f"{key}.match"
            raise FlawError(file, line_of(text, where), where, "is empty and would match every request")
    for index, step in enumerate(flaw.steps):
        for name in step.after:
            if name not in known:
                where = f"steps[{index}].after"
                raise FlawError(
                    file, line_of(text, where), where, f"there is no step {name!r}; choose of {sorted(known)}"
                )


class _Loader(yaml.CSafeLoader):
    """Plain data only: no dates, only ``true`` and ``false`` are booleans, and no key is written twice."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own shape

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's own signature
        """A mapping's data. PyYAML would let the later of two equal keys win, and a condition be lost in silence."""
        known: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in known:
                raise _RefusedError(f"{key.value!r} is written twice here; keep one of them", key.start_mark)
            known.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^-?(?:0|[1-9]\d{0,17})$"), list("-0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^-?\d{1,17}\.\d{1,17}$"), list("-0123456789")
)


class _Dumper(yaml.SafeDumper):
    """Long texts as blocks, what :class:`_Loader` would read otherwise in quotes."""


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value and _is_block(value) else None if value.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _is_block(value: str) -> bool:
    """Whether a literal block keeps this text: lines without trailing blanks, no control characters."""
    lines = value.split("\n")
    return all(line.isprintable() and line == line.rstrip() for line in lines) and not lines[0].startswith(
        " "
    )


_Dumper.add_representer(str, _text)
