"""Against the real kernel: two network namespaces and a cable between them."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from propolis import config, notes
from propolis.clock import MILLISECOND, SECOND, SystemClock
from propolis.decisions import Decision, target_of
from propolis.enforcers import Active, Nftables, drift
from propolis.enforcers.namespace import inside
from propolis.enforcers.nftables import Change, ruleset, transaction
from propolis.errors import EnforcerError

CLOCK = SystemClock()
ATTACKERS = (
    "198.18.0.2",
    "198.18.0.3",
    "198.18.7.9",
    "198.18.7.200",
    "2001:2::2",
    "2001:2::3",
    "2001:2:0:7::9",
)
PATIENCE_SECONDS = 0.4
TOLERANCE = SECOND // 2
Decide = Callable[..., Decision]


def run(*arguments: str) -> str:
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout


class World:
    """``host`` (198.18.0.1, 2001:2::1) defends and listens; ``attacker``, at the other end of the cable, attacks."""

    def __init__(self, host: str, attacker: str, listeners: dict[int, socket.socket]) -> None:
        self.host, self.attacker, self.listeners = host, attacker, listeners

    def nft(self, *commands: str) -> str:
        return run("ip", "netns", "exec", self.host, "nft", "\n".join(commands))

    def dial(self, source: str) -> socket.socket:
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
        client = inside(self.attacker, lambda: socket.socket(family, socket.SOCK_STREAM))
        client.settimeout(PATIENCE_SECONDS)
        client.bind((source, 0))
        client.connect(
            ("2001:2::1" if ":" in source else "198.18.0.1", self.listeners[family].getsockname()[1])
        )
        return client

    def answer(self, client: socket.socket) -> socket.socket:
        while True:  # earlier connections that nobody accepted come first
            server, peer = self.listeners[client.family].accept()
            if peer == client.getsockname():
                return server
            server.close()

    def connects(self, source: str) -> bool:
        try:
            self.dial(source).close()
        except TimeoutError:
            return False
        return True


@pytest.fixture(scope="module")
def cable() -> Iterator[World]:
    tag = f"{os.getpid():x}{os.urandom(2).hex()}"
    host, attacker = f"pe-h{tag}", f"pe-a{tag}"
    with ExitStack() as stack:
        for name in (host, attacker):
            run("ip", "netns", "add", name)
            stack.callback(run, "ip", "netns", "del", name)
        run("ip", "-n", host, "link", "add", "pe0", "type", "veth", "peer", "name", "pe0", "netns", attacker)
        for name, addresses in ((host, ("198.18.0.1", "2001:2::1")), (attacker, ATTACKERS)):
            for address in addresses:
                length, *nodad = ("32", "nodad") if ":" in address else ("16",)
                run("ip", "-n", name, "address", "add", f"{address}/{length}", "dev", "pe0", *nodad)
            run("ip", "-n", name, "link", "set", "pe0", "up")
        listeners = {}
        for family in (socket.AF_INET, socket.AF_INET6):
            made = inside(
                host, lambda family=family: socket.create_server(("", 0), family=family, backlog=128)
            )
            listeners[int(family)] = stack.enter_context(made)
        made = World(host, attacker, listeners)
        for address in ATTACKERS:  # neighbours have to find one another first
            assert any(made.connects(address) for _ in range(10)), f"no way from {address}"
        yield made


@pytest.fixture
def world(cable: World) -> Iterator[World]:
    yield cable
    cable.nft("flush ruleset")


@pytest.fixture
def nftables(world: World, tmp_path: Path) -> Iterator[Nftables]:
    made = enforcer(world, tmp_path)
    yield made
    made.close()


def enforcer(world: World, folder: Path, **settings: object) -> Nftables:
    made = Nftables(
        config.Enforcers(nftables=config.Nftables(namespace=world.host, **settings)), CLOCK, folder
    )
    made.open()
    return made


def agrees(nftables: Nftables, active: Active) -> bool:
    return not drift(active, nftables.read_back(), CLOCK.now(), TOLERANCE)


@pytest.mark.root
@pytest.mark.parametrize(
    ("target", "stopped"),
    [
        ("198.18.0.2", "198.18.0.2"),
        ("198.18.7.0/24", "198.18.7.9"),
        ("2001:2::2", "2001:2::2"),
        ("2001:2:0:7::/64", "2001:2:0:7::9"),
    ],
)
def test_a_block_stops_its_target_and_nobody_else(
    world: World, nftables: Nftables, decide: Decide, target: str, stopped: str
) -> None:
    active = Active()
    nftables.apply(active)
    assert world.connects(stopped)

    decision = decide(target, CLOCK.now())
    active.put(decision)
    nftables.apply(active)

    held = nftables.read_back([decision.target])
    assert held == pytest.approx({decision.target: decision.until}, abs=TOLERANCE)
    assert held[decision.target] >= decision.until - 10 * MILLISECOND
    assert not world.connects(stopped)
    assert world.connects("198.18.0.3")
    assert world.connects("2001:2::3")
    family = "v6" if ":" in target else "v4"
    assert nftables.stopped()[f"{family}net_packets" if "/" in target else f"{family}_packets"] >= 1

    active.drop(decision.target)
    nftables.apply(active)
    assert nftables.read_back([decision.target]) == {}
    assert world.connects(stopped)


@pytest.mark.root
def test_a_block_ends_by_itself(world: World, nftables: Nftables, decide: Decide) -> None:
    active = Active()
    decision = decide("198.18.0.2", CLOCK.now(), seconds=1.2)
    active.put(decision)
    nftables.apply(active)
    assert not world.connects("198.18.0.2")
    while nftables.read_back([decision.target]):
        time.sleep(0.05)
    assert CLOCK.now() >= decision.until
    assert world.connects("198.18.0.2")
    active.drop(decision.target)  # told late: it has ended in the kernel already
    nftables.apply(active)
    assert nftables.read_back() == {}


@pytest.mark.root
def test_an_extension_outlives_the_first_end(world: World, nftables: Nftables, decide: Decide) -> None:
    active = Active()
    first, longer = (
        decide("198.18.0.2", CLOCK.now(), seconds=0.6),
        decide("198.18.0.2", CLOCK.now(), seconds=60),
    )
    active.put(first)
    nftables.apply(active)
    active.put(longer)
    nftables.apply(active)
    time.sleep(0.8)
    assert nftables.read_back([first.target]) == pytest.approx({first.target: longer.until}, abs=TOLERANCE)
    assert not world.connects("198.18.0.2")
    active.put(decide("198.18.0.2", CLOCK.now(), seconds=5))  # and it can be made shorter
    nftables.apply(active)
    assert agrees(nftables, active)


@pytest.mark.root
def test_a_block_decided_while_the_last_one_ends_holds(
    world: World, nftables: Nftables, decide: Decide
) -> None:
    active = Active()
    for _ in range(20):
        active.put(decide("198.18.0.2", CLOCK.now(), seconds=0.01))
        nftables.apply(active)
        time.sleep(0.011)
        active.put(decide("198.18.0.2", CLOCK.now(), seconds=60))
        nftables.apply(active)
        time.sleep(0.03)
        assert agrees(nftables, active)


@pytest.mark.root
def test_prefixes_may_lie_inside_one_another(world: World, nftables: Nftables, decide: Decide) -> None:
    active = Active()
    wide, narrow = decide("198.18.0.0/16", CLOCK.now()), decide("198.18.7.0/24", CLOCK.now())
    for decision in (narrow, wide, decide("198.18.7.9", CLOCK.now())):
        active.put(decision)
    nftables.apply(active)
    assert agrees(nftables, active)
    assert not world.connects("198.18.0.2")
    active.drop(wide.target)
    nftables.apply(active)
    assert world.connects("198.18.0.2")
    assert not world.connects("198.18.7.200")


@pytest.mark.root
def test_sessions_of_others_go_on(world: World, nftables: Nftables, decide: Decide) -> None:
    with world.dial("198.18.0.3") as client, world.answer(client) as server:
        active = Active()
        active.put(decide("198.18.0.2", CLOCK.now()))
        nftables.apply(active, whole=True)
        client.sendall(b"still here")
        assert server.recv(64) == b"still here"


@pytest.mark.root
def test_only_active_blocks_are_dropped(world: World, nftables: Nftables, decide: Decide) -> None:
    active = Active()
    for action in ("monitor", "count", "rate-limit", "challenge"):
        active.put(decide("198.18.0.2", CLOCK.now(), action=action))
        nftables.apply(active)
        assert nftables.read_back() == {}
    active.put(decide("198.18.0.2", CLOCK.now()))
    nftables.apply(active)
    active.put(decide("198.18.0.2", CLOCK.now(), action="count"))  # lowered
    nftables.apply(active)
    assert nftables.read_back() == {}
    assert agrees(nftables, active)


@pytest.mark.root
def test_repeating_changes_nothing(world: World, nftables: Nftables, decide: Decide) -> None:
    active = Active()
    active.put(decide("198.18.0.2", CLOCK.now()))
    nftables.apply(active)
    generation = world.nft("list ruleset")
    nftables.apply(active)
    again = Active()
    again.put(next(iter(active.values())))
    nftables.apply(again)
    assert agrees(nftables, again)
    assert generation.partition("elements")[0] == world.nft("list ruleset").partition("elements")[0]


@pytest.mark.root
def test_a_restart_leaves_no_gap_and_adopts(
    world: World, nftables: Nftables, decide: Decide, tmp_path: Path
) -> None:
    active = Active()
    kept, ended, shorter = (
        decide(text, CLOCK.now()) for text in ("198.18.0.2", "198.18.7.0/24", "198.18.0.3")
    )
    for decision in (kept, ended, shorter):
        active.put(decision)
    nftables.apply(active)
    nftables.close()
    assert not world.connects("198.18.0.2")

    again = enforcer(world, tmp_path, priority=-50)
    assert not world.connects("198.18.0.2")
    assert set(again.read_back()) == {kept.target, ended.target, shorter.target}
    active = Active()
    active.put(kept)
    active.put(decide("198.18.0.3", CLOCK.now(), seconds=90))
    again.apply(active)
    assert agrees(again, active)
    assert world.connects("198.18.7.9")
    assert "priority -50" in world.nft("list chain inet propolis input").replace("filter - 50", "-50")
    again.close()


@pytest.mark.root
def test_other_tables_are_left_alone(world: World, nftables: Nftables, decide: Decide) -> None:
    world.nft(
        "table inet other { set s { type ipv4_addr; flags timeout; elements = { 203.0.113.1 }; }",
        "chain input { type filter hook input priority 0; ip saddr @s counter drop; }; }",
    )
    before = world.nft("list table inet other")
    active = Active()
    active.put(decide("198.18.0.2", CLOCK.now()))
    nftables.apply(active)
    nftables.apply(active, whole=True)
    nftables.remove()
    nftables.remove()
    assert world.nft("list ruleset") == before
    nftables.apply(active)
    assert agrees(nftables, active)


@pytest.mark.root
@pytest.mark.parametrize(
    "tampering",
    [
        "delete element inet propolis v4 { 198.18.0.2 }",
        "add element inet propolis v4 { 203.0.113.1 }",
        "add element inet propolis v4net24 { 203.0.113.0 timeout 1h }",
        "flush set inet propolis v4",
        "flush chain inet propolis input",
        "insert rule inet propolis input accept",
        "delete chain inet propolis forward",
        "add table inet propolis { flags dormant; }",
        "delete table inet propolis",
        "flush ruleset",
    ],
)
def test_what_is_done_behind_our_back_is_seen_and_repaired(
    world: World, nftables: Nftables, decide: Decide, tampering: str
) -> None:
    active = Active()
    for text in ("198.18.0.2", "198.18.7.0/24"):
        active.put(decide(text, CLOCK.now()))
    nftables.apply(active)
    assert agrees(nftables, active)
    world.nft(tampering)
    assert not agrees(nftables, active)
    nftables.apply(active, whole=True)
    assert agrees(nftables, active)
    assert not world.connects("198.18.0.2")


@pytest.mark.root
def test_a_change_finds_the_table_gone_and_brings_everything_back(
    world: World, nftables: Nftables, decide: Decide
) -> None:
    active = Active()
    active.put(decide("198.18.0.2", CLOCK.now()))
    nftables.apply(active)
    world.nft("delete table inet propolis")
    told = notes.counts["WorldChanged"]
    active.put(decide("198.18.0.3", CLOCK.now()))
    nftables.apply(active)
    assert agrees(nftables, active)
    assert notes.counts["WorldChanged"] == told + 1


@pytest.mark.root
def test_twenty_thousand_at_once(world: World, nftables: Nftables, decide: Decide) -> None:
    active = Active()
    now = CLOCK.now()
    for number in range(20_000):
        active.put(decide(f"203.{number >> 16}.{number >> 8 & 255}.{number & 255}", now))
    nftables.apply(active)
    held = nftables.read_back()
    assert not drift(active, held, CLOCK.now(), SECOND)
    assert held == pytest.approx(nftables.read_back(list(active)), abs=TOLERANCE)
    few = list(active)[:100]
    assert set(nftables.read_back([*few, target_of("198.18.0.2")])) == set(few)
    for target in list(active):
        active.drop(target)
    nftables.apply(active)
    assert nftables.read_back() == {}


_TARGETS = (
    "198.18.0.2",
    "198.18.0.3",
    "198.18.0.0/16",
    "198.18.7.0/24",
    "2001:db8::1",
    "2001:db8::/32",
    "::1.2.3.4",
)
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(_TARGETS), st.sampled_from(("block", "brief", "count", "drop", "wait", "tamper"))
    ),
    max_size=12,
)


@pytest.mark.root
@given(steps=_STEPS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_kernel_agrees_whatever_happens(
    world: World, nftables: Nftables, decide: Decide, steps: list[tuple[str, str]]
) -> None:
    active = Active()
    nftables.apply(active)
    for text, step in steps:
        target = target_of(text)
        match step:
            case "block":
                active.put(decide(text, CLOCK.now(), seconds=30 + len(active)))
            case "brief":
                active.put(decide(text, CLOCK.now(), seconds=0.03))
            case "count":
                active.put(decide(text, CLOCK.now(), action="count"))
            case "drop":
                active.drop(target)
            case "wait":
                time.sleep(0.04)
                active.expire(CLOCK.now())
            case "tamper":
                world.nft(
                    "add set inet propolis v4 { type ipv4_addr; flags timeout; }",
                    "flush set inet propolis v4",
                )
        nftables.apply(active, whole=step == "tamper")
        assert not drift(active, nftables.read_back(), CLOCK.now(), TOLERANCE)
        assert set(nftables.read_back([target])) <= {target}


@pytest.mark.root
def test_a_table_of_somebody_else_is_refused_with_the_cure(world: World, tmp_path: Path) -> None:
    world.nft("table inet propolis { set v4 { type inet_service; }; }")
    with pytest.raises(EnforcerError, match=r"enforcers\.nftables\.table"):
        enforcer(world, tmp_path)


@pytest.mark.root
def test_without_rights_the_cure_names_the_dry_run(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from propolis import config; from propolis.clock import SystemClock\n"
        "from propolis.enforcers import Nftables\n"
        f"Nftables(config.Enforcers(), SystemClock(), Path({str(tmp_path)!r})).open()"
    )
    ended = subprocess.run(
        (
            "setpriv",
            "--bounding-set",
            "-net_admin",
            "--inh-caps",
            "-net_admin",
            sys.executable,
            "-c",
            program,
        ),
        check=False,
        capture_output=True,
        text=True,
    )
    assert "EnforcerError" in ended.stderr
    assert "Operation not permitted" in ended.stderr
    assert "dry-run" in ended.stderr


def test_without_the_namespace_the_cure_names_it(tmp_path: Path) -> None:
    nftables = Nftables(config.Enforcers(nftables=config.Nftables(namespace="pe-none")), CLOCK, tmp_path)
    with pytest.raises(EnforcerError, match=r"ip netns add pe-none.*dry-run"):
        nftables.open()
    with pytest.raises(EnforcerError, match="not open"):
        nftables.apply(Active())


def test_every_set_has_its_rule_on_every_hook() -> None:
    text = ruleset("hive", -10, {"v4", "v6", "v4net24", "v6net64"})
    for hook in ("input", "forward"):
        assert (
            f"add chain inet hive {hook} {{ type filter hook {hook} priority -10; policy accept; }}" in text
        )
        for rule in (
            "ip saddr @v4 counter name v4 drop",
            "ip6 saddr @v6 counter name v6 drop",
            "ip saddr & 255.255.255.0 @v4net24 counter name v4net drop",
            "ip6 saddr & ffff:ffff:ffff:ffff:: @v6net64 counter name v6net drop",
        ):
            assert f"add rule inet hive {hook} {rule}" in text


def test_a_transaction_never_ends_a_block_early_and_never_leaves_a_gap() -> None:
    new, longer, over = target_of("198.18.0.2"), target_of("198.18.7.0/24"), target_of("2001:db8::1")
    changes = (Change(new, 0, 1_500_000_001), Change(longer, 5, 9 * SECOND), Change(over, SECOND, 0))
    assert transaction("hive", changes, 0).splitlines() == [
        "add element inet hive v4 { 198.18.0.2 timeout 1s521ms }",
        "add element inet hive v4net24 { 198.18.7.0 timeout 9s20ms }",
        "add element inet hive v6 { 2001:db8::1 timeout 1s20ms }",
        "delete element inet hive v4net24 { 198.18.7.0 }",
        "delete element inet hive v6 { 2001:db8::1 }",
        "add element inet hive v4net24 { 198.18.7.0 timeout 9s20ms }",
    ]
