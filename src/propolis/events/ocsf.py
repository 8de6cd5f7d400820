"""Events as OCSF 1.7 (schema.ocsf.io): what any SIEM that speaks the Open Cybersecurity Schema Framework reads.

====================================  ================================================================
kind                                  OCSF class
====================================  ================================================================
ConnectionOpened, ConnectionClosed,   Network Activity 4001, SSH Activity 4007 for the ``ssh`` lure
ClientIdentified, TlsOffered,
PayloadReceived, Malformed
CredentialTried                       Authentication 3002
CommandRun                            Datastore Activity 6005 for ``redis``, else Process Activity 1007
RequestReceived                       HTTP Activity 4002
====================================  ================================================================

What OCSF has no name for stands under ``unmapped``. Times are milliseconds, as OCSF's ``timestamp_t`` is.
"""

import hashlib
import re
from typing import Any, Literal, TypeAlias, assert_never
from uuid import UUID

from propolis.clock import MILLISECOND
from propolis.events.address import unpack
from propolis.events.interaction import event_id
from propolis.events.kinds import (
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
)

Ocsf: TypeAlias = dict[str, Any]
"""One OCSF event: strings, numbers, lists and dictionaries, ready for any JSON encoder."""

OCSF_VERSION = "1.7.0"

ClassUid: TypeAlias = Literal[1007, 2004, 3002, 4001, 4002, 4007, 6005, 7004]

_OPEN, _CLOSE, _TRAFFIC = 1, 2, 6  # activities of Network Activity
_LOGON, _LAUNCH, _QUERY = 1, 1, 4
_SUCCESS, _FAILURE = 1, 2
_INFORMATIONAL = 1
_INBOUND = 1
_NETWORK_LOGON = 3
_OTHER = 99
_METHODS = {
    "CONNECT": 1, "DELETE": 2, "GET": 3, "HEAD": 4, "OPTIONS": 5, "POST": 6, "PUT": 7, "TRACE": 8, "PATCH": 9,
}  # fmt: skip
_AUTH_PROTOCOLS = {"digest": 3, "basic": 11, "ldap": 12}
_MD5 = re.compile(r"[0-9a-f]{32}")  # a HASSH is one, and a JA3
_JA4H = re.compile(r"[a-z]{2}\d\d[cn][rn]\d\d[0-9a-z]{4}(_[0-9a-f]{12}){3}")
_JA4_TYPE, _JA4H_TYPE = 1, 3
_TLS_VERSIONS = {"13": "1.3", "12": "1.2", "11": "1.1", "10": "1.0", "s3": "SSL 3.0", "s2": "SSL 2.0"}
"""What the second and third character of a JA4 say."""


def to_ocsf(row: Interaction) -> Ocsf:
    """One event as an OCSF event; ``metadata.uid`` is the event's id."""
    classed = _classed(row)
    connection = row.connection
    unmapped = {
        "kind": type(row.event).__name__,
        "lure": connection.lure,
        "evidence_class": connection.evidence_class,
        "shard": connection.shard,
        **classed.pop("unmapped", {}),
    }
    head = ocsf_head(
        classed.pop("class_uid"), classed.pop("activity_id"), row.time, str(UUID(bytes=event_id(row)))
    )
    head["metadata"] |= {"log_name": connection.sensor, "correlation_uid": str(UUID(bytes=connection.id))}
    return {**head, **classed, **_payload(row.event), "unmapped": unmapped}


def ocsf_head(
    class_uid: ClassUid, activity_id: int, time: int, uid: str, severity_id: int = _INFORMATIONAL
) -> Ocsf:
    """What every OCSF event begins with. ``time`` is UTC nanoseconds, ``uid`` identifies the event."""
    return {
        "class_uid": class_uid,
        "category_uid": class_uid // 1_000,
        "activity_id": activity_id,
        "type_uid": class_uid * 100 + activity_id,
        "severity_id": severity_id,
        "time": time // MILLISECOND,
        "metadata": {
            "version": OCSF_VERSION,
            "uid": uid,
            "product": {"name": "Propolis", "vendor_name": "Propolis"},
        },
    }


def _classed(row: Interaction) -> Ocsf:
    """Class, activity and the attributes that only this kind has."""
    connection, event = row.connection, row.event
    match event:
        case ConnectionOpened():
            return _network(connection, _OPEN)
        case ConnectionClosed():
            return _closed(row, event)
        case ClientIdentified():
            return _identified(connection, event)
        case CredentialTried():
            return _credential(connection, event)
        case CommandRun():
            return _command(connection, event)
        case TlsOffered():
            return _hello(connection, event)
        case RequestReceived():
            return _request(connection, event)
        case PayloadReceived():
            return _network(connection, _TRAFFIC)
        case Malformed():
            return _network(connection, _TRAFFIC) | {"status_id": _FAILURE, "status_detail": event.reason}
        case _:
            assert_never(event)


def _network(connection: Connection, activity_id: int, class_uid: ClassUid | None = None) -> Ocsf:
    return {
        "class_uid": class_uid or (4007 if connection.lure == "ssh" else 4001),
        "activity_id": activity_id,
        "app_name": connection.lure,
        "connection_info": {
            "direction_id": _INBOUND,
            "protocol_name": "tcp",
            "protocol_num": 6,
            "uid": str(UUID(bytes=connection.id)),
        },
        **_endpoints(connection),
    }


