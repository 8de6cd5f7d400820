"""YARA rules over what attackers send: bodies of requests, payloads of no protocol, broken messages.

The rules are YARA-X's (https://virustotal.github.io/yara-x/), read from a folder that is looked at while we run;
without one the library is never loaded. What is scanned is data: bounded, never written to a file, never run.

A rule says by its metadata what its match means: ``grade`` (default attempt), ``confidence`` (80), ``severity`` (high),
``technique`` (T1105), ``cve`` and ``description``, which names the finding.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from propolis.detection.claim import Claim
from propolis.errors import RuleError
from propolis.findings import GRADES, SEVERITIES
from propolis.notes import LimitHit, YaraLive, YaraRefused, tell

if TYPE_CHECKING:
    import yara_x

MIN_BYTES = 16
"""A shorter text is no file."""
MAX_BYTES = 65_536
"""How much of a text is scanned: 1.5 ms with a few rules, a tenth of it for most texts."""
TIMEOUT_SECONDS = 1
"""After it a scan gives up, and that is told."""
MAX_FILES = 512
MAX_FILE_BYTES = 1_048_576
MAX_MATCHES = 4
"""Rules that are told of one text; those of highest grade and confidence."""
LOOK_SECONDS = 2.0
"""How often the folder is looked at."""

_TECHNIQUE = re.compile(r"T\d{4}(?:\.\d{3})?")
_CVE = re.compile(r"CVE-\d{4}-\d{4,7}")


class Scans(Protocol):
    """Something that knows files by what is in them."""

    def scan(self, text: bytes) -> tuple[Claim, ...]:
        """What is held against a text, gravest first."""
        ...


class Files:
    """The compiled rules of a folder, for the thread that makes this. :meth:`scan` never raises."""

    def __init__(self, rules: "yara_x.Rules") -> None:
        import yara_x  # noqa: PLC0415 - 20 MB that only an installation with YARA rules pays

        self._scanner = yara_x.Scanner(rules)
        self._scanner.set_timeout(TIMEOUT_SECONDS)
        self._scanner.max_matches_per_pattern(1)
        self._faults = (yara_x.ScanError, yara_x.TimeoutError)

    def scan(self, text: bytes) -> tuple[Claim, ...]:
        """The rules that match the first :data:`MAX_BYTES` of a text, as claims, at most :data:`MAX_MATCHES`."""
        if len(text) < MIN_BYTES:
            return ()
        try:
            results = self._scanner.scan(text[:MAX_BYTES])
        except self._faults as error:
            tell(LimitHit(stage="detect", limit="TIMEOUT_SECONDS", cost=f"one text not scanned: {error}"))
            return ()
        claims = [claim_of_match(rule.identifier, dict(rule.metadata)) for rule in results.matching_rules]
        claims.sort(key=lambda claim: (-GRADES.index(claim.grade), -claim.confidence, claim.name))
        return tuple(claims[:MAX_MATCHES])


def claim_of_match(identifier: str, meta: Mapping[str, Any]) -> Claim:
    """What a YARA rule says of who sent what it matches; metadata that cannot be used counts as not there."""
    grade, severity = meta.get("grade"), meta.get("severity")
    confidence, technique = meta.get("confidence"), str(meta.get("technique", ""))
    description = str(meta.get("description", ""))[:120]
    return Claim(
        name=f"yara:{identifier}",
        title=description if description.isprintable() and description else f"A file that {identifier} knows",
        grade=grade if grade in GRADES else "attempt",
        severity=severity if severity in SEVERITIES else "high",
        confidence=confidence if type(confidence) is int and 0 <= confidence <= 100 else 80,
        technique=technique if _TECHNIQUE.fullmatch(technique) else "T1105",
        cve=tuple(dict.fromkeys(_CVE.findall(str(meta.get("cve", ""))))),
        kind="file",
    )


class Folder:
    """The YARA files (``*.yar``, ``*.yara``) of a folder, and what of them is good.

    A file that cannot be compiled is told with file and line; what it said before stays, and so do all others.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: dict[Path, tuple[int, int]] = {}
        self._good: dict[Path, str] = {}

    def look(self) -> "yara_x.Rules | None":
        """The rules, if anything has changed since the last look; None if nothing has. May run in another thread.

        Raises :class:`~propolis.errors.RuleError` for a folder that is not there.
        """
        if not self.path.is_dir():
            raise RuleError(self.path, "detection.yara", "is not a folder; name one that holds *.yar rules")
        found = sorted(path for path in self.path.iterdir() if path.suffix in {".yar", ".yara"})[:MAX_FILES]
        seen = {path: stamp for path in found if (stamp := _stamp(path))}
        if seen == self._seen:
            return None
        changed = [path for path, stamp in seen.items() if self._seen.get(path) != stamp]
        self._good = {path: text for path, text in self._good.items() if path in seen}
        self._seen = seen
        for path in changed:
            self._read(path)
        return self._compiled()

    def _read(self, path: Path) -> None:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            tell(YaraRefused(file=str(path), line=0, why=str(error.strerror)))
            return
        if len(text) > MAX_FILE_BYTES:
            tell(YaraRefused(file=str(path), line=0, why=f"is longer than {MAX_FILE_BYTES} bytes"))
            return
        fault = fault_of(text, path)
        if fault:
            tell(fault)
        else:
            self._good[path] = text

    def _compiled(self) -> "yara_x.Rules":
        compiler = _compiler()
        for path, text in self._good.items():
            compiler.new_namespace(path.name)
            compiler.add_source(text, origin=str(path))
        rules = compiler.build()
        tell(YaraLive(folder=str(self.path), files=len(self._good), rules=sum(1 for _ in rules)))
        return rules

    async def follow(self, on_change: Callable[[Files], None]) -> None:
        """Look every :data:`LOOK_SECONDS`, until cancelled; a folder that goes away leaves what was there."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                rules = await asyncio.to_thread(self.look)
            except RuleError:
                continue
            if rules is not None:
                on_change(Files(rules))


def fault_of(text: str, path: Path) -> YaraRefused | None:
    """Why a file's text is no good, with the line of its first mistake; None if it is."""
    import yara_x  # noqa: PLC0415 - 20 MB that only an installation with YARA rules pays

    compiler = _compiler()
    try:
        compiler.add_source(text, origin=str(path))
    except yara_x.CompileError as error:
        first: dict[str, Any] = next(iter(compiler.errors()), {})
        line, title = first.get("line"), first.get("title")
        return YaraRefused(
            file=str(path), line=line if isinstance(line, int) else 0, why=str(title or error).splitlines()[0]
        )
    return None


def _compiler() -> "yara_x.Compiler":
    import yara_x  # noqa: PLC0415 - 20 MB that only an installation with YARA rules pays

    compiler = yara_x.Compiler()
    compiler.enable_includes(False)  # noqa: FBT003 - the library's own signature; a rule file reads no other file
    return compiler


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size
