from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propolis.events import SHARDS, pack, shard_of
from propolis.stream import subjects


@pytest.mark.parametrize("lanes", [1, 2, 4, 8, 16, 32, 64])
def test_every_lane_has_as_many_shards(lanes: int) -> None:
    owned = Counter(subjects.lane_of(shard, lanes) for shard in range(SHARDS))
    assert dict(owned) == dict.fromkeys(range(lanes), SHARDS // lanes)


@given(st.ip_addresses(), st.sampled_from([1, 2, 4, 8, 16, 32, 64]))
def test_one_source_is_always_in_one_lane(source: object, lanes: int) -> None:
    shard = shard_of(pack(str(source)))
    assert subjects.lane_of(shard, lanes) == subjects.lane_of(shard, 64) % lanes


def test_names_are_what_the_streams_take() -> None:
    assert subjects.events("interaction", 3) == "events.interaction.3"
    assert subjects.findings(3) == "findings.3"
    assert subjects.ledger("Decided") == "ledger.Decided"
    assert subjects.clock("nftables") == "clock.nftables"
    assert subjects.key(subjects.DECISIONS, "address.01") == "$KV.decisions.address.01"
