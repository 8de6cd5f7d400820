import asyncio
import ipaddress
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.clock import SECOND, ManualClock
from propolis.detection import proof as module
from propolis.detection.proof import (
    MAX_NAMES,
    MAX_PROOFS,
    OPERATORS,
    PROVED_SECONDS,
    UNPROVED_SECONDS,
    Dns,
    Operator,
    Proof,
    Prover,
    is_below,
)

Zone = Mapping[tuple[str, str], Sequence[str]]

CRAWLER, FORGED, STRANGER = "198.51.100.10", "198.51.100.66", "203.0.113.9"
ZONE: Zone = {
    ("10.100.51.198.in-addr.arpa.", "PTR"): ["crawl-10.googlebot.com."],
    ("crawl-10.googlebot.com.", "A"): [CRAWLER],
    ("66.100.51.198.in-addr.arpa.", "PTR"): [
        "crawl-66.googlebot.com."
    ],  # its owner writes there what he likes
    ("crawl-66.googlebot.com.", "A"): [CRAWLER],
    ("9.113.0.203.in-addr.arpa.", "PTR"): ["googlebot.com.evil.example.", "fakegooglebot.com."],
    ("googlebot.com.evil.example.", "A"): [STRANGER],
    ("fakegooglebot.com.", "A"): [STRANGER],
    (f"{ipaddress.ip_address('2001:db8::1').reverse_pointer}.", "PTR"): ["crawl-6.googlebot.com."],
    ("crawl-6.googlebot.com.", "AAAA"): ["2001:db8::1"],
}
SEARCH = Proof("Google", "search", "crawl-10.googlebot.com")


class Server(asyncio.DatagramProtocol):
    """A name server on loopback that speaks the real protocol (RFC 1035); None as a zone: it answers nothing."""

    def __init__(self, zone: Zone | None) -> None:
        self.zone = zone
        self.asked: list[str] = []
        self.transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        (question,) = query.question
        kind = dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{kind} {question.name}")
        if self.zone is None:
            return
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        records = self.zone.get((str(question.name).lower(), kind), ())
        if records:
            answer.answer.append(
                dns.rrset.from_text(question.name, 60, dns.rdataclass.IN, question.rdtype, *records)
            )
        else:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(answer.to_wire(), peer)


@asynccontextmanager
async def serving(zone: Zone | None) -> AsyncIterator[tuple[Server, Dns]]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(lambda: Server(zone), local_addr=("127.0.0.1", 0))
    try:
        yield server, Dns([("127.0.0.1", transport.get_extra_info("sockname")[1])])
    finally:
        transport.close()


async def proved(address: str, zone: Zone = ZONE) -> Proof | None:
    async with serving(zone) as (_, resolver):
        return await Prover(resolver, ManualClock()).prove(address)


async def test_a_search_engine_is_proved_both_ways() -> None:
    assert await proved(CRAWLER) == SEARCH
    assert await proved(f"::ffff:{CRAWLER}") == SEARCH
    assert await proved("2001:db8::1") == Proof("Google", "search", "crawl-6.googlebot.com")


@pytest.mark.parametrize("address", [FORGED, STRANGER, "192.0.2.55", "no address", ""])
async def test_a_name_that_is_claimed_alone_or_only_looks_like_it_proves_nothing(address: str) -> None:
    assert await proved(address) is None


async def test_an_answer_is_remembered_for_a_while() -> None:
    clock = ManualClock()
    async with serving(ZONE) as (server, resolver):
        prover = Prover(resolver, clock)
        for _ in range(3):
            assert await prover.prove(CRAWLER)
            assert await prover.prove(STRANGER) is None
        assert len(server.asked) == 3
        clock.advance((UNPROVED_SECONDS + 1) * SECOND)
        await prover.prove(CRAWLER)
        await prover.prove(STRANGER)
        assert len(server.asked) == 4
        clock.advance((PROVED_SECONDS + 1) * SECOND)
        await prover.prove(CRAWLER)
        assert len(server.asked) == 6


async def test_who_writes_thousands_of_names_costs_a_few_questions() -> None:
    names = [f"crawl-{number}.googlebot.com." for number in range(20)]
    zone = {**ZONE, ("66.100.51.198.in-addr.arpa.", "PTR"): names}
    async with serving(zone) as (server, resolver):
        assert await Prover(resolver, ManualClock()).prove(FORGED) is None
    assert len(server.asked) <= 1 + MAX_NAMES


async def test_a_server_that_is_silent_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOKUP_SECONDS", 0.2)
    async with serving(None) as (server, resolver):
        assert await Prover(resolver, ManualClock()).prove(CRAWLER) is None
    assert server.asked


async def test_a_published_network_and_our_own_need_no_question() -> None:
    own = Operator("Monitoring", "own", "propolis.toml", networks=(ipaddress.ip_network("192.0.2.0/24"),))
    async with serving({}) as (server, resolver):
        prover = Prover(resolver, ManualClock(), (*OPERATORS, own))
        assert await prover.prove("192.0.2.7") == Proof("Monitoring", "own", "192.0.2.0/24")
        assert await prover.prove("::ffff:192.0.2.7") is not None
    assert server.asked == []


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PROOFS", 5)
    async with serving({}) as (_, resolver):
        prover = Prover(resolver, ManualClock())
        for number in range(9):
            await prover.prove(f"198.18.0.{number}")
        assert len(prover._known) == 5
    assert MAX_PROOFS > 5


@settings(max_examples=50)
@given(st.text(max_size=30), st.text(max_size=20))
def test_only_whole_labels_count(name: str, prefix: str) -> None:
    assert is_below(f"{name}.googlebot.com", ["googlebot.com"])
    if not prefix.endswith("."):
        assert is_below(f"{prefix}googlebot.com", ["googlebot.com"]) == (prefix == "")


def test_no_operator_is_named_twice_or_proves_by_nothing() -> None:
    assert len({operator.name for operator in OPERATORS}) == len(OPERATORS)
    assert all((operator.domains or operator.networks) and operator.source for operator in OPERATORS)
