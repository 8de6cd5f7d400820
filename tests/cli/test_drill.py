import pytest

from installation import IS_REAL, SOURCES, Drilled, Installation, until
from propolis.cli.drill import _attacks
from propolis.errors import PropolisError

pytestmark = pytest.mark.xdist_group("installation")


def test_a_drill_blocks_every_attacker_and_says_how(drilled: Drilled) -> None:
    result = drilled.result
    assert (result["sources"], result["blocked"], result["failed"], result["missed"]) == (
        SOURCES,
        SOURCES,
        0,
        [],
    )
    assert result["enforcer"] == (
        "nftables: real drops in a network namespace of the drill's own"
        if IS_REAL
        else "dry-run: dry run, nothing is dropped"
    )
    assert result["attacks"].keys() == {"http-exploit"}
    assert {name: spread["n"] for name, spread in result["stages"].items()} == dict.fromkeys(
        ("detect", "decide", "enforce", "total"), SOURCES
    )
    assert len(drilled.held) == SOURCES
    assert all(decision["target"]["value"].startswith("127.") for decision in drilled.held)
    assert all(decision["scope"] == ["drill"] for decision in drilled.held)


def test_a_drill_for_people(installation: Installation) -> None:
    words = installation.say("drill", "--sources", "2", "--attack", "telnet-login", "--seed", "11")
    assert words.startswith("2 of 2 attackers blocked (")
    assert "first packet → read back" in words
    assert "telnet-login" in words


def test_what_a_drill_did_is_in_the_lake(installation: Installation, drilled: Drilled) -> None:
    sources = ", ".join(f"'{decision['target']['value']}'" for decision in drilled.held)
    query = f"SELECT count(*) AS n FROM interaction WHERE source_ip IN ({sources})"
    assert until(lambda: installation.hunt(query)[0]["n"] == SOURCES)


@pytest.mark.parametrize("target", ["192.0.2.1", "localhost"])
def test_a_drill_attacks_nobody_else(installation: Installation, target: str) -> None:
    assert installation.mistake("drill", "--target", target) == (
        f"propolis: a drill attacks loopback only (127.0.0.0/8), never '{target}'"
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--sources", "0"), "--sources 0: choose 1 to 60000"),
        (
            ("--attack", "redis-takeover"),
            "no lure listens that these attacks are for; there are http, telnet",
        ),
    ],
)
def test_a_drill_that_cannot_be(installation: Installation, arguments: tuple[str, ...], told: str) -> None:
    assert installation.mistake("drill", *arguments) == f"propolis: {told}"


def test_without_a_word_every_attack_whose_lure_listens() -> None:
    assert [attack.name for attack in _attacks({"telnet": 23, "redis": 6379}, ())] == [
        "redis-takeover",
        "telnet-login",
    ]
    assert [attack.name for attack in _attacks({"telnet": 23, "ssh": 22}, ("ssh-login",))] == ["ssh-login"]
    with pytest.raises(PropolisError, match="there are tcp"):
        _attacks({"tcp": 21}, ())
