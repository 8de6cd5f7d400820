"""What is found of each class of attack, who is accused who did nothing, how well confidence says what it means.

Method. Labelled rows become events and go through the running engine with the built-in rules and lures, each row
(each session) from a source of its own. What a decoy was sent is told as a sensor tells it; what real servers and
administrators did is told as from a log. A source is *blocked* if one of its findings is one that the default policy
blocks for: attempt at 70, scan at 90, or confirmed.

``malicious_precision``: of all blocked sources, how many are attackers. Attackers are real hits on decoys
(``honeypot_http``) and real sessions with a login or a command (``ssh_sessions``; laboratory sessions are left out);
those who did nothing are the rows of ``http_benign``, application rows of ``crs_benign``, a visit by every human's
User-Agent of ``ua_labelled``, and every command of ``shell_commands_benign``. ``malicious_recall`` is the share of
these attackers that is blocked. Both depend on the mixture: ``counts`` has it, ``false_per_10k`` has the benign side
by kind.

``classes``, each with ``recall``, ``precision`` and the counts behind them. Scan: rows of ``http_recon`` with any
finding. Brute force: sessions that tried a login and ran no command; and ``default_logins``, HTTP requests with
credentials of the maker. Exploit classes: rows of ``http_exploits`` (templates' own tags; kinds payload, action and
access apart) and of ``crs_attack`` (its categories), ``found`` if there is a finding graded attempt, right if a
finding is of the class; a row may be of several, and a template's tags seldom name all. Shell intrusion, miner,
downloader: real and laboratory sessions with commands, by silver labels; a class's precision is among these sessions,
so another label of the same session is an error here. ``crs_near_miss_per_10k``: requests that a single rule of CRS
must not find, though many are attacks for another.

``calibration_error`` (0 to 1, ten bins): :mod:`propolis.detection.evidence` folds the findings of each source, its
line fitted on every other source and measured on the rest; of sources with at least one finding, attackers and not.
``calibration_error_all`` also has those of whom nothing was found, held to be harmless. ``fitted`` is the line;
``reliability`` has (said, true, sources) by bin. ``calibration_error_shipped`` is with the line that the module has.
``time_to_right``: the event (login or command, from 1) of a session at which its class is first named; median and
95th percentile.

``must`` and ``must_not``: CrowdSec's samples with a scenario that must or must not trip, as far as a line is a
request or a failed login (others are counted in ``unread``). Lines are read by one grammar for all: a quoted request
line, or words of failure and of login, and an address; they come when they say, or a second apart. These are logs of
real servers, so the rule that knows any credential tried on a decoy as an attack is left out. ``must``: a finding
about a source of the sample; ``must_not``: none that the default policy blocks for, as CrowdSec's default answer to
an alert is a ban; ``must_not_found``: none at all. ``must_http`` and ``must_login`` are parts. (All samples that must
not trip are those of parsers, and no scenario is there to trip: some hold real attacks.)

``scan_recall`` and ``scan_false_per_10k`` are measured by ``bench.scan_quality``.

Usage: python -m bench.detection_quality [FOLDER]
"""

import contextlib
import json
import re
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from bench.corpus import corpus
from bench.exploit_naming import BATCH, BEGIN, Row, event, judged, material, message, per_10k
from bench.hive import report
from propolis.clock import MILLISECOND, SECOND
from propolis.config import Decisions
from propolis.detection import Engine, RuleSet, evidence, load
from propolis.detection.engine import Knowledge
from propolis.events import CommandRun, Connection, CredentialTried, Event, Interaction, pack, shard_of
from propolis.events.interaction import to_batch
from propolis.findings import GRADES, Finding
from propolis.flaws.index import Catalogue
from propolis.flaws.packs import BUILT_IN, Pack

ATTEMPT = GRADES.index("attempt")
DECOY_RULES = frozenset({"credential-tried"})
"""Rules that say something of decoys alone."""

MINER = frozenset({"crypto-miner"})
DOWNLOADER = frozenset({"download-and-run", "tool-download", "device-loader", "encoded-and-run"})
INTRUDED = frozenset(
    {"mirai-like", "malware-download", "cleanup-or-kill", "miner", "password-change", "ssh-key-persistence"}
)

