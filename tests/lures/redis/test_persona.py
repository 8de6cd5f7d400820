from hypothesis import given
from hypothesis import strategies as st

from propolis.lures.redis.persona import name_of, subcommands, table, tree_of, value_of
from propolis.lures.redis.wire import NULL_ARRAY, Error, Many, Status, Verbatim

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.binary(max_size=9),
    st.builds(Verbatim, st.binary(max_size=9)),
    st.just(NULL_ARRAY),
)


@given(
    st.recursive(
        LEAVES,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.builds(Many, st.just("~"), st.lists(inner, max_size=3))
        ),
    )
)
def test_a_tree_is_what_it_stands_for(value: object) -> None:
    assert value_of(tree_of(value)) == value  # type: ignore[arg-type]  # a recursive alias


def test_statuses_and_errors_are_kept() -> None:
    for value in (Status("OK"), Error("ERR x")):
        assert value_of(tree_of(value)) == value


def test_the_table_knows_commands_and_subcommands() -> None:
    found = table("debian12")
    assert found.persona.version == "7.0.15"
    assert len(found.persona.commands) == 240
    assert found.shapes[b"config|set"].arity == -4
    assert "write" in found.shapes[b"set"].flags
    assert b"config" in found.containers
    entry = value_of(found.persona.commands["object"].entry)
    assert b"object|freq" in [name_of(inner) for inner in subcommands(entry)]


def test_an_unknown_persona_is_the_default() -> None:
    assert table("nope").persona == table("debian12").persona
