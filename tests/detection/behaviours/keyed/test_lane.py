"""Counters beside the rules: an intruder is followed from the first port to the canary."""

import random

import msgspec
import pytest

from batches import BEGIN, batch_of, engine_of, opens, tries
from facts import ATTACKER, batch_of_family, flow, key_batch
from propolis.clock import SECOND
from propolis.detection.behaviours.keyed import load
from propolis.detection.behaviours.keyed.lane import MAGIC, LaneCounters
from propolis.errors import CodecError
from propolis.events import CredentialTried
from propolis.events.flow import to_batch
from propolis.findings import Finding


def counters() -> LaneCounters:
    return LaneCounters(load(), max_keys=64, entropy=random.Random(1))


def names(found: tuple[Finding, ...]) -> list[str]:
    return [finding.rule for finding in found]


def test_a_scan_in_flows_then_a_credential_on_a_decoy_is_an_intrusion_begun() -> None:
    own, engine = counters(), engine_of()
    state, judged = own.fresh(), engine.fresh()
    scan = to_batch([flow(n, 22, time=BEGIN + n * SECOND) for n in range(1, 9)])
    assert names(own.flows(scan, state, 1, 1)) == ["scan-suspected", "scan"]
    batch = batch_of(tries(ATTACKER, 1), begin=BEGIN + 60 * SECOND)
    found, _ = engine.step(batch, judged, 1, 2)
    assert names(found) == ["credential-tried"]
    assert names(own.interactions(batch, found, state, 1, 2)) == ["intrusion-begun"]


def test_spraying_on_decoys_is_found_beside_the_rules() -> None:
    own = counters()
    spray = batch_of([(ATTACKER, CredentialTried(f"user{n}", "Spring2026")) for n in range(20)])
    assert names(own.interactions(spray, (), own.fresh(), 1, 1)) == ["password-spraying"]


def test_a_batch_without_logins_and_requests_touches_no_state() -> None:
    own = counters()
    state = own.fresh()
    assert own.interactions(batch_of(opens(ATTACKER, 22)), (), state, 1, 1) == ()
    assert {family.count for family in state.states.values()} == {0}


def test_keys_are_counted_across_sources() -> None:
    own = counters()
    assert names(own.keys(key_batch([(n, n, 1) for n in range(1, 40)]), own.fresh(), 1, 1)) == ["distributed"]


def test_stored_states_go_on() -> None:
    own = counters()
    state = own.fresh()
    own.flows(to_batch([flow(n, 22, time=BEGIN) for n in range(1, 8)]), state, 1, 1)
    read = own.load(state.to_bytes())
    assert "scan" in names(own.flows(to_batch([flow(90, 22, time=BEGIN)]), read, 1, 2))


def test_a_family_that_was_not_stored_begins_anew() -> None:
    own = counters()
    own.interactions(
        batch_of_family("login", [(0, {"user": "a", "secret": "b"})]), (), state := own.fresh(), 1, 1
    )
    partly = MAGIC + msgspec.msgpack.encode({"login": state.states["login"].to_bytes()})
    assert {name: one.count for name, one in own.load(partly).states.items() if one.count} == {"login": 1}


@pytest.mark.parametrize("data", [b"", b"PPDS", MAGIC, MAGIC + b"\xc1", MAGIC + b"\x81\xa4flow\xc4\x01x"])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(CodecError):
        counters().load(data)