CLASSES: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    # class: tags and categories of the material, kinds that findings call it
    "sqli": (frozenset({"sqli", "time-based-sqli"}), frozenset({"sqli"})),
    "xss": (frozenset({"xss"}), frozenset({"xss"})),
    "file-read": (frozenset({"lfi", "traversal", "rfi"}), frozenset({"traversal", "file-read"})),
    "code-execution": (
        frozenset({"rce", "php", "java", "generic-injection", "ssti", "jndi", "log4j", "deserialization"}),
        frozenset(
            {"command-injection", "code-injection", "template-injection", "deserialization", "webshell"}
        ),
    ),
    "ssrf": (frozenset({"ssrf"}), frozenset({"ssrf"})),
    "file-upload": (frozenset({"fileupload", "file-upload"}), frozenset({"file-upload", "webshell"})),
    "xxe": (frozenset({"xxe"}), frozenset({"xxe"})),
    "redirect": (frozenset({"redirect"}), frozenset({"open-redirect"})),
    "auth-bypass": (
        frozenset({"auth-bypass"}),
        frozenset({"authentication-bypass", "missing-authentication"}),
    ),
}

_REQUEST = re.compile(r'"([A-Z]{3,10}) ([^"\s]{1,4000})(?: HTTP/\d(?:\.\d)?)?"')
_QUOTED = re.compile(r'"([^"]{0,400})"')
_ADDRESS = re.compile(
    r"(?<![\w.])(?:::ffff:)?(\d{1,3}(?:\.\d{1,3}){3})(?![\w.])|(?<![\w:.])([0-9a-fA-F:]{3,39})(?![\w:.])"
)
_NEAR = re.compile(
    r"(?i)(?:client(?:_?ip)?|r(?:emote_?)?(?:ip|addr|host)|ip(?:-?address)?|from|by)[\"']?[ =:]{1,3}[\"'\[]{0,2}$"
)
_TIME = re.compile(
    r"(?P<iso>\d{4}[-/]\d\d[-/]\d\d[T ]+\d{1,2}:\d\d:\d\d)"
    r"|(?P<clf>\d\d/[A-Z][a-z]{2}/\d{4}[: ]\d\d:\d\d:\d\d)"
    r"|(?P<bsd>[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d)"
)
_FORMS = {"iso": "%Y-%m-%d %H:%M:%S", "clf": "%d/%b/%Y %H:%M:%S", "bsd": "%Y %b %d %H:%M:%S"}
_FAILED = re.compile(
    r"(?i)fail|invalid|incorrect|denied|bad password|wrong|not found|no such user|unknown user|refused|error"
)
_REFUSED = re.compile(r"(?i)failed|invalid|incorrect|denied|wrong")
_LOGIN = re.compile(r"(?i)log[- ]?(?:in|on)|auth|password|credential|sign[- _]?in|preauth|user")


class Judged(NamedTuple):
    """A source, what was found of it, and in which of its events (from 1) each finding came first."""

    findings: tuple[Finding, ...]
    events: tuple[int, ...]


def sessions(engine: Engine, given: Sequence[Sequence[Event]], port: int = 22) -> list[Judged]:
    """Each list of events judged as one source's session, an event a message, so that its place is known."""
    state, found = engine.fresh(), list[Judged]()
    for number, events in enumerate(given):
        source = pack(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}")
        begin = BEGIN + number * 200 * SECOND
        about, places = list[Finding](), list[int]()
        for place, one in enumerate(events, 1):
            row = _interaction(source, begin, begin + place * 100 * MILLISECOND, number, place, one, port)
            new, state = engine.step(to_batch([row]), state, 0, place)
            about += new
            places += [place] * len(new)
        found.append(Judged(tuple(about), tuple(places)))
    return found


