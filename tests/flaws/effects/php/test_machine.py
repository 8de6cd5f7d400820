import pytest

from propolis.flaws.effects.php.machine import MAX_COMMANDS, MAX_OUTPUT, MAX_STEPS, MAX_VARIABLES, Php, Stop
from propolis.flaws.effects.php.script import evaluate
from scenes import a_scope


@pytest.fixture
def machine() -> Php:
    return Php(
        a_scope(b"GET /x.php?a=1 HTTP/1.1\r\nHost: h\r\nUser-Agent: u\r\nCookie: a=2; b=3\r\n\r\n"), evaluate
    )


def test_superglobals_are_the_requests(machine: Php) -> None:
    looked = {(name, key): machine.read(name).get(key) for name, key in (  # type: ignore[union-attr] # arrays
        ("_GET", "a"), ("_COOKIE", "a"), ("_REQUEST", "a"), ("_REQUEST", "b"), ("_POST", "a"),
        ("_SERVER", "HTTP_USER_AGENT"), ("_SERVER", "REQUEST_METHOD"), ("_SERVER", "HTTP_HOST"),
    )}  # fmt: skip
    assert list(looked.values()) == ["1", "2", "1", "3", None, "u", "GET", "h"]


def test_everything_is_counted(machine: Php) -> None:
    machine.say("x" * (MAX_OUTPUT + 1))
    assert len(machine.output) == MAX_OUTPUT
    for number in range(MAX_VARIABLES + 9):
        machine.write(f"v{number}", "x")
    assert machine.read(f"v{MAX_VARIABLES + 1}") is None
    for _ in range(MAX_COMMANDS):
        machine.shell("true")
    with pytest.raises(Stop):
        machine.shell("true")
    for _ in range(MAX_STEPS):
        machine.step()
    with pytest.raises(Stop):
        machine.step()
