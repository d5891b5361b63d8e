"""Small shards and warehouses for tests: rows by canonical name in, a loaded warehouse out."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import mmh3
import pyarrow as pa
import pyarrow.parquet as pq

from laion_pipeline.common.places import Place
from laion_pipeline.contract import Contract
from laion_pipeline.contract.rows import quarantine_rules
from laion_pipeline.quality.results import CheckResult, record_checks
from laion_pipeline.quality.validation import validate
from laion_pipeline.releases.release import Release, find_release
from laion_pipeline.sources.folder import FolderSource
from laion_pipeline.sources.shards import Listing
from laion_pipeline.tables.table import Table, materialize_table, read_tables
from laion_pipeline.warehouse.cleaned import hold_cleaned
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.loading import LoadResult, load_pairs
from laion_pipeline.warehouse.parquet_store import InParquet
from laion_pipeline.warehouse.provenance import Provenance
from laion_pipeline.warehouse.stores import IN_WAREHOUSE, Store
from laion_pipeline.warehouse.suffixes import hold_suffixes
from laion_pipeline.warehouse.supply import BATCH_SHARDS, Kept
from laion_pipeline.warehouse.terms import TermGroups, hold_terms
from laion_pipeline.warehouse.views import shorthand_views

Row = Mapping[str, Any]

TABLES_FOLDER = Path(__file__).resolve().parent.parent / "assets" / "tables"
SAMPLE = find_release("sample")
RAW = find_release("laion2B-en")
# What only a measurement can tell, which Great Expectations is not asked.
MEASURED = {
    *("every_source_row_loaded", "every_row_accounted_for", "size_orientation", "rows_retained"),
    "shards_unique",
    *("urls_unique", "hashes_unique", "hash_matches"),
}
RULES = tuple(rule.name for rule in quarantine_rules(SAMPLE))
# What is asked about wherever a test has a warehouse made.
TERMS = TermGroups(
    groups={
        "colours": ("blue", "RED", "gray, or grey", "été"),
        "others": ("caption", "number 1", "car", "the", "no such word", "世"),
    }
)
SCORES = ("aesthetic", "punsafe", "pwatermark", "similarity")

TYPES = {
    "url": pa.string(),
    "text": pa.string(),
    "width": pa.int64(),
    "height": pa.int64(),
    "similarity": pa.float64(),
    "hash": pa.int64(),
    "punsafe": pa.float64(),
    "pwatermark": pa.float64(),
    "aesthetic": pa.float64(),
    "license": pa.string(),
    "nsfw": pa.string(),
    "language": pa.string(),
}
CORE = tuple(TYPES)[:9]


def pair(number: int = 0, **changes: object) -> dict[str, Any]:
    """A row of the sample release that keeps every rule, but for `changes`."""
    return {
        "url": f"https://www.host.example/{number}.jpg",
        "text": f"a caption, number {number}",
        "width": 640,
        "height": 480,
        "similarity": 0.3,
        "hash": number,
        "punsafe": 0.01,
        "pwatermark": 0.02,
        "aesthetic": 7.5,
        **changes,
    }


def pairs(count: int, first: int = 0, **changes: object) -> list[dict[str, Any]]:
    """Rows that differ in URL, caption and hash."""
    return [pair(number, **changes) for number in range(first, first + count)]


def hashed(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The rows with the hash that their URL and caption have."""
    return [
        {**row, "hash": mmh3.hash64(f"{row['url'] or ''}{row['text'] or ''}".encode())[0]}
        for row in rows
    ]


def table_of(rows: Sequence[Row], columns: Sequence[str] = CORE) -> pa.Table:
    """Rows as an Arrow table of canonical columns, in the widest types."""
    schema = pa.schema([(name, TYPES[name]) for name in columns])
    return pa.Table.from_pylist([dict(row) for row in rows], schema=schema)


def write_shard(
    folder: Path, name: str, rows: Sequence[Row], columns: Sequence[str] = CORE
) -> Path:
    """Write rows as one shard, replacing what is there under its name."""
    return write_table(folder, name, table_of(rows, columns))


def write_table(folder: Path, name: str, table: pa.Table) -> Path:
    """Write an Arrow table, in whatever layout, as one shard."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / name)
    return folder / name


def replaced(table: pa.Table, name: str, values: object, to: str | None = None) -> pa.Table:
    """The table with other values in a column, and another name for it where `to` says so."""
    return table.set_column(table.schema.get_field_index(name), to or name, values)


def rows_folder(_file: Path) -> Place | None:
    """Where the rows of the warehouse in a file are kept, if not in the file itself."""
    return None


def beside(file: Path) -> Place:
    return file.with_suffix(".pairs")


def warehouse_at(file: Path, busy_wait_seconds: float = 60) -> Warehouse:
    return Warehouse(file, "1GB", 2, busy_wait_seconds, reads=rows_folder(file))


def store_of(warehouse: Warehouse) -> Store:
    """What keeps the rows of a warehouse."""
    return InParquet(warehouse.reads, "1GB") if warehouse.reads else IN_WAREHOUSE


def list_folder(folder: Path, release: Release = SAMPLE) -> Listing:
    return FolderSource(release, folder).list_shards()


def load(folder: Path, release: Release = SAMPLE, file: Path | None = None) -> Warehouse:
    """Make the warehouse beside `folder` hold just the folder's shards."""
    warehouse = warehouse_at(file or folder.parent / "warehouse.duckdb")
    load_pairs(warehouse, release, list_folder(folder, release), store=store_of(warehouse))
    with warehouse.connect() as connection:
        hold_terms(connection, TERMS)
    return warehouse


