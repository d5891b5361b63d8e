"""Column lineage: what each column comes from, and that nothing else can change it."""

from collections import Counter
from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import sqlglot
from sqlglot import exp

from laion_pipeline.sources.sample.shards import generate_sample
from laion_pipeline.tables.table import Table
from laion_pipeline.warehouse.lineage import Lineage, column_lineage, source_tables
from laion_pipeline.warehouse.terms import ASKED_TERMS
from tests.builders import (
    compare_cleaned,
    create_shorthands,
    load,
    make_tables,
    pairs,
    table_of,
    tables,
)

HISTORY = "release_history"
SCHEMA = {
    "t": {"a": "INTEGER", "b": "INTEGER", "c": "INTEGER", "d": "INTEGER"},
    "u": {"a": "INTEGER", "e": "INTEGER", "f": "INTEGER"},
}


def lineage(sql: str) -> Mapping[str, Lineage]:
    query = sqlglot.parse_one(sql, dialect="duckdb")
    assert isinstance(query, exp.Query)
    return column_lineage(query, SCHEMA)


def of(columns: str) -> frozenset[str]:
    return frozenset(columns.split())


# A query, what its column x comes from directly, and what else may change x.
CASES = {
    "a column": ("select a as x from t", "t.a", ""),
    "a sum": ("select a + b as x, c from t", "t.a t.b", ""),
    "a constant": ("select 1 as x, a from t", "", ""),
    "one of some constants": (
        "select a, y as x from t cross join (values (1), (2)) as v (y)", "", "",
    ),
    "by one of some constants": (
        "select a * y as x from t cross join (values (1), (2)) as v (y) where y < b", "t.a", "t.b",
    ),
    "one of some values": (
        "select y as x from t cross join lateral (values (b, c)) as v (y, z)", "t.b t.c", "",
    ),
    "a star": ("select *, a as x from t", "t.a", ""),
    "a CTE": ("with v as (select a as y, b from t) select y as x from v", "t.a", ""),
    "CTEs in a row": (
        "with v as (select a as y from t where b > 0), w as (select y as z from v)"
        " select z as x from w",
        "t.a",
        "t.b",
    ),
    "a filter": ("select a as x from t where b > 0", "t.a", "t.b"),
    "a filter in a CTE": (
        "with v as (select a from t where b > 0) select a as x from v where a < 9",
        "t.a",
        "t.a t.b",
    ),
    "a union": ("select a as x from t union all select e from u", "t.a u.e", ""),
    "a union of filters": (
        "select a as x from t where b > 0 union all select e from u where f > 0",
        "t.a u.e",
        "t.b u.f",
    ),
    "a union by position": (
        "with v as (select a as x, b as y from t union all select e, f from u) select x from v",
        "t.a u.e",
        "",
    ),
    "a union of distinct rows": (
        "select a as x, b as y from t union select e, f from u", "t.a u.e", "t.b u.f",
    ),
    "an intersection": (
        "select a as x, b as y from t intersect select e, f from u", "t.a", "t.b u.e u.f",
    ),
    "an exception": ("select a as x, b as y from t except all select e, f from u", "t.a",
                     "t.b u.e u.f"),
    "distinct rows": ("select distinct a as x, b as y from t", "t.a", "t.b"),
    "distinct on": ("select distinct on (b) a as x from t order by c", "t.a", "t.b t.c"),
    "a join": ("select t.a as x from t join u on t.b = u.e", "t.a", "t.b u.e"),
    "a join using": ("select t.b as x from t join u using (a)", "t.b", "t.a u.a"),
    "a subquery to filter by": (
        "select a as x from t where b in (select e from u where f > 0)", "t.a", "t.b u.e u.f",
    ),
    "an existence": (
        "select a as x from t where exists (select 1 from u where u.e = t.b)", "t.a", "t.b u.e",
    ),
    "a scalar subquery": ("select (select max(e) from u where f > 0) as x from t", "u.e", "u.f"),
    "a subquery to select from": (
        "select y as x from (select a as y from t order by b limit 3)", "t.a", "t.b",
    ),
    "groups": ("select b, sum(a) as x from t group by b", "t.a", "t.b"),
    "groups by position": ("select b, sum(a) as x from t group by 1", "t.a", "t.b"),
    "groups by all": ("select b, sum(a) as x from t group by all", "t.a", "t.b"),
    "groups kept": ("select b, count(*) as x from t group by b having sum(c) > 0", "", "t.b t.c"),
    "an aggregate's filter": ("select sum(a) filter (where b > 0) as x from t", "t.a", "t.b"),
    "an aggregate's order": ("select list(a order by b) as x from t", "t.a", "t.b"),
    "a window": (
        "select sum(a) over (partition by b order by c) as x from t", "t.a", "t.b t.c",
    ),
    "a named window": (
        "select sum(a) over w as x from t window w as (partition by b order by c)",
        "t.a",
        "t.b t.c",
    ),
    "a rank": ("select row_number() over (order by b) as x from t", "", "t.b"),
    "a rank to filter by": (
        "with v as (select a, row_number() over (partition by b order by c) as n from t)"
        " select a as x from v where n = 1",
        "t.a",
        "t.b t.c",
    ),
    "qualify": (
        "select a as x from t qualify row_number() over (partition by b order by c) = 1",
        "t.a",
        "t.b t.c",
    ),
    "a condition": ("select case when b > 0 then a else c end as x from t", "t.a t.c", "t.b"),
    "a choice": ("select case b when 1 then a end as x from t", "t.a", "t.b"),
    "a choice between columns": ("select case b when c then a end as x from t", "t.a", "t.b t.c"),
    "a nested condition": (
        "select case when (case when b > 0 then c end) > 1 then a end as x from t", "t.a",
        "t.b t.c",
    ),
    "a computed condition": (
        "with v as (select a, b + c as y from t) select case when y > 0 then a end as x from v",
        "t.a",
        "t.b t.c",
    ),
    "if": ("select if(b > 0, a, c) as x from t", "t.a t.c", "t.b"),
    "an order with a limit": ("select a as x from t order by b limit 5", "t.a", "t.b"),
    "an order by position": ("select a as x, b from t order by 2 limit 5", "t.a", "t.b"),
    "an order by alias": ("select a as x, b + c as y from t order by y limit 5", "t.a", "t.b t.c"),
    "a limit": ("select a as x from t limit (select max(e) from u)", "t.a", "u.e"),
    "rows out of a list": (
        "select a as x, unnest(generate_series(1, b)) as y from t", "t.a", "t.b",
    ),
    "rows out of a joined list": (
        "select t.a as x from t, unnest(generate_series(1, t.b)) as v(y)", "t.a", "t.b",
    ),
    "a lateral subquery": (
        "select v.y as x from t, lateral (select e as y from u where u.f = t.b) as v",
        "u.e",
        "u.f t.b",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("sql", "direct", "indirect"), CASES.values(), ids=CASES)
def test_what_a_column_comes_from(sql: str, direct: str, indirect: str) -> None:
    found = lineage(sql)["x"]
    assert of(direct) <= found.direct, "its value is computed from these"
    assert of(direct) | of(indirect) <= found.all, "these decide about its rows"
    assert found.all <= of(direct) | of(indirect), "and nothing else does"


def test_columns_come_in_the_order_of_the_query() -> None:
    assert list(lineage("select b, a as z, c + d as y from t")) == ["b", "z", "y"]


def test_what_decides_in_one_place_decides_about_all_columns() -> None:
    found = lineage("select a as x, b as y from t where c > 0 order by d limit 2")
    assert found["x"] == Lineage(of("t.a"), of("t.c t.d"))
    assert found["y"] == Lineage(of("t.b"), of("t.c t.d"))


def test_sources_are_what_a_query_reads_but_not_what_it_defines() -> None:
    query = sqlglot.parse_one(
        "with v as (select a from t) select a from v where a in (select a from u)", dialect="duckdb"
    )
    assert isinstance(query, exp.Query)
    assert source_tables(query) == {"t", "u"}


World = Mapping[str, pa.Table]


def _values(table: pa.Table, column: str) -> list[pa.ChunkedArray]:
    """Other values for a column: none at all, in another order, and greater or longer."""
    old = table[column]
    others = [old.take(pa.array(range(len(old)))[::-1]), pa.nulls(len(old), old.type)]
    if pa.types.is_string(old.type):
        return [*others, pc.binary_join_element_wise(pc.utf8_slice_codeunits(old, 9), "", "x")]
    if pa.types.is_boolean(old.type):
        return [*others, pc.invert(old)]
    if pa.types.is_integer(old.type) or pa.types.is_floating(old.type):
        return [*others, pc.add(old, pa.scalar(3, old.type))]
    return others


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> list[World]:
    """A sample at its second revision, and rows of which most repeat one URL."""
    folder = tmp_path_factory.mktemp("sample")
    shards = generate_sample(folder / "shards", rows=600, shards=2)
    warehouse = load(folder / "shards")
    make_tables(warehouse, folder / "tables")
    table = pq.read_table(shards[1])
    pq.write_table(pa.concat_tables([table[:-9], table[:5]]), shards[1])
    load(folder / "shards")
    compare_cleaned(warehouse, folder / "cleaned")
    make_tables(warehouse, folder / "tables")
    names = {name for table in tables().values() for name in table.sources} | {HISTORY}
    with warehouse.connect() as connection:
        read = {name: connection.execute(f"FROM {name}").to_arrow_table() for name in names}
    popular = pairs(2100, url="https://popular.example") + pairs(80, first=5000, aesthetic=8.0)
    repeating = table_of(popular).append_column("shard_id", pa.array([0] * 2180, pa.int32()))
    return [read, {"valid_pairs": repeating, ASKED_TERMS: read[ASKED_TERMS]}]


def _read(table: Table) -> frozenset[str]:
    """What a table is made from, itself as it was among them."""
    return table.sources | frozenset([table.name] if table.history else [])


def _bags(name: str, world: World) -> list[Counter[str]]:
    """For each column of a derived table its values, whatever their order."""
    with duckdb.connect() as connection:
        for source in _read(tables()[name]) | {"valid_pairs", ASKED_TERMS}:
            connection.register(source, world[source])
        create_shorthands(connection)
        rows: Sequence[Sequence[object]] = connection.execute(tables()[name].sql).fetchall()
    return [Counter(repr(row[n]) for row in rows) for n in range(len(tables()[name].columns))]


@pytest.mark.parametrize(
    ("name", "source"),
    [(table.name, source) for table in tables().values() for source in sorted(_read(table))],
)
def test_only_columns_that_say_so_change_with_a_column(
    name: str, source: str, worlds: list[World]
) -> None:
    columns = tables()[name].columns
    # Only the extremes rank a thousand repetitions in another way.
    for world in worlds if name == "score_extremes" else worlds[:1]:
        before = _bags(name, world)
        assert before[0], "there is something that can change"
        for place, changed in enumerate(world[source].column_names):
            for values in _values(world[source], changed):
                other = world[source].set_column(place, changed, values)
                after = _bags(name, {**world, source: other})
                moved = [
                    column.name
                    for column, was, now in zip(columns, before, after, strict=True)
                    if was != now
                    and f"{source}.{changed}" not in column.lineage.all
                    and column.name != "profiled_at"  # which is when the query ran
                ]
                assert moved == [], f"change with {source}.{changed}, which their lineage lacks"


@pytest.mark.parametrize(
    ("table", "column", "direct"),
    [
        ("score_summary", "p50", "aesthetic similarity punsafe pwatermark"),
        ("scores_by_shard", "score", ""),
        ("resolution_counts", "width", "width"),
        ("resolution_counts", "pairs", ""),
        ("score_extremes", "url", "url"),
        ("score_extremes", "rank", ""),
    ],
)
def test_the_project_s_tables_say_what_they_come_from(table: str, column: str, direct: str) -> None:
    found = {c.name: c.lineage for c in tables()[table].columns}[column]
    assert found.direct == {f"valid_pairs.{name}" for name in direct.split()}


@pytest.mark.parametrize(
    ("table", "column", "direct"),
    [
        ("quarantine_counts", "reason", "quarantine.reasons"),
        ("quarantine_counts", "shard", "shards.path"),
        ("revision_diff", "shard", "shards.path previous_shards.path"),
        ("revision_diff", "rows", "shards.rows"),
        ("revision_diff", "previous_rows", "previous_shards.rows"),
        ("revision_drift", "revision", "provenance.revision"),
        ("revision_drift", "rows", "release_history.value"),
    ],
)
def test_tables_of_other_relations_say_so_too(table: str, column: str, direct: str) -> None:
    found = {c.name: c.lineage for c in tables()[table].columns}[column]
    assert found.direct == of(direct)


def test_lineage_names_only_columns_that_there_are(worlds: list[World]) -> None:
    known = {f"{name}.{column}" for name, t in worlds[0].items() for column in t.column_names}
    for table in tables().values():
        for column in table.columns:
            assert column.lineage.all <= known
