"""``novel``: what is new and spreading that nobody has judged yet, and a rule or a lure of it in one step."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from propolis.cli.context import DEFAULT_CONFIG, ConfigPath, err, out, with_stream
from propolis.clock import rfc3339
from propolis.config import Config
from propolis.detection.novelty import novel
from propolis.detection.novelty.novel import Novel, Queue
from propolis.errors import PropolisError
from propolis.stream import Stream, subjects

AsJson = Annotated[bool, Parameter(name="--json", help="Print JSON.")]
SHOWN = 20
SHOWN_CHARACTERS = 70
EXAMPLE_CHARACTERS = 2_000


def show(
    *,
    json: AsJson = False,
    all_: Annotated[bool, Parameter(name="--all", negative=())] = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """List what is new and spreading, the most surprising and widest spread first.

    Parameters
    ----------
    json
        print JSON, with the examples
    all_
        the whole queue instead of its beginning
    config
        the settings file

    """
    queue = _queue(config)
    if json:
        out.print_json(novel.encode(queue).decode())
        return
    table = Table("id", "score", "bits", "sources", "new", "sensors", "first seen", "what", "how it is done")
    for one in queue.novel if all_ else queue.novel[:SHOWN]:
        table.add_row(
            one.id,
            f"{one.score:.1f}",
            f"{one.surprise:.1f}",
            str(one.sources),
            f"{one.recent:.0f}",
            str(len(one.sensors)),
            rfc3339(one.first_seen)[:16],
            one.what,
            Text(inert(one.template, SHOWN_CHARACTERS)),
        )
    out.print(table)
    if not queue.novel:
        out.print("Nothing that at least two sources sent is new. The archive looks at every event.")


def describe(id: str, /, *, json: AsJson = False, config: ConfigPath = DEFAULT_CONFIG) -> None:  # noqa: A002 - the word an operator types
    """One of them, with its examples as they were sent.

    Parameters
    ----------
    id
        as `propolis novel list` shows it
    json
        print JSON
    config
        the settings file

    """
    one = _one(config, id)
    if json:
        out.print_json(msgspec.json.encode(one).decode())
        return
    facts = (
        (
            "score",
            f"{one.score:.2f}: {one.surprise:.1f} bits of surprise, {one.sources} sources, {one.recent:.0f} new",
        ),
        ("events", f"{one.events}, {one.texts} different texts, a known flaw in {one.known:.0%}"),
        ("seen", f"{rfc3339(one.first_seen)} to {rfc3339(one.last_seen)}"),
        ("where", f"{', '.join(one.sensors)}; ports {', '.join(map(str, one.ports))}"),
        ("done by", inert(one.template, EXAMPLE_CHARACTERS)),
    )
    for name, value in facts:
        out.print(Text(f"{name:8}{value}"), highlight=False)
    for number, example in enumerate(one.examples, 1):
        out.print(
            Text(f"\nexample {number}\n{inert(_text(example), EXAMPLE_CHARACTERS, keep=chr(10))}"),
            highlight=False,
        )


def draft(
    id: str,  # noqa: A002 - the word an operator types
    /,
    *,
    rule: Annotated[bool, Parameter(negative=())] = False,
    lure: Annotated[bool, Parameter(negative=())] = False,
    to: Annotated[Path | None, Parameter(name="--out")] = None,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Write a rule or a lure from what all its examples have in common; the file's own tests hold.

    Parameters
    ----------
    id
        as `propolis novel list` shows it
    rule
        a rule for detection.rules
    lure
        a lure for flaws.packs, or to push
    to
        folder for the file; without it, here
    config
        the settings file

    """
    if rule == lure:
        raise PropolisError("say --rule or --lure")
    from propolis.detection.novelty.draft import draft_lure, draft_rule  # noqa: PLC0415 - kernels and patterns, for drafts alone

    one = _one(config, id)
    text = draft_rule(one) if rule else draft_lure(one)
    path = (to or Path()) / f"novel-{one.id}.yaml"
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PropolisError(f"{path}: cannot be written ({error.strerror})") from error
    then = "put it into the folder of detection.rules" if rule else f"`propolis lures push {path}`"
    err.print(Text(f"{path}: its tests hold. Read it, then {then}."), highlight=False)
    sys.stdout.write(f"{path}\n")


def inert(text: str, limit: int, *, keep: str = "") -> str:
    """Bounded, and what would move a terminal's cursor written out."""
    shown = "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text[:limit]
    )
    return f"{shown}…" if len(text) > limit else shown


def _one(config: Path, identity: str) -> Novel:
    """Raises :class:`PropolisError` for one that is not in the queue."""
    queue = _queue(config)
    for one in queue.novel:
        if one.id == identity:
            return one
    raise PropolisError(f"{identity}: is not in the queue; see `propolis novel list`")


def _queue(config: Path) -> Queue:
    async def look(_: Config, stream: Stream) -> Queue:
        stored = await stream.get(subjects.NOVEL, subjects.QUEUE)
        return novel.decode(stored.data) if stored else Queue(0)

    return with_stream(config, look)


def _text(example: bytes) -> str:
    return example.decode("utf-8", "replace").replace("\r\n", "\n")
