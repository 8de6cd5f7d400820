"""Every kind of event is valid OCSF 1.7, and keeps what happened where OCSF's readers look for it."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nouns import BY_KIND, NOW, interactions
from propolis.events import (
    KINDS,
    ClientIdentified,
    CommandRun,
    Connection,
    ConnectionClosed,
    CredentialTried,
    Event,
    Interaction,
    Malformed,
    RequestReceived,
    TlsOffered,
    pack,
)
from propolis.events.ocsf import to_ocsf

CLASSES = {
    1007: "ProcessActivity",
    3002: "Authentication",
    4001: "NetworkActivity",
    4002: "HttpActivity",
    4007: "SshActivity",
    6005: "DatastoreActivity",
}


def mapped(event: Event, lure: str = "ssh") -> dict[str, Any]:
    connection = Connection(
        id=bytes(range(16)),
        opened=NOW,
        sensor="edge-1",
        lure=lure,
        source_ip=pack("198.18.0.7"),
        source_port=40_000,
        target_ip=pack("2001:db8::1"),
        target_port=22,
        shard=3,
        evidence_class="dialogue",
    )
    return to_ocsf(Interaction(NOW + 2_000_000, connection, 1, event))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_every_kind_is_valid_ocsf(kind: type[Event], ocsf: Any, data: st.DataObject) -> None:
    row = data.draw(interactions(BY_KIND[kind]))
    event = to_ocsf(row)
    # OCSF's http_method is a string out of nine; pydantic-ocsf 3.0 takes it for a number
    method = event.get("http_request", {}).pop("http_method", "GET")
    assert method in {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}
    ocsf(CLASSES[event["class_uid"]], event)
    assert event["unmapped"]["kind"] == kind.__name__


def test_a_credential_is_a_failed_logon_from_the_source() -> None:
    event = mapped(CredentialTried("root", "hunter2"), lure="telnet")
    assert (event["class_uid"], event["type_uid"], event["status_id"]) == (3002, 300_201, 2)
    assert event["user"] == {"name": "root"}
    assert event["src_endpoint"] == {"ip": "198.18.0.7", "port": 40_000}
    assert event["is_cleartext"]
    assert event["unmapped"]["secret"] == "hunter2"
    assert event["time"] == NOW // 1_000_000 + 2


def test_a_request_keeps_target_agent_and_bytes() -> None:
    raw = b"GET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n\xff"
    event = mapped(RequestReceived("GET", "/a?b=c", "h", "zgrab", raw, len(raw) - 1), lure="http")
    assert event["type_uid"] == 400_203
    assert event["http_request"]["url"] == {
        "hostname": "h",
        "path": "/a",
        "query_string": "b=c",
        "url_string": "/a?b=c",
    }
    assert event["http_request"]["body_length"] == 1
    assert event["raw_data"].endswith("\\xff")
    assert event["raw_data_size"] == len(raw)


def test_a_request_tells_which_flaw_it_asks_for() -> None:
    quiet = mapped(RequestReceived("GET", "/", "h", "", b"", 0), lure="http")
    assert not {"flaws", "extracted", "answered"} & quiet["unmapped"].keys()
    known = RequestReceived("GET", "/", "h", "", b"", 0, flaws="a/b:9", extracted="{}", answered="a/b")
    unmapped = mapped(known, lure="http")["unmapped"]
    assert (unmapped["flaws"], unmapped["extracted"], unmapped["answered"]) == ("a/b:9", "{}", "a/b")


def test_a_client_hello_keeps_its_fingerprints() -> None:
    offered = TlsOffered(
        "t13d1516h2_8daaf6152771_e5627efa2ab1", "0" * 32, "example.org", "h2,http/1.1", b"\x16"
    )
    event = mapped(offered, lure="http")
    assert (event["class_uid"], event["raw_data_size"]) == (4001, 1)
    assert (event["tls"]["version"], event["tls"]["sni"]) == ("1.3", "example.org")
    assert event["tls"]["ja3_hash"]["value"] == "0" * 32
    assert event["ja4_fingerprint_list"] == [{"type_id": 1, "value": offered.ja4}]
    assert event["unmapped"]["alpn"] == "h2,http/1.1"
    assert "ja4_fingerprint_list" not in mapped(TlsOffered("", "", "", "", b""))


def test_a_command_on_redis_is_a_query_and_in_a_shell_a_process() -> None:
    assert mapped(CommandRun("KEYS *"), lure="redis")["query_info"] == {"query_string": "KEYS *"}
    shell = mapped(CommandRun("uname -a"), lure="ssh")
    assert shell["process"] == {"cmd_line": "uname -a"}
    assert shell["observables"][0]["value"] == "198.18.0.7"


def test_a_hassh_is_one_and_another_fingerprint_is_unmapped() -> None:
    assert "client_hassh" in mapped(ClientIdentified("SSH-2.0-Go", "0" * 32))
    assert mapped(ClientIdentified("x", "odd"))["unmapped"]["fingerprint"] == "odd"


def test_bytes_are_counted_from_the_clients_side() -> None:
    event = mapped(ConnectionClosed(bytes_in=10, bytes_out=200, duration=5_000_000, reason="peer"))
    assert event["traffic"] == {"bytes_in": 200, "bytes_out": 10, "bytes": 210}
    assert (event["type_uid"], event["duration"]) == (400_702, 5)


def test_malformed_bytes_are_a_failure_with_a_reason() -> None:
    event = mapped(Malformed("no length", b"*x"), lure="redis")
    assert (event["class_uid"], event["status_id"], event["status_detail"]) == (4001, 2, "no length")
