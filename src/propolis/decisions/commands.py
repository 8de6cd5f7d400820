"""What an operator can ask of the decider, as request and answer on one subject of the stream."""

from typing import TypeAlias

import msgspec

from propolis.decisions.decision import Action
from propolis.decisions.ledger import Entry

SUBJECT = "decide.command"


class _Command(msgspec.Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    """``by`` is who asks, ``reason`` why: both go into the ledger."""

    by: str
    reason: str


class Add(_Command, frozen=True, kw_only=True):
    """Act against an address or prefix for ``ttl_seconds``."""

    target: str
    ttl_seconds: float
    action: Action = "block"


class Revoke(_Command, frozen=True, kw_only=True):
    """Lift a decision, by its id or by its target."""

    what: str


class Arm(_Command, frozen=True, kw_only=True):
    """Carry decisions out from now on."""


class StandDown(_Command, frozen=True, kw_only=True):
    """Lift everything, and only write down from now on."""


class Rehearse(_Command, frozen=True, kw_only=True):
    """Let a drill run over a loopback network, carried out by one enforcer only; ``seconds`` 0 ends it."""

    network: str
    enforcer: str
    seconds: float


Command: TypeAlias = Add | Revoke | Arm | StandDown | Rehearse


MAX_ANSWER_ENTRIES = 1_000
"""Entries in one answer: a message has its bounds."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The first entries that followed, and how many more; ``error`` says why none did."""

    entries: tuple[Entry, ...] = ()
    omitted: int = 0
    error: str = ""


def shortened(answer: Answer) -> Answer:
    """The same with no more than :data:`MAX_ANSWER_ENTRIES` entries."""
    omitted = max(0, len(answer.entries) - MAX_ANSWER_ENTRIES)
    return Answer(entries=answer.entries[:MAX_ANSWER_ENTRIES], omitted=omitted, error=answer.error)


_COMMAND = msgspec.json.Decoder(Command)
_ANSWER = msgspec.json.Decoder(Answer)


def encode(message: Command | Answer) -> bytes:
    """A command or an answer as JSON."""
    return msgspec.json.encode(message)


def decode_command(data: bytes) -> Command | str:
    """What :func:`encode` wrote for a command, or what is wrong with it."""
    try:
        command: Command = _COMMAND.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return f"not a command: {error}"
    return command


def decode_answer(data: bytes) -> Answer:
    """What :func:`encode` wrote for an answer; anything else is an answer that says so."""
    try:
        return _ANSWER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, RecursionError) as error:
        return Answer(error=f"not an answer: {error}")
