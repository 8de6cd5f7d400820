"""``why``: what is held of an address, which findings make it so, and how much each of them still weighs."""

from typing import Annotated

import msgspec
import numpy as np
from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from propolis import findings
from propolis.cli.context import DEFAULT_CONFIG, ConfigPath, out, with_stream
from propolis.clock import Clock, SystemClock
from propolis.config import Config
from propolis.detection import evidence
from propolis.detection.evidence import Explanation
from propolis.detection.proof import WEIGHTS, Dns, Proof, Prover
from propolis.errors import CodecError, PropolisError
from propolis.events import pack, shard_of, unpack
from propolis.findings import Finding
from propolis.stream import Stream, subjects

MAX_FINDINGS = 10_000
"""Of one source; of more the oldest are left out."""


class Held(msgspec.Struct, frozen=True):
    """What is held of a source: why, by how many findings, and who it is, if that is proved."""

    source: str
    explanation: Explanation
    findings: int
    proof: Proof | None


def why(
    address: str,
    /,
    *,
    prove: Annotated[bool, Parameter(negative=())] = False,
    json: Annotated[bool, Parameter(name="--json", negative=())] = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """What is held of an address, and why.

    Parameters
    ----------
    address
        IPv4 or IPv6
    prove
        ask the DNS whether it is a search engine's or a known researcher's
    json
        print JSON
    config
        the settings file

    """
    try:
        source = pack(address)
    except ValueError as error:
        raise PropolisError(f"{address}: is not an address") from error
    clock = SystemClock()

    async def look(settings: Config, stream: Stream) -> Held:
        about = await _about(settings, stream, source)
        proof = await Prover(Dns(), clock).prove(unpack(source)) if prove else None
        return held(unpack(source), about, proof, clock)

    found = with_stream(config, look)
    if json:
        out.print_json(msgspec.json.encode(found).decode())
    else:
        _print(found)


def held(source: str, about: list[Finding], proof: Proof | None, clock: Clock) -> Held:
    """The findings about one source, and who it is, folded into one explanation as of now."""
    names = [*dict.fromkeys(finding.rule for finding in about), *([proof.by] if proof else [])]
    rows = [
        (
            evidence.group_of(one.technique, one.grade),
            evidence.weight_of(one.confidence),
            names.index(one.rule),
            one.last_seen,
        )
        for one in about
    ]
    if proof:
        rows.append((evidence.PROVED, WEIGHTS[proof.kind], len(names) - 1, clock.now()))
    columns = evidence.fresh(1)
    if rows:
        groups, weights, rules, times = (np.array(part) for part in zip(*rows, strict=True))
        slots = np.zeros(len(rows), np.int64)
        evidence.add(columns, slots, groups, weights.astype(np.float64), rules.astype(np.int32), times)
    return Held(source, evidence.explain(columns, 0, names, clock.now()), len(about), proof)


async def _about(config: Config, stream: Stream, source: bytes) -> list[Finding]:
    """The findings about a source that the stream still has, oldest first."""
    lane, text = subjects.lane_of(shard_of(source), config.stream.lanes), unpack(source)
    about: list[Finding] = []
    async for stored in stream.history(subjects.FINDINGS, subject=subjects.findings(lane)):
        try:
            about += [finding for finding in findings.decode(stored.data) if finding.source == text]
        except CodecError:
            continue
    return about[-MAX_FINDINGS:]


def _print(found: Held) -> None:
    if not found.findings:
        out.print(
            f"{found.source}: nothing was found about it, as far as the stream goes back.", highlight=False
        )
        return
    out.print(
        f"{found.source}: means harm with {found.explanation.probability:.1%}, by {found.findings} findings.",
        highlight=False,
    )
    table = Table("group", "by", "weighs (nats)")
    for part in found.explanation.parts:
        table.add_row(part.group, Text(part.rule), f"{part.weight:+.2f}")
    out.print(table)
    if found.proof:
        out.print(Text(f"It is {found.proof.operator} ({found.proof.kind}), proved by {found.proof.by}."))
