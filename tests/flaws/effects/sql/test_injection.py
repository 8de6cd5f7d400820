import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propolis.flaws.effects.sql import sql, sql_holds
from scenes import MINT, a_scope

MD5 = hashlib.md5(b"1").hexdigest()


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("1' UNION ALL SELECT NULL,concat(0x7e,md5(1),0x7e),NULL-- -", f"~{MD5}~"),
        ("-1 union select 1,2,md5(1),4#", f"1\n2\n{MD5}\n4"),
        ("1%27%20UNION%20SELECT%20CHAR(97,98)--+", "ab"),
        ("1+union+select+1,md5(1)--", f"1\n{MD5}"),
        ("1/**/union/**/select/**/1,version()", "1\n8.0.36-0ubuntu0.22.04.1"),
        ("1/*!50000union*//*!50000select*/1,md5(1)", f"1\n{MD5}"),
        ("1 AND extractvalue(1,concat(0x7e,md5(1),0x7e))", f"XPATH syntax error: '~{MD5[:31]}'"),
        ("1' and updatexml(1,concat(0x7e,(select user()),0x7e),1)--", "XPATH syntax error: '~portal@localhost~'"),
        ("1 AND GTID_SUBSET(CONCAT(0x71,(SELECT 5)),1)", "Malformed GTID set specification 'q5'."),
        (
            "1 AND (SELECT 1 FROM(SELECT COUNT(*),CONCAT(0x716a,(SELECT (ELT(1=1,1))),0x717a,FLOOR(RAND(0)*2))x)a)",
            "Duplicate entry 'qj1qz1' for key 'group_key'",
        ),
        (
            "1 AND 1=CAST((CHR(113)||(SELECT (CASE WHEN (1=1) THEN 1 ELSE 0 END))::text||CHR(113)) AS NUMERIC)",
            'invalid input syntax for type integer: "q1q"',
        ),
        (
            "1 IN (SELECT (CHAR(113)+CHAR(122)))",
            "Conversion failed when converting the nvarchar value 'qz' to data type int.",
        ),
        (
            "1 = convert(int,'a'+'b')",
            "Conversion failed when converting the nvarchar value 'ab' to data type int.",
        ),
        ("1 order by 100", "Unknown column '100' in 'order clause'"),
        ("1 order by 2", ""),
        ("1'", "You have an error in your SQL syntax"),
        ("1' or '1'='1", ""),
        ("1 and 1=1", ""),
        ("hello", ""),
        ("union select nosuchfunction(1)", ""),
    ],
)  # fmt: skip
def test_what_the_page_shows(query: str, shown: str) -> None:
    said = sql(a_scope(), query.encode()).decode("latin-1")
    assert said == shown or (shown.startswith("You have") and said.startswith(shown))


def test_a_stolen_password_is_a_canary() -> None:
    scope = a_scope()
    said = sql(scope, b"union select group_concat(username,0x3a,password) from users")
    assert said.startswith(b"admin:")
    assert [canary.source for canary in MINT.find(said)] == [scope.scene.source]


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("1 AND 1=1", True),
        ("1 and 1=2", False),
        ("1' AND '1'='1", True),
        ("1' AND '1'='2", False),
        ("1%20AND%205345%3D5346--", False),
        ("1 AND ascii(substr('abc',1,1))=97", True),
        ("1 AND (SELECT 1)=1", True),
        ("1 and 1=2 or 1=1", True),
        ("1 && 2>3", False),
        ("1", True),
    ],
)
def test_a_condition_holds_or_not(query: str, holds: bool) -> None:  # noqa: FBT001 - the expected answer
    assert sql_holds(a_scope(), query.encode()) is holds


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.text(max_size=4),
            st.sampled_from(
                [
                    *(
                        "union",
                        "select",
                        "1",
                        "'a'",
                        "(",
                        ")",
                        ",",
                        "concat(",
                        "md5(",
                        "0x7e",
                        "and",
                        "=",
                        "or",
                    ),
                    *("case", "when", "then", "else", "end", "--", "#", "/*", "*/", "||", "+", "from"),
                    "extractvalue(1,",
                ]
            ),
        ),
        max_size=18,
    ).map(" ".join)
)
def test_any_query_is_survived(query: str) -> None:
    data = query.encode("utf-8", "replace")
    assert len(sql(a_scope(), data)) < 1_000_000
    sql_holds(a_scope(), data)
