"""SQL written for Spark: all there is can be, and what the two engines say differently is."""

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from laion_pipeline.contract import Contract
from laion_pipeline.contract.check import QuarantineRule
from laion_pipeline.engine.spark_sql import Part, parts_of, spark_sql
from laion_pipeline.releases.release import ANY
from laion_pipeline.warehouse.views import view_queries
from tests.builders import tables

RULES = Contract.of(ANY).row_rules
STATEMENTS = {
    **{name: table.sql for name, table in tables().items()},
    **{f"check of {name}": table.check_sql for name, table in tables().items()},
    **{f"view {name}": query for name, query in view_queries(ANY).items()},
    **{f"rule {rule.name}": f"SELECT {rule.broken} FROM pairs" for rule in RULES},
    **{
        f"count of {rule.name}": f"SELECT {rule.counted_by.value} FROM pairs"
        for rule in RULES
        if isinstance(rule, QuarantineRule)
    },
}
# Functions of Spark's that sqlglot has no name of its own for.
OF_SPARK = {"conv", "octet_length", "xxhash64"}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_calls_nothing_that_spark_lacks(name: str) -> None:
    written = sqlglot.parse_one(spark_sql(STATEMENTS[name]), dialect="spark")
    called = {function.name.lower() for function in written.find_all(exp.Anonymous)}
    assert called <= OF_SPARK, "see that Spark has it, and that it says the same there"


@pytest.mark.parametrize(
    ("duckdb", "spark"),
    [
        ("sum(cast(a * 2 as bigint))", "SUM(CAST(CAST(a * 2 AS BIGINT) AS DECIMAL(38, 0)))"),
        ("sum(a)", "SUM(a)"),
        ("cast(a as hugeint)", "CAST(a AS DECIMAL(38, 0))"),
        ("grouping(a)", "GROUPING(a)"),
        ("grouping(a, b)", "(GROUPING(b) * 1 + GROUPING(a) * 2)"),
        ("strlen(a)", "OCTET_LENGTH(a)"),
        ("to_json(a)", "TO_JSON(ARRAY(a))"),
        ("chr(65533)", "'\ufffd'"),
        ("cast('0x' || a as bigint)", "CAST(CONV(a, 16, 10) AS BIGINT)"),
        ("floor(a)", "FLOOR(CASE WHEN ABS(a) < 9e18 THEN a END)"),
        ("lower(strlen(a))", "LOWER(TRANSLATE(OCTET_LENGTH(a), 'Σİ', 'σi'))"),
        (r"regexp_full_match(a, '\p{Latin}+')", r"a RLIKE '\\A(?:\\p{IsLatin}+)\\z'"),
    ],
)
def test_an_expression(duckdb: str, spark: str) -> None:
    assert spark_sql(f"select {duckdb} as x from t") == f"SELECT {spark} AS x FROM t"


def test_whether_a_named_query_is_kept_is_left_to_spark() -> None:
    query = "with v as not materialized (select a from t) select a from v"
    assert spark_sql(query) == "WITH v AS (SELECT a FROM t) SELECT a FROM v"


def test_what_is_read_twice_is_a_part_to_be_kept() -> None:
    once = "once as (select strlen(a) as n from t)"
    twice = "twice(m) as (select n from once)"
    told = "told as materialized (select m from twice)"
    again = "again as not materialized (select m from twice)"
    parts, rest = parts_of(
        f"with {once}, {twice}, {told}, {again} select * from told, again, again as other"
    )
    assert parts == [
        Part("once", "SELECT * FROM (SELECT OCTET_LENGTH(a) AS n FROM t) AS once", kept=False),
        Part("twice", "SELECT * FROM (SELECT n FROM once) AS twice(m)", kept=True),
        Part("told", "SELECT * FROM (SELECT m FROM twice) AS told", kept=True),
        Part("again", "SELECT * FROM (SELECT m FROM twice) AS again", kept=False),
    ]
    assert rest == "SELECT * FROM told, again, again AS other"


@pytest.mark.parametrize(
    "sql", ["select 1 as a", "with recursive v as (select 1 as a) select a from v, v as w"]
)
def test_else_a_query_is_one_part(sql: str) -> None:
    assert parts_of(sql) == ((), spark_sql(sql))


@pytest.mark.parametrize("sql", ["select from where", "select (", ""])
def test_no_query_is_an_error(sql: str) -> None:
    with pytest.raises(SqlglotError):
        spark_sql(sql)
