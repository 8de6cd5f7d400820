import pytest

from installation import IS_REAL, SOURCES, Drilled, Installation

pytestmark = pytest.mark.xdist_group("installation")


def test_the_clock_knows_every_defence_of_the_drill(installation: Installation, drilled: Drilled) -> None:
    times = installation.json("clock")
    path = next(
        path
        for path in times["report"]["paths"]
        if (path["rule"], path["enforcer"]) == ("phpunit-eval-stdin", "drill")
    )
    assert (path["host"], path["enforces"], path["total"]["n"]) == ("edge", IS_REAL, SOURCES)
    assert 0 < path["total"]["p50"] <= path["total"]["max"]
    total = times["report"]["stages"]["total"]["n"]
    assert sum(times["report"]["histogram"]) == total
    assert total >= SOURCES * IS_REAL
    (sensor,) = times["sensors"]
    assert sensor["sensor"] == "edge"
    assert sensor["first_attack_seconds"] > 0


def test_the_clock_as_table_and_picture(installation: Installation, drilled: Drilled) -> None:
    words = installation.say("clock")
    assert "phpunit-eval-stdin → drill@edge" in words
    assert ("mean time to defence" in words) is IS_REAL
    assert ("│ defences │" in words or "defences" in words.split("┘")[-1] or "█" in words) is IS_REAL
    assert "never defended 0" in words
    assert "sensor edge: first scan after " in words


def test_before_the_first_defence(installation: Installation) -> None:
    assert "No defence yet" in installation.say("clock", "--since", "0")
