import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from propolis.cli.hunt import CELL_CHARACTERS, hunt, only_the_lake, run
from propolis.clock import SECOND, ManualClock
from propolis.config import Config
from propolis.errors import ConfigError, QueryError
from propolis.events import CommandRun, Connection, Interaction, pack
from propolis.events.interaction import to_batch
from propolis.hunting import Archive
from propolis.hunting.hunt import Unflushed

NOW = 1_800_000_000 * SECOND


def rows(*commands: str) -> pa.RecordBatch:
    connection = Connection(b"\x01" * 16, NOW, "edge", "ssh", pack("198.18.0.1"), 1, pack("192.0.2.1"), 22, 0)
    return to_batch(
        [Interaction(NOW, connection, n, CommandRun(command)) for n, command in enumerate(commands)]
    )


@pytest.fixture
def config(tmp_path: Path) -> Config:
    config = Config(path=tmp_path / "propolis.toml")
    archive = Archive(config.state / config.lake.path, config.lake, ManualClock(NOW))
    archive.recover()
    archive.add("interaction", 1, rows("uname -a", "wget http://x/\x1b[2J[bold]" + "y" * 500))
    archive.flush()
    archive.close()
    return config


@pytest.fixture
def answer(config: Config) -> Callable[..., str]:
    def ask(query: str, **options: Any) -> str:
        out = io.BytesIO()
        defaults: dict[str, Any] = {
            "output": "table",
            "to": None,
            "plot": False,
            "limit": 100,
            "gather": only_the_lake,
        }
        run(query, config, out=out, **{**defaults, **options})
        return out.getvalue().decode()

    return ask


def test_a_table_shows_captured_text_as_text(
    answer: Callable[..., str], capfd: pytest.CaptureFixture[str]
) -> None:
    table = answer("SELECT command, source_ip FROM interaction ORDER BY command DESC")
    assert "198.18.0.1" in table
    assert "\\x1b[2J" in table
    assert "[bold]" in table
    assert "\x1b" not in table
    assert table.count("y") < CELL_CHARACTERS
    assert "2 rows" in capfd.readouterr().err


def test_what_is_not_flushed_and_further_tables_are_gathered_after_what_is_committed(
    answer: Callable[..., str],
) -> None:
    asked: list[int] = []

    def gather(_config: Config, committed: int) -> tuple[Unflushed, Mapping[str, pa.Table]]:
        asked.append(committed)
        return {"interaction": [(1, rows("uname -a", "x")), (2, rows("id"))]}, {
            "findings": pa.table({"n": [1]})
        }

    text = answer(
        "SELECT count(*) AS n, (SELECT sum(n) FROM findings) AS f FROM interaction",
        output="json",
        gather=gather,
    )
    assert json.loads(text) == {"n": 3, "f": 1}
    assert asked == [1]


def test_outputs(answer: Callable[..., str], tmp_path: Path) -> None:
    assert answer("SELECT 1 AS a, NULL AS b", output="csv") == "a,b\r\n1,\r\n"
    assert answer("SELECT 1 AS a", output="json") == '{"a":1}\n'
    assert answer("SELECT 1 AS a", output="parquet", to=tmp_path / "a.parquet") == ""
    assert pq.read_table(tmp_path / "a.parquet").to_pylist() == [{"a": 1}]
    assert answer("SELECT 1 AS a", output="csv", to=tmp_path / "a.csv") == ""
    assert (tmp_path / "a.csv").read_text() == "a\n1\n"


def test_a_plot(answer: Callable[..., str]) -> None:
    picture = answer("SELECT lure, count(*) AS rows FROM interaction GROUP BY ALL", plot=True)
    assert "ssh┤" in picture


def test_a_limit_is_told(answer: Callable[..., str], capfd: pytest.CaptureFixture[str]) -> None:
    assert len(answer("FROM range(10)", limit=3, output="json").splitlines()) == 3
    assert "only the first 3 rows" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"output": "parquet"}, "--to FILE"),
        ({"to": Path("x.txt")}, "--output csv"),
        ({"limit": 0}, "at least one"),
    ],
)
def test_what_does_not_go_together_is_said(
    answer: Callable[..., str], options: dict[str, Any], why: str
) -> None:
    with pytest.raises(QueryError, match=why):
        answer("SELECT 1", **options)


def test_the_command_reads_the_settings(config: Config, capfd: pytest.CaptureFixture[str]) -> None:
    config.path.write_text("")
    hunt("SELECT 42 AS answer", config=config.path, output="csv")
    assert capfd.readouterr().out == "answer\n42\n".replace("\n", "\r\n")
    with pytest.raises(ConfigError):
        hunt("SELECT 1", config=config.path.with_name("missing.toml"))
