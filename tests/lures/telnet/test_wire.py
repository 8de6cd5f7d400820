from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.lures.telnet.wire import (
    AYT,
    DO,
    NAWS,
    NEW_ENVIRON,
    SUBNEGOTIATION_BYTES,
    VARIABLES,
    WILL,
    Command,
    Data,
    Negotiation,
    Parser,
    Subnegotiation,
    Token,
    environment,
)

STREAM = b"ro\xff\xfb\x18\xff\xfa\x1f\x00\x50\xff\xff\x18\xff\xf0ot\xff\xff\xff\xf6\xff\xfd\x01"
TOKENS: list[Token] = [
    Data(b"ro"),
    Negotiation(WILL, 24),
    Subnegotiation(NAWS, b"\x00\x50\xff\x18"),
    Data(b"ot"),
    Data(b"\xff"),
    Command(AYT),
    Negotiation(DO, 1),
]


def joined(tokens: list[Token]) -> list[Token]:
    """Neighbouring data as one."""
    out: list[Token] = []
    for token in tokens:
        if isinstance(token, Data) and out and isinstance(out[-1], Data):
            out[-1] = Data(out[-1].content + token.content)
        else:
            out.append(token)
    return out


@given(st.lists(st.integers(0, len(STREAM) - 1), max_size=10))
def test_a_stream_is_the_same_however_it_is_split(cuts: list[int]) -> None:
    parser = Parser()
    edges = sorted({0, *cuts, len(STREAM)})
    tokens = [token for a, b in pairwise(edges) for token in parser.feed(STREAM[a:b])]
    assert joined(tokens) == joined(TOKENS)


def test_a_subnegotiation_without_end_is_cut() -> None:
    parser = Parser()
    tokens = [token for _ in range(6) for token in parser.feed(b"\xff\xfa\x27" + b"x" * 1_000)]
    assert any(isinstance(token, Subnegotiation) and token.is_cut for token in tokens)
    assert all(
        len(token.content) <= SUBNEGOTIATION_BYTES for token in tokens if isinstance(token, Subnegotiation)
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\0\0USER\x01-f root", {"USER": "-f root"}),
        (b"\0\x03A\x01b\0C\x01d\0E", {"A": "b", "C": "d", "E": ""}),
        (b"\0\0A\x02\x01B\x01c\x02\0d", {"A\x01B": "c\0d"}),
        (b"\0", {}),
        (b"", {}),
    ],
)
def test_environments(content: bytes, expected: dict[str, str]) -> None:
    assert environment(content) == expected


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_any_environment_is_bounded(content: bytes) -> None:
    assert len(environment(content * 20)) <= VARIABLES


@given(
    st.lists(
        st.binary(max_size=30) | st.sampled_from([b"\xff", b"\xff\xfa", b"\xff\xf0", b"\xff\xfb"]),
        max_size=20,
    )
)
@settings(max_examples=300)
def test_any_bytes_are_read(parts: list[bytes]) -> None:
    parser = Parser()
    for part in parts:
        for token in parser.feed(part):
            if isinstance(token, Subnegotiation) and token.option == NEW_ENVIRON:
                environment(token.content)