def each(engine: Engine, events: Sequence[Event]) -> list[list[Finding]]:
    """Each event from a source of its own, in batches."""
    state, found = engine.fresh(), [list[Finding]() for _ in events]
    numbers = iter(range(len(events)))
    while chunk := list(islice(numbers, BATCH)):
        rows = [
            _interaction(
                _source(number), BEGIN, BEGIN + number * MILLISECOND // 16, number, 0, events[number], 22
            )
            for number in chunk
        ]
        new, state = engine.step(to_batch(rows), state, 0, 0)
        for one in new:
            parts = one.source.split(".")
            found[int(parts[1]) << 16 | int(parts[2]) << 8 | int(parts[3])].append(one)
    return found


def _source(number: int) -> bytes:
    return pack(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}")


def _interaction(  # noqa: PLR0917 - an event in its place
    source: bytes, opened: int, time: int, number: int, place: int, one: Event, port: int
) -> Interaction:
    connection = Connection(
        id=number.to_bytes(16, "big"),
        opened=opened,
        sensor="bench",
        lure="ssh",
        source_ip=source,
        source_port=40_000,
        target_ip=pack("192.0.2.10"),
        target_port=port,
        shard=shard_of(source),
        evidence_class="dialogue",
    )
    return Interaction(time, connection, place, one)


def rows_of(folder: Path, name: str) -> list[Row]:
    """A labelled file; one that is missing has no rows."""
    path = folder / f"{name}.jsonl"
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def is_blocked(findings: Sequence[Finding]) -> bool:
    """Whether the default policy blocks for one of these."""
    for finding in findings:
        for line in Decisions().policy:
            if (
                GRADES.index(finding.grade) >= GRADES.index(line.grade)
                and finding.confidence >= line.confidence
            ):
                if line.action == "block":
                    return True
                break
    return False


def events_of(session: Row) -> list[Event]:
    """What a decoy reports of a session: logins, then commands."""
    logins: list[Event] = [
        CredentialTried(str(user), str(secret), accepted=bool(accepted))
        for user, secret, accepted in session["logins"]
    ]
    return [*logins, *(CommandRun(command) for command in session["commands"] if command.strip())]


class Tally:
    """Recall and precision of one class, with the counts behind them."""

    def __init__(self, truth: Sequence[bool], said: Sequence[bool]) -> None:
        self.right = sum(one and other for one, other in zip(truth, said, strict=True))
        self.true, self.said = sum(truth), sum(said)

    def figures(self) -> dict[str, Any]:
        """As the report has them; None where there is nothing to divide."""
        return {
            "recall": round(self.right / self.true, 4) if self.true else None,
            "precision": round(self.right / self.said, 4) if self.said else None,
            "right": self.right,
            "rows": self.true,
            "said": self.said,
        }


def names(findings: Sequence[Finding], kinds: frozenset[str]) -> bool:
    """Whether a finding is of one of these kinds."""
    return any(finding.kind in kinds for finding in findings)


def exploit_classes(folder: Path, find: Callable[[Sequence[Row]], list[list[Finding]]]) -> dict[str, Any]:
    """Recall and precision by class, over exploits with tags and over CRS's attacks."""
    result: dict[str, Any] = {}
    tagged = [row for row in rows_of(folder, "http_exploits") if row["kind"] == "exploit"]
    crs = [row for row in rows_of(folder, "crs_attack") if row["kind"] == "exploit"]
    for origin, rows, labels in (
        ("", tagged, [set(row["tags"]) for row in tagged]),
        ("crs_", crs, [{row["category"]} for row in crs]),
    ):
        about = find(rows)
        known = {tag for tags, _ in CLASSES.values() for tag in tags}
        chosen = [number for number, tags in enumerate(labels) if tags & known]
        for name, (tags, kinds) in CLASSES.items():
            truth = [bool(labels[number] & tags) for number in chosen]
            if not any(truth):
                continue
            figures = Tally(truth, [names(about[number], kinds) for number in chosen]).figures()
            attempts = [
                _is_attempt(about[number]) for number, is_true in zip(chosen, truth, strict=True) if is_true
            ]
            result[origin + name] = {**figures, "found": round(sum(attempts) / len(attempts), 4)}
        for subkind in sorted({row.get("subkind", "") for row in rows} - {""}):
            share = [
                _is_attempt(one) for row, one in zip(rows, about, strict=True) if row["subkind"] == subkind
            ]
            result[f"exploit_{subkind}"] = {"found": round(sum(share) / len(share), 4), "rows": len(share)}
    return result


