import numpy as np
import pytest

from batches import batch_of, opens, tries
from facts import flow
from propolis.detection.behaviours.keyed.flows import Flows
from propolis.detection.behaviours.keyed.rekey import key_of, of_flows, of_interactions
from propolis.events import ClientIdentified, Event, PayloadReceived, TlsOffered
from propolis.events.flow import to_batch
from propolis.events.key import KEY_KINDS, SCHEMA, decode, encode

KEY = np.array([1, 2], np.uint64)


def kinds(batch: object) -> list[str]:
    return [KEY_KINDS[code] for code in batch.column("kind").to_pylist()]  # type: ignore[attr-defined]


def test_two_sources_with_one_thing_share_a_key() -> None:
    rows = [*tries("192.0.2.7", 2), *opens("192.0.2.7", 22), *tries("192.0.2.8", 1)]
    keys = of_interactions(batch_of(rows))
    first, second, third = keys.column("key").to_pylist()
    assert first == third != second
    assert keys.schema.equals(SCHEMA, check_metadata=True)
    assert decode(encode(keys)).equals(keys)


@pytest.mark.parametrize(
    ("event", "made"),
    [
        (PayloadReceived(b"x" * 16), ["payload"]),
        (PayloadReceived(b"hello"), []),
        (ClientIdentified("OpenSSH", "ec7378c1a92f5a8dde7e8b7a1ddf33d1"), ["fingerprint"]),
        (TlsOffered("t13d1516h2_8daaf6152771_e5627efa2ab1", "", "", "", b""), ["fingerprint"]),
        (TlsOffered("", "", "", "", b""), []),
    ],
)
def test_what_has_something_to_share(event: Event, made: list[str]) -> None:
    assert kinds(of_interactions(batch_of([("192.0.2.7", event)]))) == made
    assert kinds(of_interactions(batch_of([("192.0.2.7", event)], evidence_class="spoofable"))) == []


def test_the_parts_of_a_key_are_not_run_together() -> None:
    assert key_of("credential", b"ab", b"c") != key_of("credential", b"a", b"bc")
    assert key_of("payload", b"a") != key_of("ports", b"a")
    assert len(key_of("payload", b"a")) == 16


def test_the_ports_a_source_looked_for_in_vain_are_a_set() -> None:
    flows = [flow(n, port, "refused", source=source) for n, (source, port) in enumerate(
        [("192.0.2.7", 22), ("192.0.2.8", 445), ("192.0.2.7", 80), ("192.0.2.8", 80), ("192.0.2.7", 445),
         ("192.0.2.8", 22), ("192.0.2.9", 22), ("192.0.2.9", 80)]
    )]  # fmt: skip
    batch = to_batch([*flows, flow(1, 443, "established", source="192.0.2.9")])
    keys = of_flows(batch, Flows(batch, KEY))
    assert kinds(keys) == ["ports", "ports"]
    assert len(set(keys.column("key").to_pylist())) == 1


def test_nothing_in_vain_is_no_set() -> None:
    batch = to_batch([flow(outcome="established")])
    assert of_flows(batch, Flows(batch, KEY)).num_rows == 0
