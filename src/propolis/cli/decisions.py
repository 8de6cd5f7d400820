"""``decisions`` and ``defence``: what is held against whom and why, and the switch."""

import contextlib
from typing import Annotated, Any, Literal

import msgspec
import uvloop
from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from propolis import findings
from propolis.cli.context import DEFAULT_CONFIG, ConfigPath, ask, configured, connected, out, who, with_stream
from propolis.clock import SECOND, SystemClock, rfc3339
from propolis.config import Config
from propolis.decisions import (
    Acknowledgement,
    Decided,
    Decision,
    Entry,
    Extended,
    Refused,
    Revoked,
    about,
    commands,
    decode_acknowledgement,
    fold,
    target_of,
)
from propolis.decisions.stage import read_ledger
from propolis.errors import CodecError, PropolisError
from propolis.events import pack, shard_of
from propolis.findings import Finding
from propolis.hunting.evidence import event_of
from propolis.stream import Stream, subjects

HEX_BYTES = 512
"""Bytes of one event that ``why`` prints; --bytes changes it."""

Reason = Annotated[str, Parameter(help="Why: goes into the ledger.")]
AsJson = Annotated[bool, Parameter(name="--json", help="Print JSON.")]


def show(
    *,
    state: Annotated[Literal["held", "active", "shadow", "refused"], Parameter(help="Which ones.")] = "held",
    json: AsJson = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """List decisions in force, what shadow mode would have done, or what guards refused."""
    entries = with_stream(config, _entries)
    present = fold(entries)
    if state == "refused":
        _show_refused([entry for entry in entries if isinstance(entry, Refused)], json=json)
        return
    held = [decision for decision in present.held.values() if state in ("held", decision.state)]
    if json:
        out.print_json(msgspec.json.encode({"mode": present.mode, "decisions": held}).decode())
        return
    table = Table(title=f"mode: {present.mode}")
    for name in ("target", "id"):
        table.add_column(name, no_wrap=True, overflow="fold")  # what one copies into a command is never cut
    for name in ("action", "state", "until", "rule and reason"):
        table.add_column(name)
    now = SystemClock().now()
    for decision in held:
        left = (decision.until - now) / SECOND
        table.add_row(
            decision.target.value,
            decision.id,
            decision.action,
            decision.state,
            f"{left:.0f} s",
            Text(decision.reason),
        )
    out.print(table)
    if present.mode == "shadow":
        out.print("Shadow mode: nothing above marked shadow is carried out. `propolis defence arm` arms.")


def add(
    target: str,
    /,
    *,
    reason: Reason,
    ttl: Annotated[float, Parameter(help="Seconds.")] = 600.0,
    action: Literal["monitor", "count", "rate-limit", "challenge", "block"] = "block",
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Act against an address or prefix, in shadow mode too. Guards that protect the trusted still hold."""
    command = commands.Add(target=target, ttl_seconds=ttl, reason=reason, by=who(), action=action)
    _tell(_command(config, command))


def revoke(what: str, /, *, reason: Reason, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Lift a decision, by its id or its target; every enforcer lets go within a second."""
    _tell(_command(config, commands.Revoke(what=what, reason=reason, by=who())))


def arm(*, reason: Reason = "armed from the command line", config: ConfigPath = DEFAULT_CONFIG) -> None:
    """From now on decisions are carried out. What shadow mode wrote down is not carried out afterwards."""
    _command(config, commands.Arm(by=who(), reason=reason))
    out.print("Armed.")


def stand_down(
    *, reason: Reason = "stood down from the command line", config: ConfigPath = DEFAULT_CONFIG
) -> None:
    """Lift everything that is in force, and only write down from now on."""
    answer = _command(config, commands.StandDown(by=who(), reason=reason))
    lifted = sum(isinstance(entry, Revoked) for entry in answer.entries) + answer.omitted
    out.print(f"Stood down; {lifted} decisions lifted.")


def why(
    id: str,  # noqa: A002 - the word an operator types
    /,
    *,
    bytes_shown: Annotated[int, Parameter(name="--bytes", help="Bytes of each event.")] = HEX_BYTES,
    json: AsJson = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """The whole chain of one decision: acknowledgements, ledger, finding, events, down to the bytes.

    The id may be a decision's, or the target it is about.
    """
    settings = configured(config)

    async def look() -> dict[str, Any]:
        async with connected(settings) as stream:
            return await chain(stream, id)

    links = uvloop.run(look())
    if json:
        out.print_json(msgspec.json.encode(links).decode())
        return
    _print_chain(links, bytes_shown)


async def chain(stream: Stream, wanted: str) -> dict[str, Any]:
    """Everything about a decision: ``decision``, ``entries``, ``finding``, ``events``, ``acknowledgements``.

    Raises :class:`PropolisError` when the ledger knows none.
    """
    entries = await _entries_of(stream)
    decision = _find(entries, wanted)
    if decision is None:
        raise PropolisError(f"the ledger knows no decision {wanted!r}; see `propolis decisions list`")
    finding = await finding_of(stream, decision)
    events = [] if finding is None else [await event_of(stream, evidence) for evidence in finding.evidence]
    return {
        "decision": decision,
        "entries": list(about(entries, decision.id)),
        "finding": finding,
        "events": [event for event in events if event is not None],
        "acknowledgements": await acknowledgements_of(stream, decision.id),
    }


async def finding_of(stream: Stream, decision: Decision) -> Finding | None:
    """The finding that caused a decision; None for an operator's own."""
    if decision.by != "policy":
        return None
    lane = shard_of(pack(decision.target.value)) if decision.target.kind == "address" else None
    async for stored in stream.history(subjects.FINDINGS):
        with contextlib.suppress(CodecError):
            for finding in findings.decode(stored.data):
                if finding.id == decision.finding and lane in (None, finding.shard):
                    return finding
    return None


async def acknowledgements_of(stream: Stream, decision: str) -> list[Acknowledgement]:
    """What enforcers read back about a decision."""
    found = []
    async for stored in stream.history(subjects.CLOCK):
        with contextlib.suppress(CodecError):
            acknowledgement = decode_acknowledgement(stored.data)
            if acknowledgement.decision == decision:
                found.append(acknowledgement)
    return found


def _find(entries: list[Entry], wanted: str) -> Decision | None:
    """The newest revision of the decision with this id, or of the newest one about this target."""
    try:
        target = target_of(wanted)
    except ValueError:
        target = None
    found = None
    for entry in entries:
        if isinstance(entry, Decided | Extended) and (
            entry.decision.id == wanted or entry.decision.target == target
        ):
            found = entry.decision
    return found


async def _entries(_config: Config, stream: Stream) -> list[Entry]:
    return await _entries_of(stream)


async def _entries_of(stream: Stream) -> list[Entry]:
    return [entry async for entry in read_ledger(stream)]


def _command(config: Any, command: commands.Command) -> commands.Answer:
    async def job(_settings: Config, stream: Stream) -> commands.Answer:
        return await ask(stream, command)

    return with_stream(config, job)


def _tell(answer: commands.Answer) -> None:
    for entry in answer.entries:
        match entry:
            case Decided(decision=decision) | Extended(decision=decision):
                out.print(
                    f"{decision.id}  {decision.action} {decision.target.value} until {rfc3339(decision.until)}"
                )
            case Refused():
                raise PropolisError(f"{entry.target}: refused by the guard {entry.guard}: {entry.reason}")
            case _:
                out.print(f"{type(entry).__name__}: {getattr(entry, 'decision', '')}")


def _show_refused(refused: list[Refused], *, json: bool) -> None:
    if json:
        out.print_json(msgspec.json.encode(refused).decode())
        return
    table = Table("time", "target", "guard", "reason", "rule", title="stopped by guards")
    for entry in refused:
        table.add_row(rfc3339(entry.time), Text(entry.target), entry.guard, Text(entry.reason), entry.rule)
    out.print(table)


def _print_chain(links: dict[str, Any], bytes_shown: int) -> None:
    decision: Decision = links["decision"]
    out.print(
        f"[bold]decision[/] {decision.id}  {decision.action} {decision.target.value}  {decision.state}",
        highlight=False,
    )
    out.print(
        f"  until {rfc3339(decision.until)}, revision {decision.revision}, rung {decision.step}, by {decision.by}"
    )
    out.print(Text(f"  because {decision.reason}"))
    out.print("[bold]ledger[/]")
    for entry in links["entries"]:
        out.print(Text(f"  {rfc3339(entry.time)}  {type(entry).__name__}  {getattr(entry, 'reason', '')}"))
    out.print("[bold]enforced[/]" if links["acknowledgements"] else "[bold]enforced[/] nowhere yet")
    for ack in links["acknowledgements"]:
        verb = "holds" if ack.holds else "let go"
        defended = (ack.applied - ack.first_packet) / 1e6
        out.print(
            f"  {ack.enforcer}@{ack.host} {verb} at {rfc3339(ack.applied)}"
            + (f": {defended:.1f} ms after the first packet" if ack.holds else "")
            + ("" if ack.enforces else " (only pretends)")
        )
    finding: Finding | None = links["finding"]
    if finding is None:
        out.print(
            "[bold]finding[/] none: "
            + ("an operator's word" if decision.by != "policy" else "no longer kept")
        )
        return
    out.print(Text(f"finding {finding.id}  {finding.rule}: {finding.title}", style="bold"))
    out.print(
        f"  grade {finding.grade}, confidence {finding.confidence}, {finding.technique} {' '.join(finding.cve)}"
    )
    for event in links["events"]:
        out.print(
            Text(
                f"event {event['id']}  {event['kind']} on {event['lure']} at {rfc3339(event['time'])}",
                style="bold",
            )
        )
        shown = {
            name: value
            for name, value in event.items()
            if name not in {"id", "kind", "lure", "time", "payload"}
        }
        out.print(Text("  " + ", ".join(f"{name}={value!r}" for name, value in shown.items())))
        out.print(Text(hex_dump(event.get("payload", b"")[:bytes_shown])), highlight=False)


def hex_dump(data: bytes) -> str:
    """Bytes as offset, hex and printable ASCII, sixteen a line."""
    lines = []
    for offset in range(0, len(data), 16):
        row = data[offset : offset + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"  {offset:08x}  {row.hex(' '):<47}  {text}")
    return "\n".join(lines)
