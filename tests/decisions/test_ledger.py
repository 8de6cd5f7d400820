"""Entries survive the stream, say where they are broken, and have an id that follows from what they say."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judging import NOW
from nouns import decisions, nanoseconds, targets, texts
from propolis.clock import SECOND
from propolis.decisions import (
    ACTIONS,
    ENTRIES,
    BudgetExhausted,
    Decided,
    Entry,
    Expired,
    Extended,
    Lowered,
    ModeChanged,
    Refused,
    Revoked,
    Shadowed,
    about,
    decode_entry,
    encode_entry,
)
from propolis.decisions.ledger import decision_of
from propolis.errors import CodecError

ids = st.uuids().map(str)
remarks = st.lists(
    st.builds(Lowered, guard=texts, action=st.sampled_from(ACTIONS), reason=texts)
    | st.builds(Shadowed, guard=texts, reason=texts),
    max_size=2,
).map(tuple)
BY_KIND: dict[type, st.SearchStrategy[Any]] = {
    Decided: st.builds(Decided, time=nanoseconds, decision=decisions(), remarks=remarks),
    Extended: st.builds(Extended, time=nanoseconds, decision=decisions(), remarks=remarks),
    Refused: st.builds(
        Refused,
        time=nanoseconds,
        target=texts,
        guard=texts,
        reason=texts,
        finding=texts,
        rule=texts,
        by=texts,
    ),
    Revoked: st.builds(Revoked, time=nanoseconds, target=targets(), decision=ids, reason=texts, by=texts),
    Expired: st.builds(Expired, time=nanoseconds, target=targets(), decision=ids, reason=texts),
    ModeChanged: st.builds(
        ModeChanged, time=nanoseconds, mode=st.sampled_from(("armed", "shadow")), by=texts, reason=texts
    ),
    BudgetExhausted: st.builds(
        BudgetExhausted,
        time=nanoseconds,
        budget=st.sampled_from(("max_active", "max_blocks_per_minute")),
        limit=st.integers(1, 2**40),
    ),
}
entries = st.one_of(*BY_KIND.values())


def test_every_kind_is_tried_here() -> None:
    assert set(BY_KIND) == set(ENTRIES)


@settings(max_examples=40)
@given(entries)
def test_round_trip(entry: Entry) -> None:
    data = encode_entry(entry)
    again = decode_entry(data)
    assert again == entry
    assert again.id == entry.id
    assert msgspec.json.decode(data)["type"] == type(entry).__name__


@settings(max_examples=40)
@given(entries)
def test_an_id_can_be_a_message_id(entry: Entry) -> None:
    assert entry.id.isascii()
    assert entry.id.isprintable()
    assert " " not in entry.id
    assert len(entry.id) < 100


def test_refusals_and_alarms_are_the_same_within_a_minute() -> None:
    refused = Refused(
        time=NOW, target="9.9.9.9", guard="bogon", reason="x", finding="f", rule="r", by="policy"
    )
    minute = NOW // (60 * SECOND) * 60 * SECOND
    same = msgspec.structs.replace(refused, time=minute, reason="y", finding="g")
    assert same.id == refused.id
    assert msgspec.structs.replace(refused, time=minute + 60 * SECOND).id != refused.id
    assert msgspec.structs.replace(refused, guard="budget").id != refused.id
    assert msgspec.structs.replace(refused, target="9.9.9.8").id != refused.id


@settings(max_examples=40)
@given(st.lists(entries, max_size=8), ids)
def test_about_finds_the_entries_of_one_decision(ledger: list[Entry], nobody: str) -> None:
    assert list(about(ledger, nobody)) == []
    for entry in ledger:
        if id_ := decision_of(entry):
            assert entry in list(about(ledger, id_))


@settings(max_examples=40)
@given(st.binary(max_size=200))
def test_garbage_is_refused_with_its_place(data: bytes) -> None:
    with pytest.raises(CodecError, match="ledger entry"):
        decode_entry(data)


@settings(max_examples=40)
@given(BY_KIND[Decided])
def test_a_fault_is_located(entry: Decided) -> None:
    tree = msgspec.json.decode(encode_entry(entry))
    tree["decision"]["target"]["kind"] = "planet"
    with pytest.raises(CodecError) as error:
        decode_entry(msgspec.json.encode(tree))
    assert error.value.where == "$.decision.target.kind"


@settings(max_examples=40)
@given(BY_KIND[Extended])
def test_a_decision_without_an_end_is_no_entry(entry: Extended) -> None:
    tree = msgspec.json.decode(encode_entry(entry))
    tree["decision"]["until"] = tree["decision"]["since"]
    with pytest.raises(CodecError, match="ends after it begins"):
        decode_entry(msgspec.json.encode(tree))


@settings(max_examples=40)
@given(entries)
def test_a_newer_version_says_so(entry: Entry) -> None:
    with pytest.raises(CodecError, match="update this host"):
        decode_entry(encode_entry(msgspec.structs.replace(entry, version=99)))
