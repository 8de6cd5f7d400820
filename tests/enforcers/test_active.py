from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.clock import SECOND
from propolis.decisions import Decision, Target
from propolis.enforcers import active as module
from propolis.enforcers.active import Active, Progress, blocked_until

NOW = 1_700_000_000 * SECOND
Decide = Callable[..., Decision]


def test_a_put_is_held_and_counts_as_one_change(decide: Decide) -> None:
    active = Active()
    decision = decide("198.18.1.1", NOW)
    assert active.put(decision)
    assert active.put(decision)  # delivered twice
    assert dict(active) == {decision.target: decision}
    assert active.version == 1
    assert active.since(0) == {decision.target}
    assert active.since(1) == set()


def test_dropping_what_is_not_there_changes_nothing(decide: Decide) -> None:
    active = Active()
    active.drop(decide("198.18.1.1", NOW).target)
    assert (len(active), active.version) == (0, 0)


@pytest.mark.parametrize("state", ["shadow", "expired", "revoked", "refused"])
def test_what_is_not_active_ends_what_was(decide: Decide, state: str) -> None:
    active = Active()
    active.put(decide("198.18.1.1", NOW))
    assert active.put(decide("198.18.1.1", NOW, state=state))
    assert not active
    assert active.version == 2


@pytest.mark.parametrize(
    "value",
    [
        "",
        "198.18.1.01",
        "198.18.1.1/32",
        "2001:DB8::1",
        "::ffff:198.18.1.1",
        "198.18.1.1\n203.0.113.1",
        "::1%a}; flush ruleset",
        "198.18.1.1 }; flush ruleset",
        "\uff19.9.9.9",  # a full-width 9
    ],
)
def test_only_canonical_targets_reach_an_enforcer(decide: Decide, value: str) -> None:
    active = Active()
    decision = msgspec.structs.replace(decide("198.18.1.1", NOW), target=Target("address", value))
    assert not active.put(decision)
    assert not active


def test_a_full_set_refuses_new_targets_and_extends_old_ones(
    decide: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_HELD", 2)
    active = Active()
    assert active.put(decide("198.18.1.1", NOW))
    assert active.put(decide("198.18.1.2", NOW))
    assert not active.put(decide("198.18.1.3", NOW))
    assert active.put(decide("198.18.1.1", NOW, seconds=900))


def test_who_is_too_far_behind_or_from_elsewhere_compares_in_full(
    decide: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_CHANGES", 3)
    active = Active()
    for last in range(5):
        active.put(decide(f"198.18.1.{last}", NOW))
    assert active.since(1) is None
    assert len(active.since(2) or ()) == 3
    assert active.since(6) is None


def test_expiry_takes_what_has_ended_and_leaves_what_was_extended(decide: Decide) -> None:
    active = Active()
    active.put(decide("198.18.1.1", NOW, seconds=10))
    active.put(decide("198.18.1.2", NOW, seconds=10))
    active.put(decide("198.18.1.2", NOW, seconds=20))
    assert [target.value for target in active.expire(NOW + 10 * SECOND)] == ["198.18.1.1"]
    assert [target.value for target in active] == ["198.18.1.2"]


def test_the_queue_of_ends_does_not_grow_with_extensions(
    decide: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_STALE_ENDS", 8)
    active = Active()
    for seconds in range(1, 200):
        active.put(decide("198.18.1.1", NOW, seconds=seconds))
    assert len(active._ends) <= 10
    assert not active.expire(NOW + 198 * SECOND)
    assert len(active.expire(NOW + 199 * SECOND)) == 1


def test_only_a_block_in_force_blocks(decide: Decide) -> None:
    decision = decide("198.18.1.1", NOW)
    assert blocked_until(decision, NOW) == decision.until
    assert blocked_until(decision, decision.until) == 0
    assert blocked_until(None, NOW) == 0
    assert blocked_until(decide("198.18.1.1", NOW, action="rate-limit"), NOW) == 0
    assert blocked_until(decide("198.18.1.1", NOW, state="shadow"), NOW) == 0


def test_progress_follows_one_set_only(decide: Decide) -> None:
    first, second, progress = Active(), Active(), Progress()
    assert progress.behind(first) is None
    progress.reached(first)
    assert progress.behind(first) == set()
    first.put(decide("198.18.1.1", NOW))
    assert len(progress.behind(first) or ()) == 1
    assert progress.behind(second) is None
    progress.lost()
    assert progress.behind(first) is None


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 7), st.integers(1, 40)),
        st.tuples(st.just("drop"), st.integers(0, 7), st.just(0)),
        st.tuples(st.just("expire"), st.just(0), st.integers(0, 20)),
    ),
    max_size=60,
)


@given(steps=_STEPS, mark=st.integers(0, 60))
@settings(max_examples=200)
def test_it_agrees_with_a_plain_dict(decide: Decide, steps: list[tuple[str, int, int]], mark: int) -> None:
    active, model, now, seen = Active(), dict[Target, Decision](), NOW, (0, dict[Target, Decision]())
    for count, (step, last, number) in enumerate(steps):
        if count == mark:
            seen = (active.version, dict(model))
        if step == "expire":
            now += number * SECOND
            ended = {target for target, decision in model.items() if decision.until <= now}
            assert set(active.expire(now)) == ended
            model = {target: decision for target, decision in model.items() if target not in ended}
            continue
        decision = decide(f"198.18.1.{last}", now, seconds=number or 1)
        if step == "put":
            active.put(decision)
            model[decision.target] = decision
        else:
            active.drop(decision.target)
            model.pop(decision.target, None)
        assert dict(active) == model
    version, before = seen
    changed = {target for target in {*before, *model} if before.get(target) != model.get(target)}
    assert changed <= set(active.since(version) or ())
