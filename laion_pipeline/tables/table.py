"""Derived tables: one `.sql` file each, at once its query, its documentation and its check.

A file holds two statements. The first is the table: the comment above it says what question it
answers, the comment behind each selected column what the column means. The second is its
self-check: it selects what contradicts the table's own invariant, and so should find nothing.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import sqlglot
from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from laion_pipeline.contract.check import ANY_IS_AN_ERROR
from laion_pipeline.engine.engine import DUCKDB, Engine
from laion_pipeline.quality.results import EXAMPLES, CheckResult, RecordedCheck, record_checks
from laion_pipeline.quality.soundness import record_made
from laion_pipeline.releases.release import ANY
from laion_pipeline.tables.by_shard import is_by_shard, query_by_shard, record_counted
from laion_pipeline.warehouse.cleaned import CLEANED_COLUMNS, CLEANED_HASHES
from laion_pipeline.warehouse.connections import Warehouse, literal, quoted, transaction
from laion_pipeline.warehouse.ledger import LEDGER_COLUMNS
from laion_pipeline.warehouse.lineage import Lineage, Schema, column_lineage, source_tables
from laion_pipeline.warehouse.previous import PREVIOUS_TABLES
from laion_pipeline.warehouse.provenance import PROVENANCE_COLUMNS, Provenance
from laion_pipeline.warehouse.publishing import publish_csv, publish_parquet
from laion_pipeline.warehouse.suffixes import SUFFIX_COLUMNS
from laion_pipeline.warehouse.terms import ASKED_TERMS, TERM_COLUMNS
from laion_pipeline.warehouse.views import VIEWS, shorthand_views

logger = logging.getLogger(__name__)

SELF_CHECK = "self_check"
# A table of no more rows is shown whole where it is told of.
ROWS_SHOWN = 50

# What there is to read once `pairs` is loaded.
_LOADED: Schema = {
    **VIEWS,
    "shards": LEDGER_COLUMNS,
    "public_suffixes": SUFFIX_COLUMNS,
    ASKED_TERMS: TERM_COLUMNS,
    CLEANED_HASHES: CLEANED_COLUMNS,
    "provenance": PROVENANCE_COLUMNS,
    **PREVIOUS_TABLES,
}
# What stands for a query on those, so that what is made from it is made from them.
_SHORT_FOR: dict[str, exp.Query | Callable[[], exp.Query]] = {
    name: query
    for name, sql in shorthand_views(ANY).items()
    if isinstance(query := sqlglot.parse_one(sql, dialect="duckdb"), exp.Query)
}
LOADED_TABLES = frozenset({*_LOADED, *_SHORT_FOR})


@dataclass(frozen=True)
class TableColumn:
    """A column of a derived table: what it means, and where it comes from."""

    name: str
    description: str
    lineage: Lineage

    @property
    def documentation(self) -> str:
        """The description, ending in the columns that the value is computed from.

        But for a column that is no more than the one of its name elsewhere.
        """
        if {name.rpartition(".")[2] for name in self.lineage.direct} <= {self.name}:
            return self.description
        return f"{self.description} (from {', '.join(sorted(self.lineage.direct))})"


@dataclass(frozen=True)
class Table:
    """A derived table as its file describes it, in the folder of its subject.

    `history` has the columns of one that reads what it was before, with their types. `code_version`
    changes when the SQL does, and only then: not with comments or white space.
    """

    name: str
    subject: str
    description: str
    sql: str
    columns: tuple[TableColumn, ...]
    sources: frozenset[str]
    check_sql: str
    check_description: str
    history: Mapping[str, str]
    code_version: str

    @property
    def derived_sources(self) -> frozenset[str]:
        """The other derived tables that it reads."""
        return self.sources - LOADED_TABLES


@dataclass(frozen=True)
class TableResult:
    """What materializing a table made: its size, and the DuckDB type of each column.

    `rows_read` is how many rows there are in what was read for it, `parquet` its file. `shown` are
    all its rows where they are few.
    """

    rows: int
    shown: Sequence[Mapping[str, object]]
    types: Mapping[str, str]
    rows_read: int
    parquet: Path


def read_tables(folder: Path) -> tuple[Table, ...]:
    """The tables described by the `.sql` files below a folder, each after those that it reads.

    Raises ValueError naming the file that is not two documented statements, that describes a table
    a second time, or that reads what there is not.
    """
    parsed: dict[str, _Source] = {}
    for file in sorted(folder.rglob("*.sql"), key=lambda file: (file.stem, file)):
        if file.stem in parsed:
            raise ValueError(f"{file}: another file describes the table {file.stem}; rename one")
        parsed[file.stem] = _parse(file)
    reads = {
        name: sorted(source_tables(source.query) & parsed.keys() - {name})
        for name, source in parsed.items()
    }
    schema = dict(_LOADED)
    tables = []
    for name in TopologicalSorter(reads).static_order():
        if unknown := source_tables(parsed[name].query) - schema.keys() - {name}:
            raise ValueError(f"{name}.sql: there is no table or view {', '.join(sorted(unknown))}")
        table = _describe(name, parsed[name], schema)
        schema[name] = {column.name: "UNKNOWN" for column in table.columns}
        tables.append(table)
    return tuple(tables)


def materialize_table(
    warehouse: Warehouse,
    table: Table,
    folder: Path,
    *,
    as_csv: bool = False,
    engine: Engine = DUCKDB,
) -> TableResult:
    """Compute a table, in the warehouse and as Parquet in `folder`, as CSV too if asked for.

    Raises WarehouseError when `pairs` has not been loaded.
    """
    started = time.monotonic()
    with warehouse.connect(read_only=True) as connection:
        provenance = Provenance.read(connection)
    with warehouse.connect() as connection:
        with transaction(connection):
            if table.history:
                columns = ", ".join(f"{quoted(c)} {type_}" for c, type_ in table.history.items())
                connection.execute(f"CREATE TABLE IF NOT EXISTS {quoted(table.name)} ({columns})")
            sql, rows_read = table.sql, None
            if is_by_shard(table.name):
                sql, rows_read = query_by_shard(connection, table.name, sql, table.code_version)
                record_counted(connection, table.name, table.code_version)
            with engine.found(connection, sql) as found:
                connection.execute(f"CREATE OR REPLACE TABLE {quoted(table.name)} AS {found}")
            for column in table.columns:
                name = f"{quoted(table.name)}.{quoted(column.name)}"
                comment = literal(column.documentation)
                connection.execute(f"COMMENT ON COLUMN {name} IS {comment}")
            record_made(connection, table.name, provenance.data_version)
        relation = connection.table(table.name)
        types = {
            name: str(type_) for name, type_ in zip(relation.columns, relation.types, strict=True)
        }
        if rows_read is None:
            rows_read = sum(
                connection.table(source).count("*").fetchall()[0][0] for source in table.sources
            )
        parquet = folder / f"{table.name}.parquet"
        facts = {
            "sql": table.sql,
            "columns": json.dumps({c.name: c.documentation for c in table.columns}),
        }
        rows = publish_parquet(connection, f"FROM {quoted(table.name)}", parquet, provenance, facts)
        if as_csv:
            publish_csv(connection, f"FROM {quoted(table.name)}", parquet.with_suffix(".csv"))
        few = rows if rows <= ROWS_SHOWN else 0
        shown = relation.limit(few).to_arrow_table().to_pylist()
    seconds = time.monotonic() - started
    logger.info("%s: %s rows in %.1f s", table.name, f"{rows:,}", seconds)
    return TableResult(rows, shown, types, rows_read, parquet)


def check_table(
    warehouse: Warehouse, table: Table, rows: int, engine: Engine = DUCKDB
) -> RecordedCheck:
    """Look among a table's `rows` for what contradicts its invariant; keep the result."""
    with warehouse.connect() as connection:
        with engine.found(connection, table.check_sql) as query:
            found = connection.execute(query).to_arrow_table()
        result = CheckResult(
            asset=table.name,
            name=SELF_CHECK,
            status="failed" if found.num_rows else "passed",
            description=table.check_description,
            threshold=ANY_IS_AN_ERROR,
            rows=rows,
            failing_rows=found.num_rows,
            examples=tuple(found.slice(0, EXAMPLES).to_pylist()),
            sql=table.check_sql,
            advice="The table contradicts itself or what it is made from. Make it again; if that"
            " does not help, its SQL is wrong: please report it.",
            blocking=True,
        )
        return record_checks(connection, [result])[0]


