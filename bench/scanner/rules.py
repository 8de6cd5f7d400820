"""Rules that say only what a request looks like, held against requests of the flaws that they are about.

Method. A folder of CrowdSec's rules is imported, and every request of the corpus whose CVE a rule names is given to the
catalogue of all imported lures. A request is *recognised* if the lure of one of those rules is among what it goes for.
Rules whose CVE no request of the corpus has say nothing here.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from bench.corpus import corpus
from bench.exploit_naming import message
from propolis.flaws.index import Catalogue
from propolis.flaws.request import Request
from propolis.flaws.scanners import import_folder
from propolis.flaws.session import Session


class Recognised(msgspec.Struct, frozen=True, kw_only=True):
    """How many files, lures and refusals by reason; of how many CVEs and rows, and how many rows were recognised."""

    rules: int
    imported: int
    by_reason: dict[str, int]
    cves: int
    rows: int
    recognised: int
    share_recognised: float
    share_of_exploits: float
    """Of the rows that exploit; the others look whether the product is there, which most rules do not ask for."""
    missed: dict[str, int]
    """Rows that no lure of their CVE recognises, by CVE."""


def recognise_rules(folder: Path) -> Recognised:
    """The figures of a folder of rules. Raises SystemExit where the corpus is absent."""
    imported = import_folder(folder)
    by_cve: dict[str, set[str]] = defaultdict(set)
    for flaw in imported.flaws:
        for cve in flaw.cve:
            by_cve[cve].add(flaw.id)
    catalogue = Catalogue(imported.flaws)
    seen: set[str] = set()
    missed: dict[str, int] = defaultdict(int)
    exploits: list[bool] = []
    rows = 0
    for row in _rows():
        wanted = {name for cve in row["cve"] for name in by_cve.get(cve, ())}
        if not wanted:
            continue
        rows += 1
        seen.update(cve for cve in row["cve"] if cve in by_cve)
        found = catalogue.matches(Request.parse(message(row, bare=False)), Session())
        is_recognised = not wanted.isdisjoint(match.flaw.id for match in found)
        if not is_recognised:
            missed[row["cve"][0]] += 1
        if row["kind"] == "exploit":
            exploits.append(is_recognised)
    recognised = rows - sum(missed.values())
    return Recognised(
        rules=imported.templates,
        imported=len(imported.flaws),
        by_reason={reason: len(names) for reason, names in imported.report.items()},
        cves=len(seen),
        rows=rows,
        recognised=recognised,
        share_recognised=round(recognised / max(rows, 1), 4),
        share_of_exploits=round(sum(exploits) / max(len(exploits), 1), 4),
        missed=dict(missed),
    )


def _rows() -> Iterator[dict[str, Any]]:
    for line in corpus("http_exploits.jsonl").read_text(encoding="utf-8").splitlines():
        yield json.loads(line)
