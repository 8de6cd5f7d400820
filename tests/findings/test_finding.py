"""A finding survives the stream, keeps its id over a replay, and nothing else is taken for one."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nouns import findings
from propolis.errors import CodecError
from propolis.findings import GRADES, SEVERITIES, Finding, decode, encode, finding_id
from propolis.findings.finding import VERSION

LATER = ("technique", "cve", "kind", "alternatives", "version")
"""Fields with a default: what an older version did not write yet."""


def changed(finding: Finding, **fields: object) -> bytes:
    return msgspec.json.encode([{**msgspec.to_builtins(finding), **fields}])


@settings(max_examples=100)
@given(batch=st.lists(findings(), max_size=3).map(tuple))
def test_findings_come_back_as_they_went(batch: tuple[Finding, ...]) -> None:
    assert decode(encode(batch)) == batch


@settings(max_examples=30)
@given(finding=findings())
def test_an_older_finding_is_read(finding: Finding) -> None:
    older = {name: value for name, value in msgspec.to_builtins(finding).items() if name not in LATER}
    (read,) = decode(msgspec.json.encode([older]))
    assert (read.id, read.cve, read.technique) == (finding.id, (), "")
    assert (read.kind, read.alternatives) == ("", ())


@settings(max_examples=30)
@given(finding=findings())
def test_a_fault_is_located(finding: Finding) -> None:
    with pytest.raises(CodecError, match=r"findings: \$\[0\]\.grade"):
        decode(changed(finding, grade="certain"))
    with pytest.raises(CodecError, match=r"findings: \$\[0\]\.count"):
        decode(changed(finding, count="many"))
    with pytest.raises(CodecError, match="mood"):
        decode(changed(finding, mood="calm"))
    with pytest.raises(CodecError, match=r"version: is 3, newer than 2: update this host"):
        decode(changed(finding, version=VERSION + 1))


@settings(max_examples=300)
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode(errors="replace")))
def test_any_bytes_are_refused(data: bytes) -> None:
    try:
        read = decode(data)
    except CodecError as error:
        assert error.where  # noqa: PT017 - an empty array is the one thing arbitrary bytes may be
        return
    assert read == ()


@settings(max_examples=200)
@given(finding=findings(), data=st.data())
def test_a_damaged_finding_is_refused_or_sound(finding: Finding, data: st.DataObject) -> None:
    message = bytearray(encode((finding,)))
    place = data.draw(st.integers(0, len(message) - 1))
    message[place] = data.draw(st.integers(0, 255))
    message = message[: data.draw(st.integers(0, len(message)) | st.just(len(message)))]
    try:
        read = decode(bytes(message))
    except CodecError:
        return
    assert decode(encode(read)) == read


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(CodecError):
        decode(b"[" * 100_000)


def test_the_same_pattern_has_the_same_id() -> None:
    assert finding_id("scan", "198.18.0.1", 5) == finding_id("scan", "198.18.0.1", 5)
    others = {
        finding_id("scan", "198.18.0.1", 6),
        finding_id("scan", "198.18.0.2", 5),
        finding_id("scan\0", "198", 5),
    }
    assert len(others | {finding_id("scan", "198.18.0.1", 5)}) == 4
    assert len(finding_id("", "", 0)) == 32


def test_grades_and_severities_are_in_order_mildest_first() -> None:
    assert GRADES == ("seen", "scan", "attempt", "confirmed")
    assert SEVERITIES == ("informational", "low", "medium", "high", "critical")