@dataclass(frozen=True)
class _Source:
    """The two statements of a file, as written and as parsed.

    `query` is the first in full, with what shorthand views stand for in their place.
    """

    subject: str
    sql: str
    check_sql: str
    query: exp.Query
    check: exp.Query


def _parse(file: Path) -> _Source:
    text = file.read_text("utf-8")
    ends = [
        t.start for t in sqlglot.tokenize(text, "duckdb") if t.token_type is TokenType.SEMICOLON
    ]
    if len(ends) != 1:
        raise ValueError(f"{file}: needs two statements, the table's and its self-check's")
    sql, check_sql = text[: ends[0]].strip(), text[ends[0] + 1 :].strip()
    query, check = (sqlglot.parse_one(part, dialect="duckdb") for part in (sql, check_sql))
    query = exp.expand(query, _SHORT_FOR)
    if not (isinstance(query, exp.Query) and isinstance(check, exp.Query)):
        raise ValueError(f"{file}: both statements must be queries")  # noqa: TRY004 - its content
    return _Source(file.parent.name, sql, check_sql, query, check)


def _describe(name: str, source: _Source, schema: Schema) -> Table:
    statement = source.query.sql("duckdb", comments=False)
    sources = source_tables(source.query)
    history = _history(name, source.query) if name in sources else {}
    lineage = column_lineage(source.query, {**schema, name: history} if history else schema)
    columns = tuple(
        TableColumn(select.alias_or_name, _comment(select), lineage[select.alias_or_name])
        for select in source.query.selects
    )
    if bare := [column.name for column in columns if not column.description]:
        raise ValueError(f"{name}.sql: a comment is missing behind {', '.join(bare)}")
    return Table(
        name=name,
        subject=source.subject,
        description=_leading_comment(source.query),
        sql=source.sql,
        columns=columns,
        sources=sources - {name},
        check_sql=source.check_sql,
        check_description=_leading_comment(source.check),
        history=history,
        code_version=hashlib.sha256(statement.encode()).hexdigest()[:16],
    )


def _history(name: str, query: exp.Query) -> Mapping[str, str]:
    """The columns of a table that reads what it was, which has to be there before it is made."""
    types = {}
    for select in query.selects:
        cast = select.unalias()
        if not isinstance(cast, exp.Cast):
            raise ValueError(  # noqa: TRY004 - its content
                f"{name}.sql: reads itself, so give the type of {select.alias_or_name} by a cast"
            )
        types[select.alias_or_name] = cast.to.sql("duckdb")
    return types


def _comment(node: exp.Expr) -> str:
    return " ".join(comment.strip() for comment in node.comments or [])


def _leading_comment(query: exp.Query) -> str:
    with_ = query.args.get("with_") or query.args.get("with")
    first: exp.Expr = query
    while isinstance(first, exp.SetOperation):  # a comment is on the first of the united
        first = first.this
    return _comment(with_ or first) or _comment(first)
