from collections.abc import Awaitable, Callable

import msgspec
from nats.aio.msg import Msg

from propolis.console.board import MAX_ENTRIES
from propolis.console.console import Console
from propolis.decisions import Decided, ModeChanged
from propolis.decisions.commands import SUBJECT, Arm
from propolis.findings import Finding
from propolis.stream import Stream

Attack = Callable[..., Awaitable[Finding]]


async def test_evidence_that_the_stream_lost_is_none(live: Console, attack: Attack) -> None:
    found = await attack(live.stream, "203.0.113.9")
    assert await live.evidence(found, 0)
    gone = msgspec.structs.replace(found.evidence[0], sequence=10**9)
    assert await live.evidence(msgspec.structs.replace(found, evidence=(gone,)), 0) is None


async def test_evidence_that_names_another_row_is_none(live: Console, attack: Attack) -> None:
    found = await attack(live.stream, "203.0.113.9")
    wrong = msgspec.structs.replace(found.evidence[0], row=7)
    assert await live.evidence(msgspec.structs.replace(found, evidence=(wrong,)), 0) is None


async def test_an_old_decision_is_explained_from_the_whole_ledger(
    live: Console, attack: Attack, until: Callable[..., Awaitable[None]]
) -> None:
    await attack(live.stream, "203.0.113.9")
    await until(lambda: live.board.count("shadow"))
    (held,) = live.board.decisions("shadow", 1)
    for number in range(MAX_ENTRIES):
        live.board.entries.append(
            ModeChanged(time=number, mode="shadow", by="test", reason="to fill the board")
        )
    assert live.board.why(held.id) == ()
    (entry,) = await live.why(held.id)
    assert isinstance(entry, Decided)
    assert await live.why("no such decision") == ()


async def test_an_answer_that_cannot_be_read_is_said_so(
    stream: tuple[object, Stream, object], lonely: Console
) -> None:
    _, connection, _ = stream

    async def mumble(message: Msg) -> None:
        await message.respond(b"not an answer")

    await connection.client.subscribe(SUBJECT, cb=mumble)
    console = msgspec.structs.replace(lonely, stream=connection)
    answer = await console.ask(Arm(by="test", reason="test"))
    assert "not an answer" in answer.error


async def test_a_stream_that_is_away_answers_with_an_error(lonely: Console) -> None:
    answer = await lonely.ask(Arm(by="test", reason="test"))
    assert "does not answer" in answer.error
