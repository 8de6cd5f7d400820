import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogued import flaw
from propolis.detection import knowledge as module
from propolis.detection.knowledge import Knowledge
from propolis.events import pack
from propolis.events.canary import KINDS, Mint
from propolis.flaws.index import Catalogue

MINT = Mint(bytes(32))
KNOWN = Knowledge(Catalogue([flaw("box"), flaw("other", "/other")]), MINT)
ASK = b"GET /box HTTP/1.1\r\nHost: h\r\n\r\n"


def names(column: bytes, message: bytes = b"") -> list[tuple[str, str, int]]:
    return [(known.id, step.id, score) for known, step, score in KNOWN.named(column, message)]


def test_what_the_sensor_named_is_looked_up() -> None:
    assert names(b"other/ask:812 box/ask:7", ASK) == [("other", "ask", 812), ("box", "ask", 7)]


@pytest.mark.parametrize(
    "column",
    [b"", b"newer/ask:9", b"box/none:9", b"box/ask", b"box/ask:x", b"box/ask:1000", b"\xff\xff", b" "],
)
def test_where_the_sensor_says_nothing_known_the_message_is_matched(column: bytes) -> None:
    assert [name for name, _, _ in names(column, ASK)] == ["box"]


def test_a_request_for_nothing_is_named_nothing() -> None:
    assert names(b"", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n") == []
    assert Knowledge().named(b"", ASK) == ()


@pytest.mark.parametrize("kind", KINDS)
def test_a_canary_is_found_in_any_text(kind: str) -> None:
    (canary,) = KNOWN.canaries(b"GET /?a=" + MINT.mint(kind, pack("203.0.113.9")).encode())
    assert (canary.kind, canary.source) == (kind, pack("203.0.113.9"))
    assert Knowledge(mint=Mint(bytes(31) + b"x")).canaries(b"a " + canary.value.encode()) == ()
    assert Knowledge().canaries(canary.value.encode()) == ()


def test_the_search_for_canaries_is_bounded() -> None:
    secrets = [MINT.mint("token", pack(f"203.0.113.{number}")).encode() for number in range(9)]
    assert len(KNOWN.canaries(b" ".join(secrets))) == module.MAX_CANARIES
    assert KNOWN.canaries(b" " * module.CANARY_BYTES + secrets[0]) == ()


@given(st.binary(max_size=80), st.binary(max_size=120))
@settings(max_examples=200, deadline=None)
def test_any_bytes_name_something_or_nothing(column: bytes, message: bytes) -> None:
    assert len(KNOWN.named(column, message)) <= 2
    KNOWN.canaries(message)
