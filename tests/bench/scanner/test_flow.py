import pytest
from bench.scanner.flow import FlowError, run_flow
from bench.scanner.text import Value


class Blocks:
    def __init__(self, *holds: str) -> None:
        self.holds = holds
        self.asked: list[str] = []
        self.kept: dict[str, Value] = {}

    def block(self, wanted: tuple[str, ...]) -> tuple[bool, dict[str, Value]]:
        self.asked.extend(wanted)
        return any(name in self.holds for name in wanted), {"list": ["a", "b"]}

    def keep(self, name: str, value: Value) -> None:
        self.kept[name] = value

    def run(self, text: str) -> bool | None:
        return run_flow(text, {"given": "x"}, self.block, self.keep)


def test_an_expression_stops_where_it_is_decided() -> None:
    blocks = Blocks("1")
    assert blocks.run("http(1) && http(2) && http(3)") is False
    assert blocks.asked == ["1", "2"]


def test_a_program_has_what_it_needs() -> None:
    blocks = Blocks("1", "login")
    blocks.run(
        """
        if (http(1)) {
          for (let one of iterate(template.list, template.given)) { set("one", one); http("login"); }
        }
        """
    )
    assert blocks.asked == ["1", "login", "login", "login"]
    assert blocks.kept == {"one": "x"}


def test_a_program_that_fails_says_so() -> None:
    with pytest.raises(FlowError):
        Blocks().run("nobody()")
