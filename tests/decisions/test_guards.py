"""Each guard alone, their order, and what none of them may ever let through."""

import ipaddress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judging import NOW, STRANGER, context, finding, proposal, trusting
from nouns import targets
from propolis.clock import SECOND
from propolis.config import Decisions
from propolis.decisions import (
    ACTIONS,
    EVERYWHERE,
    GUARDS,
    LIMITING,
    Decision,
    Drill,
    Lowered,
    Shadowed,
    Stopped,
    Verdict,
)
from propolis.decisions.draft import by_policy
from propolis.decisions.guards import (
    OPERATOR,
    OPERATOR_GUARDS,
    bogon,
    budget,
    evidence,
    mode,
    never_block,
    prefix_cap,
    shared_address,
    weigh,
)
from propolis.decisions.networks import UNUSABLE
from propolis.events import EvidenceClass

ALLOWED = Decisions(allow_private=True)
DRILL = Drill("127.7.0.0/16", "dry-run", NOW + 60 * SECOND)


def held(action: str = "block") -> Decision:
    target = proposal().target
    verdict = Verdict(action=action, state="active", scope=(EVERYWHERE,))  # type: ignore[arg-type]
    return by_policy(finding(), target, verdict, NOW + SECOND, 0, now=NOW)


def test_a_stranger_passes_them_all() -> None:
    assert weigh(proposal(), context()) == Verdict(action="block", state="active", scope=(EVERYWHERE,))


def test_the_order() -> None:
    assert (bogon, never_block, prefix_cap, evidence, shared_address, budget, mode) == GUARDS
    assert tuple(guard for guard in GUARDS if guard in OPERATOR_GUARDS) == OPERATOR_GUARDS


def test_the_first_that_refuses_is_the_one_that_is_named() -> None:
    wrong: dict[str, Any] = {"evidence_class": "spoofable", "last_seen": NOW - 3_600 * SECOND}
    full = Decisions(max_active=1, max_blocks_per_minute=1)
    world: dict[str, Any] = {
        "settings": full,
        "trusted": trusting("9.9.0.0/16", "192.0.2.0/24"),
        "kept": 1,
        "blocks": 1,
    }
    steps = [
        (proposal("192.0.2.0/23", **wrong), world, "bogon"),
        (proposal("9.8.0.0/15", **wrong), world, "never-block"),
        (proposal("9.10.0.0/15", **wrong), world, "prefix-cap"),
        (proposal("9.10.0.0/24", **wrong), world, "evidence"),
        (proposal("9.10.0.0/24"), world, "budget"),
    ]
    for asked, around, guard in steps:
        stopped = weigh(asked, context(**around))
        assert isinstance(stopped, Stopped)
        assert stopped.guard == guard
        assert stopped.reason


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "169.254.1.1", "224.0.0.1", "0.0.0.0", "::1", "::", "fe80::1", "ff02::1"]
)
def test_no_setting_lets_the_unusable_be_acted_against(text: str) -> None:
    assert isinstance(bogon(proposal(text), context(settings=ALLOWED)), Stopped)


@pytest.mark.parametrize("text", ["10.0.0.1", "198.18.0.1", "192.0.2.1", "2001:db8::1", "fd00::1"])
def test_special_addresses_need_the_setting(text: str) -> None:
    stopped = bogon(proposal(text), context())
    assert isinstance(stopped, Stopped)
    assert "allow_private" in stopped.reason
    assert bogon(proposal(text), context(settings=ALLOWED)) is None


@given(
    target=targets(),
    trusted=st.lists(targets(), max_size=5),
    by=st.sampled_from(("policy", "operator")),
    armed=st.booleans(),
)
def test_the_trusted_list_always_wins(target: Any, trusted: list[Any], by: str, *, armed: bool) -> None:
    around = context(
        settings=Decisions(allow_private=True, max_prefix_v4=8, max_prefix_v6=16),
        trusted=trusting(*(known.value for known in trusted)),
        mode="armed" if armed else "shadow",
        drill=DRILL,
    )
    verdict = weigh(proposal(target.value, by=by), around, OPERATOR_GUARDS if by == OPERATOR else GUARDS)
    touches = any(
        known.network.version == target.network.version and known.network.overlaps(target.network)
        for known in trusted
    )
    if touches and not around.is_drill(proposal(target.value, by=by)):
        assert isinstance(verdict, Stopped)


@given(target=targets(), v4=st.integers(8, 32), v6=st.integers(16, 128))
def test_no_prefix_wider_than_the_cap(target: Any, v4: int, v6: int) -> None:
    stopped = prefix_cap(
        proposal(target.value), context(settings=Decisions(max_prefix_v4=v4, max_prefix_v6=v6))
    )
    assert isinstance(stopped, Stopped) == (
        target.network.prefixlen < (v4 if target.network.version == 4 else v6)
    )


@given(
    action=st.sampled_from(ACTIONS), evidence_class=st.sampled_from(("dialogue", "handshake", "spoofable"))
)
def test_what_can_be_forged_limits_nobody(action: str, evidence_class: EvidenceClass) -> None:
    verdict = weigh(proposal(action=action, evidence_class=evidence_class), context())
    assert isinstance(verdict, Verdict)
    if evidence_class == "spoofable":
        assert verdict.action not in LIMITING
    else:
        assert verdict.action == action


@pytest.mark.parametrize(
    ("age", "stopped"), [(-3_600, False), (0, False), (600, False), (601, True), (86_400, True)]
)
def test_old_evidence_is_about_the_last_holder_of_an_address(age: int, *, stopped: bool) -> None:
    outcome = evidence(proposal(last_seen=NOW - age * SECOND), context())
    assert isinstance(outcome, Stopped) == stopped


