"""A decision cannot be written without an end, a reason and a cause; targets are canonical."""

import ipaddress
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nouns import NOW, acknowledgements, decisions, targets
from propolis.decisions import (
    Acknowledgement,
    Decision,
    Target,
    decision_id,
    decode,
    decode_acknowledgement,
    encode,
    target_of,
)
from propolis.decisions.decision import VERSION
from propolis.errors import CodecError

LATER = ("by", "scope", "step", "revision", "version")
"""Fields with a default: what an older version did not write yet."""


def changed(decision: Decision, **fields: object) -> bytes:
    return msgspec.json.encode({**msgspec.to_builtins(decision), **fields})


@settings(max_examples=100)
@given(decision=decisions())
def test_a_decision_comes_back_as_it_went(decision: Decision) -> None:
    assert decode(encode(decision)) == decision


@settings(max_examples=100)
@given(acknowledgement=acknowledgements())
def test_an_acknowledgement_comes_back_as_it_went(acknowledgement: Acknowledgement) -> None:
    assert decode_acknowledgement(encode(acknowledgement)) == acknowledgement


@settings(max_examples=30)
@given(decision=decisions())
def test_an_older_decision_is_read(decision: Decision) -> None:
    older = {name: value for name, value in msgspec.to_builtins(decision).items() if name not in LATER}
    read = decode(msgspec.json.encode(older))
    assert (read.id, read.scope, read.revision) == (decision.id, ("*",), 1)
    assert read.covers("nftables")


@settings(max_examples=30)
@given(decision=decisions())
def test_a_decision_without_end_reason_or_cause_cannot_be_written_or_read(decision: Decision) -> None:
    for spoiled, why in (
        ({"until": decision.since}, "ends after it begins"),
        ({"reason": ""}, "has a reason"),
        ({"finding": ""}, "has a reason and a finding"),
    ):
        with pytest.raises(ValueError, match=why):
            Decision(**{**msgspec.structs.asdict(decision), **spoiled})
        with pytest.raises(CodecError, match=why):
            decode(changed(decision, **spoiled))


@settings(max_examples=20)
@given(decision=decisions())
def test_a_fault_is_located(decision: Decision) -> None:
    with pytest.raises(CodecError, match=r"decision: \$\.action"):
        decode(changed(decision, action="annihilate"))
    with pytest.raises(CodecError, match=r"decision: \$\.target\.kind"):
        decode(changed(decision, target={"kind": "planet", "value": "x"}))
    with pytest.raises(CodecError, match="version: is 2, newer than 1: update this host"):
        decode(changed(decision, version=VERSION + 1))


@settings(max_examples=300)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    for read in (decode, decode_acknowledgement):
        with pytest.raises(CodecError) as caught:
            read(data)
        assert caught.value.where


@settings(max_examples=150)
@given(decision=decisions(), data=st.data())
def test_a_damaged_decision_is_refused_or_sound(decision: Decision, data: st.DataObject) -> None:
    message = bytearray(encode(decision))
    message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = decode(bytes(message))
    except CodecError:
        return
    assert read.until > read.since


@given(target=targets())
def test_a_target_is_canonical_and_its_key_is_a_subject(target: Target) -> None:
    assert target_of(target.value) == target
    assert set(target.key) <= set("0123456789abcdefinrpsx.")
    assert target.network == ipaddress.ip_network(target.value)


def test_different_targets_have_different_keys() -> None:
    texts = ("198.18.0.1", "198.18.0.0/24", "198.18.0.0/25", "2001:db8::1", "2001:db8::/64", "::c612:1")
    assert len({target_of(text).key for text in texts}) == len(texts)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("198.18.0.1", "address", "198.18.0.1"),
        (" 198.18.0.1/32\n", "address", "198.18.0.1"),
        ("198.18.0.77/24", "prefix", "198.18.0.0/24"),
        ("::ffff:198.18.0.1", "address", "198.18.0.1"),
        ("::ffff:198.18.0.0/120", "prefix", "198.18.0.0/24"),
        ("2001:0db8:0::1/128", "address", "2001:db8::1"),
        ("2001:db8::1/64", "prefix", "2001:db8::/64"),
    ],
)
def test_one_target_has_one_spelling(text: str, kind: str, value: str) -> None:
    assert target_of(text) == Target(kind, value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["", "host", "198.18.0.1/33", "198.18.0.1/-1", "1.2.3", "::/129", "1.2.3.4/0x1"]
)
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        target_of(text)


def test_a_decisions_id_is_a_uuid_of_its_time_and_the_same_on_every_computation() -> None:
    target = target_of("198.18.0.1")
    first = UUID(decision_id("f" * 32, target, NOW))
    assert (first.version, first.variant, first.bytes[:6]) == (
        7,
        "specified in RFC 4122",
        (NOW // 1_000_000).to_bytes(6, "big"),
    )
    assert str(first) == decision_id("f" * 32, target, NOW)
    assert str(first) != decision_id("e" * 32, target, NOW)
    assert str(first) != decision_id("f" * 32, target_of("198.18.0.2"), NOW)


@settings(max_examples=20)
@given(decision=decisions())
def test_a_scope_names_enforcers(decision: Decision) -> None:
    edge = msgspec.structs.replace(decision, scope=("edge",))
    assert edge.covers("edge")
    assert not edge.covers("nftables")
    assert msgspec.structs.replace(decision, scope=("*",)).covers("nftables")
