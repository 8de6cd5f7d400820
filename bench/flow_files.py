"""Other programs' records of flows: Zeek's ``conn.log`` (JSON and TSV), Argus' ``binetflow``, captures.

A capture is read by ``tshark``, packet by packet; a flow is all packets between two ports of two addresses, begun by
the first, and its outcome is that of its handshake.
"""

import csv
import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from propolis.clock import SECOND
from propolis.events import pack, shard_of
from propolis.events.flow import Flow, Outcome

PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "ipv6-icmp": 58, "icmp6": 58, "igmp": 2}
_ZEEK: dict[str, Outcome] = {
    "S0": "no answer",
    "REJ": "refused",
    "RSTOS0": "no answer",
    "S1": "established",
    "S2": "established",
    "S3": "established",
    "SF": "established",
    "RSTO": "established",
    "RSTR": "established",
}
_FIELDS = ("frame.time_epoch", "ip.src", "ipv6.src", "ip.dst", "ipv6.dst", "tcp.srcport", "udp.srcport",
           "tcp.dstport", "udp.dstport", "tcp.flags", "tcp.len", "icmp.type")  # fmt: skip
_SYN, _RST, _ACK = 0x02, 0x04, 0x10


def zeek(path: Path) -> Iterator[Flow]:
    """The connections of a ``conn.log``; lines that are not whole are passed over."""
    names: list[str] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("#"):
            names = line.split("\t")[1:] if line.startswith("#fields") else names
            continue
        row: dict[str, Any] = (
            json.loads(line) if line.startswith("{") else dict(zip(names, line.split("\t"), strict=False))
        )
        row = {name: value for name, value in row.items() if value != "-"}
        if not {"ts", "id.orig_h", "id.resp_h", "proto"} <= set(row):
            continue
        said = int(row.get("orig_bytes", 0)) + int(row.get("resp_bytes", 0))
        outcome = _ZEEK.get(str(row.get("conn_state")), "unknown")
        if row.get("conn_state") in {"RSTO", "RSTR"} and not said:
            outcome = "reset"
        begin = int(float(row["ts"]) * SECOND)
        yield flow(
            begin,
            begin + int(float(row.get("duration", 0)) * SECOND),
            (row["id.orig_h"], int(row.get("id.orig_p", 0))),
            (row["id.resp_h"], int(row.get("id.resp_p", 0))),
            str(row["proto"]),
            outcome,
        )


def argus(path: Path) -> Iterator[Flow]:
    """The flows of a ``binetflow`` file."""
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        for row in csv.DictReader(file):
            begin = datetime.strptime(row["StartTime"], "%Y/%m/%d %H:%M:%S.%f").replace(tzinfo=UTC)
            when = int(begin.timestamp() * SECOND)
            source, target = (row["SrcAddr"], _port(row["Sport"])), (row["DstAddr"], _port(row["Dport"]))
            outcome = _argus(row["Proto"], row["State"])
            yield flow(when, when + int(float(row["Dur"]) * SECOND), source, target, row["Proto"], outcome)


def _port(text: str) -> int:
    return int(text, 0) & 0xFFFF if text.strip() else 0


def _argus(protocol: str, state: str) -> Outcome:
    """Argus writes the flags that either side has sent."""
    ours, _, theirs = state.partition("_")
    if protocol != "tcp":
        return {"CON": "established", "INT": "no answer"}.get(state, "unknown")  # type: ignore[return-value]
    if "S" in ours and not theirs:
        return "no answer" if not {"P", "A"} & set(ours) else "unknown"
    if "R" in theirs and "S" not in theirs and "P" not in theirs:
        return "refused"
    if "S" in ours and "S" in theirs and not {"P", "F"} & set(ours + theirs) and "R" in ours:
        return "reset"
    return "established" if {"P", "F"} & set(ours) and {"P", "F"} & set(theirs) else "unknown"


def capture(path: Path) -> Iterator[Flow]:
    """The flows of a capture, in the order of their first packets. Needs ``tshark``."""
    command = ["tshark", "-r", str(path), "-T", "fields", "-E", "occurrence=f", "-E", "separator=/t"]
    for name in _FIELDS:
        command += ["-e", name]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    open_flows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in listed.splitlines():
        cells = dict(zip(_FIELDS, line.split("\t"), strict=False))
        source, target = cells["ip.src"] or cells["ipv6.src"], cells["ip.dst"] or cells["ipv6.dst"]
        protocol = "tcp" if cells["tcp.srcport"] else "udp" if cells["udp.srcport"] else ""
        if not source or not protocol or cells.get("icmp.type"):
            continue
        ends = (source, int(cells[f"{protocol}.srcport"])), (target, int(cells[f"{protocol}.dstport"]))
        key = (protocol, *sorted(ends))
        own = open_flows.setdefault(
            key, {"ends": ends, "begin": cells["frame.time_epoch"], "said": 0, "flags": [0, 0]}
        )
        back = own["ends"] != ends
        own["flags"][back] |= int(cells["tcp.flags"] or "0x100", 16)
        own["said"] += int(cells["tcp.len"] or 0)
        own["end"] = cells["frame.time_epoch"]
    for (protocol, *_), own in open_flows.items():
        begin, end = (int(float(own[name]) * SECOND) for name in ("begin", "end"))
        (source, target), (ours, theirs) = own["ends"], own["flags"]
        yield flow(begin, end, source, target, protocol, _handshake(protocol, ours, theirs, own["said"]))


def _handshake(protocol: str, ours: int, theirs: int, said: int) -> Outcome:
    if protocol == "udp":
        return "established" if theirs else "no answer"
    if not ours & _SYN:
        return "unknown"
    if not theirs:
        return "no answer"
    if theirs & _RST and not theirs & _SYN:
        return "refused"
    return "reset" if ours & _RST and not said else "established"


def flow(  # noqa: PLR0917 - a flow has two ends, two times and an outcome
    begin: int, end: int, source: tuple[str, int], target: tuple[str, int], protocol: str, outcome: Outcome
) -> Flow:
    """A flow as an observer between them writes it; how much was said is not known here."""
    packed = pack(source[0])
    return Flow(
        bytes(16),
        begin,
        end,
        "file",
        shard_of(packed),
        packed,
        source[1],
        pack(target[0]),
        target[1],
        PROTOCOLS.get(protocol, 0),
        1,
        0,
        int(outcome != "no answer"),
        0,
        outcome,
        "handshake" if outcome == "established" else "spoofable",
    )