@pytest.mark.parametrize(
    ("action", "expected"),
    [("block", "rate-limit"), ("challenge", "rate-limit"), ("rate-limit", "rate-limit"), ("count", "count")],
)
def test_a_shared_address_is_slowed_down_and_not_locked_out(action: str, expected: str) -> None:
    verdict = weigh(proposal(action=action), context(legitimate={STRANGER}))
    assert isinstance(verdict, Verdict)
    assert verdict.action == expected
    others = weigh(proposal(action=action), context(legitimate={"9.9.9.8"}))
    assert isinstance(others, Verdict)
    assert others.action == action


def test_the_rate_of_blocks() -> None:
    world = context(blocks=3_000)
    stopped = budget(proposal(), world)
    assert isinstance(stopped, Stopped)
    assert stopped.budget == "max_blocks_per_minute"
    assert budget(proposal(), context(blocks=2_999)) is None
    assert budget(proposal(action="rate-limit"), world) is None
    assert budget(proposal(by="operator"), world) is None
    assert budget(proposal(), msgspec.structs.replace(world, held=held())) is None
    assert isinstance(budget(proposal(), msgspec.structs.replace(world, held=held("monitor"))), Stopped)


def test_the_room_for_decisions_and_the_half_of_it_that_is_kept_for_defence() -> None:
    small = Decisions(max_active=10)
    for asked, kept, watching, stops in (
        (proposal(), 9, 5, False),
        (proposal(), 10, 5, True),
        (proposal(by="operator"), 10, 0, True),
        (proposal(action="count"), 4, 4, False),
        (proposal(action="count"), 5, 5, True),
    ):
        outcome = budget(asked, context(settings=small, kept=kept, watching=watching))
        assert isinstance(outcome, Stopped) == stops
        assert not stops or outcome.budget == "max_active"  # type: ignore[union-attr]
    assert budget(proposal(), context(settings=small, kept=10, held=held())) is None


def test_shadow_mode_writes_down_and_does_not_carry_out() -> None:
    verdict = weigh(proposal(), context(mode="shadow"))
    assert verdict == Verdict(
        action="block", state="shadow", scope=(EVERYWHERE,), remarks=(Shadowed("mode", "shadow mode"),)
    )


def test_every_guard_that_had_a_word_in_it_is_recorded() -> None:
    verdict = weigh(proposal(evidence_class="spoofable"), context(mode="shadow"))
    assert isinstance(verdict, Verdict)
    assert [(type(remark), remark.guard) for remark in verdict.remarks] == [
        (Lowered, "evidence"),
        (Shadowed, "mode"),
    ]


@pytest.mark.parametrize(
    ("network", "enforcer"),
    [
        ("10.0.0.0/8", "x"),
        ("126.0.0.0/7", "x"),
        ("::1/128", "x"),
        ("127.0.0.0/8", "*"),
        ("127.0.0.0/8", ""),
        ("127.1/8", "x"),
    ],
)
def test_a_drill_that_could_reach_anybody_else_is_refused(network: str, enforcer: str) -> None:
    with pytest.raises(ValueError, match=r"drill|127\.1/8"):
        Drill(network, enforcer, NOW)


def test_a_drill_runs_through_shadow_bogons_and_the_trusted_list_to_one_enforcer() -> None:
    world = context(mode="shadow", drill=DRILL, trusted=trusting("127.0.0.0/8"))
    assert weigh(proposal("127.7.1.2"), world) == Verdict(action="block", state="active", scope=("dry-run",))
    for text in ("127.8.1.2", "127.0.0.1"):
        assert isinstance(weigh(proposal(text), world), Stopped)
    assert isinstance(weigh(proposal("127.7.1.2"), msgspec.structs.replace(world, now=DRILL.until)), Stopped)
    assert isinstance(weigh(proposal("127.7.1.2", by="operator"), world, OPERATOR_GUARDS), Stopped)
    assert not Drill("127.0.0.0/8", "x", NOW + 1).covers(ipaddress.ip_network("127.0.0.1"), NOW)


@given(
    address=st.ip_addresses(v=4) | st.ip_addresses(v=6) | st.ip_addresses(network="127.0.0.0/8"),
    bits=st.integers(8, 32),
    length=st.integers(8, 32),
    offset=st.integers(-5, 5),
    enforcer=st.text(min_size=1, max_size=5).filter(lambda name: name != EVERYWHERE),
    armed=st.booleans(),
)
def test_no_drill_reaches_beyond_loopback_or_its_enforcer(
    address: Any, bits: int, length: int, offset: int, enforcer: str, *, armed: bool
) -> None:
    drill = Drill(
        f"{ipaddress.ip_network((int(address) & 0xFFFFFF | 0x7F000000, bits), strict=False)}",
        enforcer,
        NOW + offset,
    )
    text = f"{address}/{length if address.version == 4 else 128}"
    asked = proposal(str(ipaddress.ip_network(text, strict=False)))
    world = context(settings=ALLOWED, mode="armed" if armed else "shadow", drill=drill)
    verdict = weigh(asked, world)
    if isinstance(verdict, Stopped):
        return
    inside = UNUSABLE.touched_by(asked.network) is not None
    assert inside == (verdict.scope == (enforcer,))
    if inside:
        assert asked.network.subnet_of(ipaddress.ip_network("127.0.0.0/8"))
        assert drill.until > NOW
    else:
        assert verdict.scope == (EVERYWHERE,)
        assert verdict.state == ("active" if armed else "shadow")
