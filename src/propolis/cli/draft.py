"""``lures draft``: a language model reads a CVE and writes a lure file, which a person then reads and pushes.

It is asked only here, at an operator's word; nothing an attacker sends ever reaches it, and nothing it writes goes live
by itself. What it writes is checked like any file; once it is shown its mistake and may put it right.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import httpx
import msgspec
from cyclopts import Parameter
from rich.text import Text

from propolis.cli.context import DEFAULT_CONFIG, ConfigPath, configured, err, out
from propolis.config import Config
from propolis.errors import ConfigError, PropolisError
from propolis.flaws.check import check
from propolis.flaws.file import Flaw, FlawError, parse
from propolis.flaws.packs import BUILT_IN

MAX_TEXT = 50_000
"""Characters of the description that are sent."""
MAX_ANSWER_BYTES = 1_000_000
ANSWER_SECONDS = 180.0
EXAMPLES = ("hadoop-yarn", "phpunit-eval-stdin", "gpon-diag-form")
"""Built-in lures that show the model how it is done."""

_FENCED = re.compile(r"```(?:ya?ml)?[ \t]*\n(.*?)```", re.DOTALL)
_REASONING = re.compile(r"<think>.*?</think>", re.DOTALL)

_TASK = """\
You write vulnerability lures for Propolis, a defensive decoy that recognises exploit requests and answers them the way
the vulnerable product would, so that an attacker believes it. You get the public description of one vulnerability and
answer with one YAML file, in one fenced block, and nothing else.

Rules:
- `id` is lower-case letters, digits and dashes; `cve` lists the CVE ids of the description; `product` is a short
  lower-case name.
- `match` describes the request as narrowly as the flaw allows: method, path, and the parameter, header or body that
  makes it an exploit. Never a common path alone.
- `reply` is what the vulnerable product answers. Use `{{ shell(command) }}`, `{{ php(code) }}`, `{{ sql(text) }}`,
  `{{ file(path) }}` or `{{ calculate(text) }}` where it would show the result of what the attacker sent.
- `tests.match` has at least one realistic exploit request with a `reply` text that proves it; `tests.miss` at least one
  ordinary request to the same product that must not match.
- No unknown keys. The JSON Schema of a file:

"""


def draft(
    source: Annotated[
        str, Parameter(help="File with the description of a vulnerability; - reads standard input.")
    ],
    /,
    *,
    to: Annotated[
        Path | None, Parameter(name="--out", help="Where the draft goes; without it, <id>.yaml here.")
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Have the language model that flaws.draft_url names draft a lure from a CVE text. It is never pushed by itself."""
    settings = configured(config)
    text = sys.stdin.read() if source == "-" else _read(Path(source))
    with err.status("drafting …"), _client(settings) as client:
        lure, fault = write_draft(client, settings.flaws.draft_model, text)
    path = to or Path(f"{_name(lure)}.yaml")
    path.write_text(lure, encoding="utf-8")
    if fault:
        out.print(Text(f"{path}: written, but it is not good yet: {fault}"), highlight=False)
        sys.exit(1)
    out.print(f"{path}: its tests hold. Read it, then `propolis lures push {path}`.", highlight=False)


def write_draft(client: httpx.Client, model: str, text: str) -> tuple[str, str]:
    """A lure file for a description, and what is still wrong with it (empty: nothing).

    ``client`` has the API's base URL. Raises :class:`PropolisError` when the model cannot be asked.
    """
    talk = [
        {"role": "system", "content": _TASK + schema() + "\n\n" + examples()},
        {"role": "user", "content": text[:MAX_TEXT]},
    ]
    lure = _ask(client, model, talk)
    fault = fault_of(lure)
    if fault:
        mend = f"This file is refused:\n{fault}\nAnswer with the whole file, mended."
        talk += [{"role": "assistant", "content": lure}, {"role": "user", "content": mend}]
        lure = _ask(client, model, talk)
        fault = fault_of(lure)
    return lure, fault


def fault_of(lure: str) -> str:
    """What is wrong with the text of a lure file: its first mistake, or the first of its tests that fails."""
    try:
        flaw = parse(lure, "draft.yaml")
        failures = check(flaw, lure)
    except FlawError as error:
        return str(error)
    return f"draft.yaml:{failures[0].line}: {failures[0].why}" if failures else ""


def schema() -> str:
    """The JSON Schema of a lure file."""
    return msgspec.json.encode(msgspec.json.schema(Flaw)).decode()


def examples() -> str:
    """Built-in lures, as a model is shown them."""
    paths = [BUILT_IN / f"{name}.yaml" for name in EXAMPLES]
    return "\n\n".join(
        f"Example:\n```yaml\n{path.read_text(encoding='utf-8')}```" for path in paths if path.exists()
    )


def _client(config: Config) -> httpx.Client:
    """Raises :class:`ConfigError` for what is not set."""
    flaws = config.flaws
    for key, value in (("draft_url", flaws.draft_url), ("draft_model", flaws.draft_model)):
        if not value:
            raise ConfigError(
                config.path, f"flaws.{key}", "is empty; name an OpenAI-compatible API and its model"
            )
    headers = {}
    if flaws.draft_key:
        headers["Authorization"] = f"Bearer {_read(config.path.parent / flaws.draft_key).strip()}"
    return httpx.Client(base_url=flaws.draft_url, headers=headers, timeout=ANSWER_SECONDS)


def _ask(client: httpx.Client, model: str, talk: Sequence[dict[str, str]]) -> str:
    """The lure file in the model's answer. Raises :class:`PropolisError`."""
    request = {"model": model, "messages": list(talk), "temperature": 0}
    try:
        with client.stream("POST", "chat/completions", json=request) as response:
            body = b""
            for part in response.iter_bytes():
                body += part
                if len(body) > MAX_ANSWER_BYTES:
                    raise PropolisError(f"{response.url}: answers more than {MAX_ANSWER_BYTES} bytes")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise PropolisError(f"flaws.draft_url: {client.base_url}: {error or type(error).__name__}") from error
    if response.status_code != httpx.codes.OK:
        raise PropolisError(
            f"{response.url}: {response.status_code}: {body[:300].decode('utf-8', 'replace')}"
        )
    try:
        answer = msgspec.json.decode(body, type=_Answer).choices[0].message.content
    except (msgspec.MsgspecError, UnicodeDecodeError, IndexError) as error:
        raise PropolisError(f"{response.url}: is no chat completion ({error})") from error
    return _file_in(answer)


class _Message(msgspec.Struct, frozen=True):
    content: str


class _Choice(msgspec.Struct, frozen=True):
    message: _Message


class _Answer(msgspec.Struct, frozen=True):
    """A chat completion, as far as it is read."""

    choices: tuple[_Choice, ...]


def _file_in(answer: str) -> str:
    """The file in an answer: the longest fenced block, or all of it; without what a model thought aloud."""
    said = _REASONING.sub("", answer)
    fenced: list[str] = _FENCED.findall(said)
    return (max(fenced, key=len) if fenced else said).strip() + "\n"


def _name(lure: str) -> str:
    """The id that a draft gives itself, if it can be a file's name."""
    found = re.search(r"^id: *[\"']?([a-z0-9][a-z0-9_-]{0,79})[\"']? *$", lure, re.MULTILINE)
    return found[1] if found else "draft"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PropolisError(f"{path}: cannot be read ({error})") from error