def _is_attempt(findings: Sequence[Finding]) -> bool:
    return any(GRADES.index(finding.grade) >= ATTEMPT for finding in findings)


def shell_classes(given: Sequence[Row], about: Sequence[Judged]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Recall and precision of what intruders do, and at which event it was first named."""
    classes: Mapping[str, tuple[Callable[[set[str]], bool], Callable[[Finding], bool]]] = {
        "shell_intrusion": (
            lambda labels: bool(labels & INTRUDED),
            lambda finding: finding.rule not in {"credential-tried", "password-guessing"},
        ),
        "miner": (lambda labels: "miner" in labels, lambda finding: finding.rule in MINER),
        "downloader": (
            lambda labels: bool(labels & {"malware-download", "mirai-like"}),
            lambda finding: finding.rule in DOWNLOADER,
        ),
    }
    ran = [(row, one) for row, one in zip(given, about, strict=True) if any(map(str.strip, row["commands"]))]
    figures, times = dict[str, Any](), dict[str, Any]()
    for name, (is_true, is_said) in classes.items():
        truth = [is_true(set(row["labels"])) for row, _ in ran]
        firsts = [
            min((place for finding, place in zip(*one, strict=True) if is_said(finding)), default=0)
            for _, one in ran
        ]
        figures[name] = Tally(truth, [first > 0 for first in firsts]).figures()
        times[name] = _times([first for first, true in zip(firsts, truth, strict=True) if first and true])
    return figures, times


def _times(events: Sequence[int]) -> dict[str, Any]:
    if not events:
        return {"median": None, "p95": None}
    return {
        "median": statistics.median(events),
        "p95": float(np.percentile(events, 95)),
        "sessions": len(events),
    }


def calibration(sources: Sequence[tuple[bool, Sequence[Finding]]]) -> dict[str, Any]:
    """How well the evidence folded says what it means; of sources with a finding."""
    found = [(harmful, findings) for harmful, findings in sources if findings]
    columns = evidence.fresh(len(found))
    pieces = [
        (slot, evidence.group_of(one.technique, one.grade), evidence.weight_of(one.confidence))
        for slot, (_, findings) in enumerate(found)
        for one in findings
    ]
    slots, groups, weights = (np.array(part) for part in zip(*pieces, strict=True))
    count = len(pieces)
    evidence.add(columns, slots, groups, weights, np.zeros(count, np.int32), np.full(count, BEGIN, np.int64))
    sums = evidence.weights(columns, BEGIN).sum(axis=1)
    harmful = np.array([one for one, _ in found])
    fitting = np.arange(len(found)) % 2 == 0
    slope, shift = evidence.platt(sums[fitting], harmful[fitting])
    rest = ~fitting
    said = 1.0 / (1.0 + np.exp(-(slope * sums[rest] + shift)))
    shipped = evidence.probabilities(columns, BEGIN)[rest]
    silent = np.array([harmful for harmful, findings in sources if not findings][1::2], np.bool_)
    everybody = np.concatenate([said, np.zeros(len(silent))]), np.concatenate([harmful[rest], silent])
    places = np.minimum((said * 10).astype(int), 9)
    bins = [
        [
            round(float(said[chosen].mean()), 3),
            round(float(harmful[rest][chosen].mean()), 3),
            int(chosen.sum()),
        ]
        for place in range(10)
        if (chosen := places == place).any()
    ]
    return {
        "calibration_error": round(evidence.calibration_error(said, harmful[rest]), 4),
        "calibration_error_all": round(evidence.calibration_error(*everybody), 4),
        "calibration_error_shipped": round(evidence.calibration_error(shipped, harmful[rest]), 4),
        "fitted": [round(slope, 2), round(shift, 2)],
        "reliability": bins,
    }


class Line(NamedTuple):
    """What a line of a log says: who, ``http`` or ``login``, the event, and when (seconds; None: it does not say)."""

    source: bytes
    kind: str
    event: Event
    second: float | None


def read_line(line: str) -> Line | None:
    """A line of any log by one grammar; None for what is neither a request nor a failed login."""
    source = _who(line)
    request = _REQUEST.search(line)
    if source is None:
        return None
    said = _QUOTED.sub("", line)
    if request is not None and not (_REFUSED.search(said) and _LOGIN.search(said)):
        quoted = [text for text in _QUOTED.findall(line[request.end() :]) if not text.startswith("http")]
        agent = max(quoted, key=len, default="-")
        headers = [["Host", "192.0.2.10"], *([["User-Agent", agent]] if agent != "-" else [])]
        row = {"method": request[1], "path": request[2], "headers": headers, "body": ""}
        return Line(source, "http", event(message(row, bare=False), None), _when(line))
    if _FAILED.search(line) and _LOGIN.search(line):
        return Line(source, "login", CredentialTried("", ""), _when(line))
    return None


def _who(line: str) -> bytes | None:
    """The address that a word such as client or from stands before, or the first."""
    found = list[tuple[bool, bytes]]()
    for match in _ADDRESS.finditer(line):
        text = match[1] or match[2]
        if match[1] or "::" in text or text.count(":") == 7:
            with contextlib.suppress(ValueError):
                found.append((_NEAR.search(line[: match.start()]) is not None, pack(text)))
    named = [source for is_named, source in found if is_named]
    return named[0] if named else found[0][1] if found else None


def _when(line: str) -> float | None:
    match = _TIME.search(line)
    if match is None or match.lastgroup is None:
        return None
    text = re.sub(r"[T ]+", " ", match[0].replace("/", "-") if match.lastgroup == "iso" else match[0])
    text = text.replace(":", " ", 1) if match.lastgroup == "clf" and text[11] == ":" else text
    text = f"2024 {text}" if match.lastgroup == "bsd" else text
    with contextlib.suppress(ValueError):
        return datetime.strptime(text, _FORMS[match.lastgroup]).replace(tzinfo=UTC).timestamp()
    return None


def samples(folder: Path, rules: RuleSet, catalogue: Catalogue) -> dict[str, Any]:
    """CrowdSec's samples, by the engine as it judges the logs of real servers."""
    engine = Engine(
        RuleSet(tuple(rule for rule in rules.rules if rule.id not in DECOY_RULES)), max_sources=4_096
    )
    engine.know(Knowledge(catalogue))
    right: dict[tuple[bool, str], list[bool]] = {}
    silent: list[bool] = []
    unread, missed = Counter[bool](), list[str]()
    for sample in rows_of(folder, "crowdsec_log_tests"):
        lines = [read for line in sample["lines"] if (read := read_line(line))]
        wanted = bool(sample["alerts_expected"])
        if not lines:
            unread[wanted] += 1
            continue
        kind = Counter(line.kind for line in lines).most_common(1)[0][0]
        found = _found(engine, lines)
        is_right = bool(found) if wanted else not is_blocked(found)
        silent += [] if wanted else [not found]
        right.setdefault((wanted, kind), []).append(is_right)
        if not is_right:
            missed.append(f"{'must' if wanted else 'must_not'} {sample['test']}")

    def share(wanted: bool, *kinds: str) -> float | None:  # noqa: FBT001 - the label of the sample
        said = [one for kind in kinds for one in right.get((wanted, kind), [])]
        return round(sum(said) / len(said), 4) if said else None

    return {
        "must": share(True, "http", "login"),  # noqa: FBT003 - the same
        "must_not": share(False, "http", "login"),  # noqa: FBT003 - the same
        "must_not_found": round(sum(silent) / len(silent), 4) if silent else None,
        "must_http": share(True, "http"),  # noqa: FBT003 - the same
        "must_login": share(True, "login"),  # noqa: FBT003 - the same
        "samples": {
            f"{'must' if wanted else 'must_not'}_{kind}": len(said) for (wanted, kind), said in right.items()
        },
        "unread": unread.total(),
        "missed": missed,
    }


def _found(engine: Engine, lines: Sequence[Line]) -> list[Finding]:
    state, time, last = engine.fresh(), BEGIN, None
    about = list[Finding]()
    for place, line in enumerate(lines):
        gap = 1.0 if line.second is None or last is None else max(0.0, min(line.second - last, 86_400.0))
        time, last = time + int(gap * SECOND) + MILLISECOND, line.second
        port = 80 if line.kind == "http" else 22
        batch = to_batch([_interaction(line.source, time, time, place, 0, line.event, port)])
        flaws = batch.schema.get_field_index("flaws")
        batch = batch.set_column(flaws, batch.schema.field(flaws), pa.nulls(1, pa.string()))
        found, state = engine.step(batch, state, 0, place)
        about += found
    return about


def main() -> None:
    """Measure and report."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else corpus("http_exploits.jsonl").parent
    rules, catalogue = load(), Catalogue(tuple(Pack(BUILT_IN).look().changed.values()))
    engine = Engine(rules, max_sources=131_072)
    engine.know(Knowledge(catalogue))

    def find(rows: Sequence[Row], sensor: Catalogue | None = catalogue) -> list[list[Finding]]:
        return judged(engine, sensor, [message(row, bare=False) for row in rows])

    shell = rows_of(folder, "ssh_sessions")
    heard = sessions(engine, [events_of(row) for row in shell])
    hits = rows_of(folder, "honeypot_http")
    caught = find(hits)
    innocent = material(folder).benign
    accused = find([row for _, row in innocent], None)
    commands = rows_of(folder, "shell_commands_benign")
    accused += each(engine, [CommandRun(row["command"]) for row in commands])
    kinds = [kind for kind, _ in innocent] + [f"command-{row['source']}" for row in commands]
    attackers = [
        list(one.findings) for row, one in zip(shell, heard, strict=True) if not row["lab"] and events_of(row)
    ]
    attackers += caught
    blocked, falsely = sum(map(is_blocked, attackers)), list(map(is_blocked, accused))
    wrong = Counter(kind for kind, is_wrong in zip(kinds, falsely, strict=True) if is_wrong)
    of = Counter(kinds)
    named, times = shell_classes(shell, heard)
    near = [row for row in rows_of(folder, "crs_benign") if row["kind"] == "near-miss"]
    sources = [(True, one) for one in attackers] + [(False, one) for one in accused]
    report(
        malicious_precision=round(blocked / (blocked + sum(falsely)), 4) if blocked else None,
        malicious_recall=round(blocked / len(attackers), 4) if attackers else None,
        scan_recall=None,
        scan_false_per_10k=None,
        **calibration(sources),
        **samples(folder, rules, catalogue),
        false_per_10k={kind: per_10k(wrong[kind], of[kind]) for kind in sorted(of)},
        false_per_10k_all=per_10k(sum(falsely), len(falsely)),
        crs_near_miss_per_10k=per_10k(sum(map(is_blocked, find(near, None))), len(near)),
        accusing=dict(
            Counter(one.rule for about in accused if is_blocked(about) for one in about).most_common(8)
        ),
        classes={
            "scan": _share([bool(one) for one in find(rows_of(folder, "http_recon"))]),
            "brute_force": _share(
                [
                    is_blocked(one.findings)
                    for row, one in zip(shell, heard, strict=True)
                    if row["logins"] and not row["commands"]
                ]
            ),
            "default_logins": _share(
                [_is_attempt(one) for one in find(rows_of(folder, "http_default_logins"))]
            ),
            "honeypot_exploits": _share(
                [_is_attempt(one) for row, one in zip(hits, caught, strict=True) if row["kind"] == "exploit"]
            ),
            **named,
            **exploit_classes(folder, find),
        },
        time_to_right=times,
        counts={
            "attackers": len(attackers),
            "blocked": blocked,
            "innocent": len(accused),
            "accused": sum(falsely),
        },
    )


def _share(found: Sequence[bool]) -> dict[str, Any]:
    return {"recall": round(sum(found) / len(found), 4) if found else None, "rows": len(found)}


if __name__ == "__main__":
    main()
