"""What Propolis says of itself. One class a line of log and a counter; read this file and you know them all.

``tell(QueueFull(stage="detection", dropped=1))`` writes one line to standard error and adds to a counter.
"""

import sys
from collections import Counter
from typing import ClassVar

import msgspec

from propolis.memory import load_without

load_without("rich", "structlog")  # it loads that for tracebacks, 4 MB in every process of ours

import structlog  # noqa: E402 - it has to come behind


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Something an operator may want to know. ``level`` is ``info``, ``warning`` or ``error``."""

    level: ClassVar[str] = "info"


class StageStarted(Note, frozen=True, kw_only=True):
    """A stage is up and doing its work."""

    stage: str
    detail: str = ""


class StageStopped(Note, frozen=True, kw_only=True):
    """A stage ended as it was told to."""

    stage: str


class StageFailed(Note, frozen=True, kw_only=True):
    """A stage died of a fault of ours and is started again after a pause."""

    level: ClassVar[str] = "error"
    stage: str
    why: str
    again_in_seconds: float


class LimitHit(Note, frozen=True, kw_only=True):
    """A named bound was reached; what it cost is counted. Told at most once a second per limit."""

    level: ClassVar[str] = "warning"
    stage: str
    limit: str
    cost: str


class PersonaReduced(Note, frozen=True, kw_only=True):
    """A lure cannot execute everything its persona announces on this machine, and announces less than the product."""

    level: ClassVar[str] = "warning"
    lure: str
    missing: str


class StreamLost(Note, frozen=True, kw_only=True):
    """The stream does not answer; we go on trying."""

    level: ClassVar[str] = "warning"
    stage: str
    url: str
    why: str


class StreamBack(Note, frozen=True, kw_only=True):
    """The stream answers again."""

    stage: str
    url: str


class LaneTaken(Note, frozen=True, kw_only=True):
    """A detector owns a lane now, and goes on after this sequence."""

    lane: int
    sequence: int


class WouldEnforce(Note, frozen=True, kw_only=True):
    """What a dry run would have done just now: how many targets blocked and released, and the first of them."""

    enforcer: str
    blocks: int
    releases: int
    first: str


class WorldChanged(Note, frozen=True, kw_only=True):
    """Somebody else changed what an enforcer had put in place; all of it is compared and repaired."""

    level: ClassVar[str] = "warning"
    enforcer: str
    why: str


class LakeUnwritable(Note, frozen=True, kw_only=True):
    """The lake cannot be written, often because the disk is full. Nothing was acknowledged; we keep trying."""

    level: ClassVar[str] = "error"
    root: str
    why: str
    waiting_rows: int


class LakeCompacted(Note, frozen=True, kw_only=True):
    """Small files of one past hour became one."""

    path: str
    files: int
    rows: int


class LakeExpired(Note, frozen=True, kw_only=True):
    """The oldest files of the lake were removed, because of their age or because of ``lake.max_bytes``."""

    files: int
    rows: int
    bytes_freed: int
    why: str


class LakeFileLost(Note, frozen=True, kw_only=True):
    """A file that the lake's manifest names is gone or cannot be read; its rows cannot be asked for."""

    level: ClassVar[str] = "error"
    path: str
    rows: int
    why: str


class StandingBy(Note, frozen=True, kw_only=True):
    """Somebody else does this work; we take over when they are gone."""

    stage: str
    why: str


class BadMessage(Note, frozen=True, kw_only=True):
    """A message on the stream is not what it claims to be; it is passed over."""

    level: ClassVar[str] = "error"
    stage: str
    subject: str
    sequence: int
    why: str


class TrustedListStale(Note, frozen=True, kw_only=True):
    """The never-block list could not be made anew; the last good one stays in force."""

    level: ClassVar[str] = "warning"
    why: str


class DriftSeen(Note, frozen=True, kw_only=True):
    """The world differed from the decisions and was put right; the figures count targets."""

    level: ClassVar[str] = "warning"
    enforcer: str
    missing: int
    orphan: int
    wrong_until: int


class NotHeld(Note, frozen=True, kw_only=True):
    """An enforcer did what it was told, and the world does not hold it."""

    level: ClassVar[str] = "error"
    enforcer: str
    target: str
    decision: str


class EventsMissed(Note, frozen=True, kw_only=True):
    """The stream dropped events (its bytes or age ran out) before the archive took them; sequences, inclusive."""

    level: ClassVar[str] = "error"
    first: int
    last: int


class LureLive(Note, frozen=True, kw_only=True):
    """A vulnerability lure came, or a newer version of it; it answers from now on. Version 0: from a file."""

    id: str
    version: int
    origin: str


class LureRefused(Note, frozen=True, kw_only=True):
    """A vulnerability lure does not go live; what was live before stays."""

    level: ClassVar[str] = "error"
    id: str
    why: str


class LureRolledBack(Note, frozen=True, kw_only=True):
    """An operator went back: this version of a lure is an older one's text; ``repeats`` 0: it was withdrawn."""

    id: str
    version: int
    repeats: int


class YaraLive(Note, frozen=True, kw_only=True):
    """The YARA rules of a folder were compiled; they judge from now on."""

    folder: str
    files: int
    rules: int


class YaraRefused(Note, frozen=True, kw_only=True):
    """A YARA file cannot be used; what it said before stays, and so do all other files. Line 0: not known."""

    level: ClassVar[str] = "error"
    file: str
    line: int
    why: str


class RuleLive(Note, frozen=True, kw_only=True):
    """A detection rule was pushed; it is judged by from now on. ``trial``: what it finds causes nothing yet."""

    id: str
    version: int
    trial: bool


class RuleRefused(Note, frozen=True, kw_only=True):
    """A detection rule that was pushed does not go live; what was live before stays."""

    level: ClassVar[str] = "error"
    id: str
    why: str


class RuleRolledBack(Note, frozen=True, kw_only=True):
    """An operator went back: this version of a rule is an older one's text; ``repeats`` 0: it was withdrawn."""

    id: str
    version: int
    repeats: int


counts: Counter[str] = Counter()
"""How often each note was told by this process, by class name; the metrics page shows it."""

_log = structlog.get_logger()


def open_log(*, json: bool) -> None:
    """Send notes to standard error, as JSON lines for machines or coloured lines for people.

    A line and its end are written together: every stage of an installation writes to the same file.
    """
    renderer = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )


def tell(note: Note) -> None:
    """Write the note and count it."""
    name = type(note).__name__
    counts[name] += 1
    getattr(_log, note.level)(name, **msgspec.structs.asdict(note))
