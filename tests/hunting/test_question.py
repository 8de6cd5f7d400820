import contextlib

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.errors import QueryError
from propolis.hunting.question import MESSAGE_CHARACTERS, QUESTION_CHARACTERS, check, explain, printable


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "select count(*) from interaction where time > now() - interval 1 hour;",
        "WITH a AS (SELECT 1 AS x) SELECT * FROM a",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 9) FROM r",
        "FROM interaction SELECT lure, count(*) GROUP BY ALL",
        "VALUES (1), (2)",
        "DESCRIBE interaction",
        "SUMMARIZE interaction",
        "SHOW TABLES",
        "SELECT * FROM range(3), unnest([1, 2])",
        "FROM interaction PIVOT (count(*) FOR lure IN ('ssh', 'http'))",
        "SELECT lure FROM interaction UNION SELECT (SELECT 'x') EXCEPT SELECT 'y'",
        "-- who came?\nSELECT 1 -- this one",
    ],
)
def test_a_question_may_be_asked(sql: str) -> None:
    check(sql)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("", "line 1, column 1: 0 statements"),
        ("SELECT 1;\n SELECT 2", "line 2, column 2: 2 statements"),
        ("SELECT 1 FORM x y", "line 1, column 15: "),
        ("SELECT 'ä' FORM\n x y", "line 2, column 2: "),
        ("DROP TABLE interaction", "this is not a question"),
        ("COPY interaction TO '/tmp/out.csv'", "this is not a question"),
        ("SET threads = 1", "this is not a question"),
        ("ATTACH 'x.db'", "this is not a question"),
        ("PRAGMA version", "this is not a question"),
        ("INSTALL httpfs", "this is not a question"),
        ("CREATE TABLE a AS SELECT 1", "this is not a question"),
        ("EXPLAIN ANALYZE SELECT 1", "this is not a question"),
        ("CALL enable_logging()", "this is not a question"),
        ("WITH a AS (COPY (SELECT 1) TO 'x' (use_tmp_file false)) FROM a", "COPY changes things"),
        ("SELECT * FROM (WITH a AS (COPY (SELECT 1) TO 'x') FROM a)", "COPY changes things"),
        ("WITH a AS (INSERT INTO t VALUES (1) RETURNING *) FROM a", "INSERT changes things"),
        ("WITH a AS (DELETE FROM t RETURNING *) SELECT 1", "DELETE changes things"),
        ("WITH a AS (UPDATE t SET x = 1 RETURNING *) SELECT 1", "UPDATE changes things"),
        ("SELECT 1 FROM query('SELECT 1')", "line 1, column 15: query() is not available"),
        ("SELECT (SELECT 1 FROM Query('SELECT 1'))", "column 23: query() is not available"),
        ("FROM system.main.query('SELECT 1')", "query() is not available"),
        ("FROM read_csv('/etc/passwd')", "read_csv() is not available"),
        ("FROM read_text('/etc/passwd')", "read_text() is not available"),
        ("FROM glob('/etc/*')", "glob() is not available"),
        ("FROM arrow_scan(1, 2, 3)", "arrow_scan() is not available"),
        ("FROM pandas_scan(1)", "pandas_scan() is not available"),
        ("FROM json_execute_serialized_sql('{}')", "json_execute_serialized_sql() is not available"),
        ("SELECT " + "(" * 5_000 + "1" + ")" * 5_000, ""),
        ("SELECT 1" + "+1" * 20_000, "depth"),
        ("SELECT '" + "x" * QUESTION_CHARACTERS + "'", "the limit is"),
        ("SELECT '\ud800'", "character 9"),
    ],
)
def test_anything_else_is_refused_with_its_place(sql: str, why: str) -> None:
    with pytest.raises(QueryError) as caught:
        check(sql)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


WORDS = st.sampled_from(
    (
        *(
            "SELECT",
            "FROM",
            "WITH",
            "AS",
            "COPY",
            "TO",
            "INSERT",
            "INTO",
            "DELETE",
            "query",
            "interaction",
            "a",
        ),
        *("(", ")", "*", ",", "1", "'x'", ";", "--", "\n", '"', "'", "{"),
    )
)


@settings(max_examples=80, deadline=None)
@given(st.lists(WORDS, max_size=15).map(" ".join) | st.text(max_size=60))
def test_any_text_is_a_question_or_a_query_error(sql: str) -> None:
    with contextlib.suppress(QueryError):
        check(sql)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT nope FROM (SELECT 1 AS yes)", "line 1, column 8: Binder Error: Referenced column"),
        ("SELECT 1,\n  nope(2)", "line 2, column 3: Catalog Error: "),
        ("SELECT 1\nWHERE " + "1 = 1 AND " * 30 + "nope", "line 2: Binder Error"),
    ],
)
def test_an_error_is_one_line_with_its_place(sql: str, said: str) -> None:
    for text in (sql, f"EXPLAIN {sql}"):
        with pytest.raises(duckdb.Error) as caught:
            duckdb.connect().execute(text)
        assert explain(caught.value).startswith(said)
        assert "\n" not in explain(caught.value)


def test_an_error_that_quotes_captured_data_steers_no_terminal() -> None:
    with pytest.raises(duckdb.Error) as caught:
        duckdb.connect().execute("SELECT '\x1b[2J\u202e' || repeat('x', 9000) AS x, x::INTEGER")
    assert explain(caught.value).isprintable()
    assert len(explain(caught.value)) <= MESSAGE_CHARACTERS + 50


@given(st.text())
def test_printable_text_stays_and_the_rest_is_escaped(text: str) -> None:
    assert printable(text).isprintable()
    if text.isprintable():
        assert printable(text) == text
