import re

import pytest

from propolis.events import pack
from propolis.flaws.scene import ACCOUNTS, MAX_STEPS, PERSONA_WORDS, BudgetSpentError, Chance, uuid_of
from scenes import a_scene, a_scope

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def test_a_sensor_is_the_same_every_time_and_no_other() -> None:
    words = {
        seed: [word(a_scene(seed=bytes((seed,)))) for word in PERSONA_WORDS.values()] for seed in range(16)
    }
    assert [word(a_scene(seed=b"\0")) for word in PERSONA_WORDS.values()] == words[0]
    assert len({str(each) for each in words.values()}) == 16


@pytest.mark.parametrize("server", ACCOUNTS)
def test_every_server_has_an_account(server: str) -> None:
    scene = a_scene(server=server)
    assert scene.account.user
    is_netbios = re.fullmatch(r"WIN-[0-9A-F]{11}", scene.hostname) is not None
    assert is_netbios == (scene.account.os == "windows")


def test_the_own_address_stands_for_a_missing_host() -> None:
    assert a_scope(b"GET / HTTP/1.0\r\n\r\n").read("host") == b"198.51.100.1"
    assert a_scope().read("host") == b"h.example"


def test_a_visitor_without_an_address_is_nobody() -> None:
    assert a_scene(source_ip="a pipe").source == bytes(16)
    assert a_scene().source == pack("203.0.113.9")


def test_chance_is_a_stream_of_its_own() -> None:
    one, again, other = Chance(b"k", b"p"), Chance(b"k", b"p"), Chance(b"k", b"q")
    whole = one.take(100)
    assert whole == again.take(40) + again.take(60)
    assert whole != other.take(100)
    assert set(one.pick(b"ab", 64)) == set(b"ab")


def test_work_is_counted() -> None:
    scope = a_scope()
    for _ in range(MAX_STEPS):
        scope.spend(1)
    with pytest.raises(BudgetSpentError):
        scope.spend(1)
    with pytest.raises(BudgetSpentError):
        a_scope().spend(1 << 40)


def test_a_uuid_has_its_version_and_variant() -> None:
    for byte in range(0, 256, 15):
        assert re.fullmatch(
            r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
            uuid_of(bytes((byte,)) * 16),
        )