def load_rows(folder: Path, rows: Sequence[Row], release: Release = SAMPLE) -> Warehouse:
    """A warehouse in `folder` of one shard that holds `rows`."""
    write_shard(folder / "shards", "part-0.parquet", rows, release.columns)
    return load(folder / "shards", release)


def fetch(warehouse: Warehouse, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """What a query finds in a warehouse."""
    with warehouse.connect(read_only=True) as connection:
        return connection.execute(query, parameters).fetchall()


def column(warehouse: Warehouse, query: str, *parameters: object) -> list[Any]:
    """The only column of what a query finds in a warehouse."""
    return [value for (value,) in fetch(warehouse, query, *parameters)]


def change(warehouse: Warehouse, *statements: str) -> None:
    """Change a warehouse behind the pipeline's back."""
    with warehouse.connect() as connection:
        for statement in statements:
            connection.execute(statement)


def held(warehouse: Warehouse) -> dict[str, tuple[object, object]]:
    """For each path of the ledger its shard's id and the hashes of its rows."""
    return {
        str(path): (shard_id, hashes)
        for path, shard_id, hashes in fetch(
            warehouse,
            "SELECT path, shards.shard_id, list_sort(list(hash))"
            " FROM shards LEFT JOIN pairs USING (shard_id) GROUP BY ALL",
        )
    }


def snapshot(warehouse: Warehouse) -> tuple[list[Any], list[tuple[Any, ...]]]:
    """Every row of `pairs`, and every line of the ledger with its time of loading."""
    return (
        column(warehouse, "SELECT pairs::VARCHAR FROM pairs ORDER BY ALL"),
        fetch(warehouse, "SELECT * FROM shards ORDER BY shard_id"),
    )


def reload(
    warehouse: Warehouse, folder: Path, release: Release = SAMPLE, batch_shards: int = BATCH_SHARDS
) -> LoadResult:
    listing = list_folder(folder, release)
    supply = Kept(release, batch_shards)
    return load_pairs(warehouse, release, listing, supply, store_of(warehouse))


def check(
    warehouse: Warehouse, release: Release = SAMPLE, asset: str = "pairs"
) -> dict[str, CheckResult]:
    """Hold an asset of a warehouse against its release's contract; each check's result by name."""
    results = validate(warehouse, Contract.of(release), asset)
    return {result.name: result for result in results}


def accept_removal(warehouse: Warehouse) -> None:
    """Say that whatever rows have left were meant to."""
    accepted = CheckResult(
        asset="pairs", name="rows_retained", status="passed", description="they were meant to go"
    )
    with warehouse.connect() as connection:
        record_checks(connection, [accepted])


def provenance(warehouse: Warehouse) -> Provenance:
    with warehouse.connect(read_only=True) as connection:
        return Provenance.read(connection)


@cache
def tables() -> Mapping[str, Table]:
    """The project's derived tables by name."""
    return {table.name: table for table in read_tables(TABLES_FOLDER)}


def compare_cleaned(warehouse: Warehouse, folder: Path) -> None:
    """Have a warehouse compared with a release of which all but a few of its pairs are left."""
    hashes = column(warehouse, "SELECT hash FROM valid_pairs ORDER BY hash")
    left = [each for place, each in enumerate(hashes) if place % 20]
    write_table(folder, "cleaned.parquet", pa.table({"hash": pa.array(left, pa.int64())}))
    with warehouse.connect() as connection:
        assert hold_cleaned(connection, folder).is_usable


def make_tables(warehouse: Warehouse, folder: Path, *names: str) -> None:
    """Make derived tables, by default all of them, each after those that it reads."""
    with warehouse.kept_open():
        for name, table in tables().items():
            if name in names or not names:
                materialize_table(warehouse, table, folder)


def create_shorthands(connection: duckdb.DuckDBPyConnection) -> None:
    """The shorthand views, on whatever `valid_pairs` and `asked_terms` are."""
    for name, query in shorthand_views(SAMPLE).items():
        connection.execute(f"CREATE TEMP VIEW {name} AS {query}")


def compute(name: str, valid_pairs: pa.Table) -> list[tuple[Any, ...]]:
    """The rows of a derived table over the given valid pairs, without a warehouse."""
    with duckdb.connect() as connection:
        connection.register("valid_pairs", valid_pairs)
        hold_terms(connection, TERMS)
        create_shorthands(connection)
        if "public_suffixes" in loaded_sources(name):
            hold_suffixes(connection)
        for source in upstream(name):
            connection.execute(f"CREATE TEMP TABLE {source} AS {tables()[source].sql}")
        return connection.execute(tables()[name].sql).fetchall()


def upstream(name: str) -> list[str]:
    """The derived tables that one is made from, each after those that it is made from itself."""
    needed = {name}
    for table in reversed(list(tables().values())):
        needed |= table.derived_sources if table.name in needed else set()
    return [table for table in tables() if table in needed - {name}]


def loaded_sources(name: str) -> set[str]:
    """What a derived table is made from in the end."""
    read = (tables()[table] for table in (name, *upstream(name)))
    return {source for table in read for source in table.sources - table.derived_sources}
