"""Hypothesis strategies for the three nouns: any value that a sensor, a detector or a policy could write."""

from hypothesis import strategies as st

from propolis.decisions import ACTIONS, Acknowledgement, Decision, Target, decision_id, target_of
from propolis.events import (
    KINDS,
    ClientIdentified,
    CommandRun,
    Connection,
    ConnectionClosed,
    ConnectionOpened,
    CredentialTried,
    Event,
    Interaction,
    Malformed,
    PayloadReceived,
    RequestReceived,
    TlsOffered,
    pack,
    shard_of,
)
from propolis.findings import GRADES, SEVERITIES, Evidence, Finding, finding_id

NOW = 1_700_000_000_000_000_000
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
payloads = st.binary(max_size=120)
ports = st.integers(0, 65_535)
counts = st.integers(0, 2**40)
nanoseconds = st.integers(0, 2**62)
addresses = st.ip_addresses().map(lambda address: pack(str(address)))
classes = st.sampled_from(("dialogue", "handshake", "spoofable"))


@st.composite
def connections(draw: st.DrawFn) -> Connection:
    source = draw(addresses)
    return Connection(
        id=draw(st.binary(min_size=16, max_size=16)),
        opened=draw(nanoseconds),
        sensor=draw(st.sampled_from(("edge-1", "edge-2"))),
        lure=draw(st.sampled_from(("http", "redis", "ssh", "tcp", "telnet"))),
        source_ip=source,
        source_port=draw(ports),
        target_ip=draw(addresses),
        target_port=draw(ports),
        shard=shard_of(source),
        evidence_class=draw(classes),
    )


BY_KIND: dict[type[Event], st.SearchStrategy[Event]] = {
    ConnectionOpened: st.builds(ConnectionOpened),
    ConnectionClosed: st.builds(
        ConnectionClosed, bytes_in=counts, bytes_out=counts, duration=counts, reason=texts
    ),
    ClientIdentified: st.builds(
        ClientIdentified, software=texts, fingerprint=texts | st.from_regex(r"[0-9a-f]{32}", fullmatch=True)
    ),
    CredentialTried: st.builds(
        CredentialTried,
        username=texts,
        secret=texts,
        method=st.sampled_from(("password", "publickey", "Basic", "digest")) | texts,
        accepted=st.booleans(),
        payload=payloads,
    ),
    CommandRun: st.builds(CommandRun, command=texts, payload=payloads),
    TlsOffered: st.builds(
        TlsOffered,
        ja4=texts | st.just("t13d1516h2_8daaf6152771_e5627efa2ab1"),
        ja3=texts | st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
        sni=texts,
        alpn=texts,
        payload=payloads,
    ),
    RequestReceived: st.builds(
        RequestReceived,
        method=st.sampled_from(("GET", "POST", "PROPFIND")) | texts,
        path=texts,
        host=texts,
        user_agent=texts,
        payload=payloads,
        body_offset=st.integers(0, 2**31 - 1),
        fingerprint=texts | st.just("ge11nn07enus_" + "_".join(["0123456789ab"] * 3)),
        flaws=texts | st.just("hadoop-yarn/submit:950 log4shell/header:410"),
        extracted=texts | st.just('{"url":["http://198.18.0.9/x.sh"]}'),
        answered=texts | st.just("hadoop-yarn/submit"),
    ),
    PayloadReceived: st.builds(PayloadReceived, payload=payloads),
    Malformed: st.builds(Malformed, reason=texts, payload=payloads),
}
"""One strategy a kind; ``tests/events/test_kinds.py`` holds that none is missing."""

events = st.one_of(*(BY_KIND[kind] for kind in KINDS if kind in BY_KIND))


def interactions(event: st.SearchStrategy[Event] = events) -> st.SearchStrategy[Interaction]:
    return st.builds(
        Interaction, time=nanoseconds, connection=connections(), ordinal=st.integers(0, 0xFFFF), event=event
    )


sources = st.ip_addresses().map(str)
evidences = st.builds(
    Evidence,
    event=st.uuids().map(str),
    time=nanoseconds,
    sequence=counts,
    row=st.integers(0, 1_000),
    summary=texts,
)


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    source = draw(sources)
    rule = draw(st.sampled_from(("ssh-guessing", "cve-2021-44228", "scan")))
    first = draw(st.integers(0, 2**61))
    return Finding(
        id=finding_id(rule, source, first),
        rule=rule,
        title=draw(texts),
        source=source,
        shard=shard_of(pack(source)),
        grade=draw(st.sampled_from(GRADES)),
        severity=draw(st.sampled_from(SEVERITIES)),
        confidence=draw(st.integers(0, 100)),
        evidence_class=draw(classes),
        first_seen=first,
        last_seen=first + draw(counts),
        found=first + draw(counts),
        count=draw(counts),
        sensors=tuple(draw(st.lists(texts, max_size=3))),
        lures=tuple(draw(st.lists(texts, max_size=3))),
        evidence=tuple(draw(st.lists(evidences, max_size=3))),
        technique=draw(st.sampled_from(("", "T1110", "T1110.001"))),
        cve=tuple(draw(st.lists(st.sampled_from(("CVE-2021-44228", "CVE-2024-3400")), max_size=2))),
        kind=draw(st.sampled_from(("", "sqli", "traversal"))),
        alternatives=tuple(draw(st.lists(st.sampled_from(("box/ask:812", "sql-injection:92")), max_size=2))),
    )


@st.composite
def targets(draw: st.DrawFn) -> Target:
    address = draw(st.ip_addresses())
    bits = draw(st.integers(1, address.max_prefixlen))
    return target_of(f"{address}/{bits}")


@st.composite
def decisions(draw: st.DrawFn) -> Decision:
    finding = draw(findings())
    target = draw(targets())
    since = finding.found
    return Decision(
        id=decision_id(finding.id, target, since),
        target=target,
        action=draw(st.sampled_from(ACTIONS)),
        state=draw(st.sampled_from(("shadow", "active", "expired", "revoked", "refused"))),
        since=since,
        until=since + draw(st.integers(1, 2**50)),
        reason=draw(texts.filter(bool)),
        finding=finding.id,
        rule=finding.rule,
        grade=finding.grade,
        confidence=finding.confidence,
        evidence_class=finding.evidence_class,
        first_packet=finding.first_seen,
        found=finding.found,
        decided=since,
        by=draw(texts),
        scope=tuple(draw(st.lists(texts, max_size=2))),
        step=draw(st.integers(0, 100)),
        revision=draw(st.integers(1, 1_000)),
    )


@st.composite
def acknowledgements(draw: st.DrawFn) -> Acknowledgement:
    decision = draw(decisions())
    return Acknowledgement(
        decision=decision.id,
        revision=decision.revision,
        target=decision.target,
        rule=decision.rule,
        enforcer=draw(texts),
        host=draw(texts),
        holds=draw(st.booleans()),
        first_packet=decision.first_packet,
        found=decision.found,
        decided=decision.decided,
        applied=draw(nanoseconds),
        clock_error=draw(counts),
    )