def _endpoints(connection: Connection) -> Ocsf:
    return {
        "src_endpoint": {"ip": unpack(connection.source_ip), "port": connection.source_port},
        "dst_endpoint": {
            "ip": unpack(connection.target_ip),
            "port": connection.target_port,
            "hostname": connection.sensor,
            "svc_name": connection.lure,
        },
    }


def _closed(row: Interaction, event: ConnectionClosed) -> Ocsf:
    # OCSF counts from the client's side: its bytes_in went from destination to source (dictionary, bytes_in)
    traffic = {
        "bytes_in": event.bytes_out,
        "bytes_out": event.bytes_in,
        "bytes": event.bytes_in + event.bytes_out,
    }
    return _network(row.connection, _CLOSE) | {
        "traffic": traffic,
        "duration": event.duration // MILLISECOND,
        "start_time": row.connection.opened // MILLISECOND,
        "end_time": row.time // MILLISECOND,
        "status_detail": event.reason,
    }


def _identified(connection: Connection, event: ClientIdentified) -> Ocsf:
    classed = _network(connection, _TRAFFIC) | {"unmapped": {"software": event.software}}
    if connection.lure == "ssh" and _MD5.fullmatch(event.fingerprint):
        classed["client_hassh"] = {"fingerprint": {"algorithm_id": 1, "value": event.fingerprint}}
    elif event.fingerprint:
        classed["unmapped"]["fingerprint"] = event.fingerprint
    return classed


def _credential(connection: Connection, event: CredentialTried) -> Ocsf:
    return {
        "class_uid": 3002,
        "activity_id": _LOGON,
        "status_id": _SUCCESS if event.accepted else _FAILURE,
        "user": {"name": event.username},
        "service": {"name": connection.lure},
        **_auth_protocol(event.method),
        "logon_type_id": _NETWORK_LOGON,
        "is_remote": True,
        "is_cleartext": connection.lure != "ssh",
        "unmapped": {"secret": event.secret},
        **_endpoints(connection),
    }


def _auth_protocol(method: str) -> Ocsf:
    known = _AUTH_PROTOCOLS.get(method.lower())
    return {"auth_protocol_id": known} if known else {"auth_protocol_id": _OTHER, "auth_protocol": method}


def _command(connection: Connection, event: CommandRun) -> Ocsf:
    if connection.lure == "redis":
        return {
            "class_uid": 6005,
            "activity_id": _QUERY,
            "actor": {"app_name": connection.lure},
            "database": {"name": connection.lure, "type_id": 6},
            "query_info": {"query_string": event.command},
            "type_id": 1,
            **_endpoints(connection),
        }
    ends = _endpoints(connection)
    return {
        "class_uid": 1007,
        "activity_id": _LAUNCH,
        "process": {"cmd_line": event.command},
        "actor": {
            "app_name": connection.lure,
            "session": {"uid": str(UUID(bytes=connection.id)), "is_remote": True},
        },
        "device": {"ip": ends["dst_endpoint"]["ip"], "hostname": connection.sensor, "type_id": 0},
        # Process Activity has no endpoints: the source is an observable, and its port is kept beside
        "observables": [{"name": "src_endpoint.ip", "type_id": 2, "value": ends["src_endpoint"]["ip"]}],
        "unmapped": ends,
    }


def _hello(connection: Connection, event: TlsOffered) -> Ocsf:
    tls: Ocsf = {"version": _TLS_VERSIONS.get(event.ja4[1:3], "unknown"), "sni": event.sni}
    classed = _network(connection, _TRAFFIC) | {"tls": tls, "unmapped": {"alpn": event.alpn}}
    if _MD5.fullmatch(event.ja3):
        tls["ja3_hash"] = {"algorithm_id": 1, "value": event.ja3}
    if event.ja4:
        classed["ja4_fingerprint_list"] = [{"type_id": _JA4_TYPE, "value": event.ja4}]
    return classed


def _request(connection: Connection, event: RequestReceived) -> Ocsf:
    path, _, query = event.path.partition("?")
    request: Ocsf = {
        "user_agent": event.user_agent,
        "length": len(event.payload),
        "body_length": max(0, len(event.payload) - event.body_offset),
        "url": {"hostname": event.host, "path": path, "query_string": query, "url_string": event.path},
    }
    known = {"flaws": event.flaws, "extracted": event.extracted, "answered": event.answered}
    unmapped: Ocsf = {name: text for name, text in known.items() if text}
    if event.method in _METHODS:
        request["http_method"] = event.method
    else:  # OCSF's http_method is one of nine
        unmapped["http_method"] = event.method
    classed = _network(connection, _METHODS.get(event.method, _OTHER), 4002)
    if _JA4H.fullmatch(event.fingerprint):
        classed["ja4_fingerprint_list"] = [{"type_id": _JA4H_TYPE, "value": event.fingerprint}]
    elif event.fingerprint:
        unmapped["fingerprint"] = event.fingerprint
    return {**classed, "http_request": request, "unmapped": unmapped}


def _payload(event: Event) -> Ocsf:
    """What came over the wire, readable (bytes that are no UTF-8 escaped); its size and hash find the exact bytes."""
    payload: bytes = getattr(event, "payload", b"")
    if not payload:
        return {}
    return {
        "raw_data": payload.decode("utf-8", "backslashreplace"),
        "raw_data_size": len(payload),
        "raw_data_hash": {"algorithm_id": 3, "value": hashlib.sha256(payload).hexdigest()},
    }
