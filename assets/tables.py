"""Derived tables: every `.sql` file below `tables/` is an asset, made by the one factory here."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg

from assets.advice import asset_of
from assets.quality import check_contract, check_result, contract_specs, stop_if_blocked
from assets.resources import Laion
from assets.shown import table_of
from assets.ui.links import file_metadata
from laion_pipeline.tables.table import (
    SELF_CHECK,
    Table,
    TableResult,
    check_table,
    materialize_table,
    read_tables,
)
from laion_pipeline.warehouse.provenance import version_of
from laion_pipeline.warehouse.terms import ASKED_TERMS

# What people hand in, or open in a spreadsheet.
_ALSO_AS_CSV = {"domain_summary"}


def table_assets() -> list[dg.AssetsDefinition]:
    """An asset for each table described below `tables/`."""
    return [_table_asset(table) for table in sql_tables()]


def code_version() -> str:
    """Changes when the SQL of any table does."""
    return version_of(*(table.code_version for table in sql_tables()))


@cache
def sql_tables() -> tuple[Table, ...]:
    """The tables that are described there."""
    return read_tables(Path(__file__).with_suffix(""))


def _table_asset(table: Table) -> dg.AssetsDefinition:
    @dg.asset(
        name=table.name,
        description=table.description,
        deps=sorted({asset_of(source) for source in table.sources}),
        group_name=table.subject,
        kinds={"duckdb", "sql"},
        code_version=table.code_version,
        check_specs=[
            dg.AssetCheckSpec(
                SELF_CHECK, asset=table.name, description=table.check_description, blocking=True
            ),
            *contract_specs(table.name),
        ],
    )
    def materialized(laion: Laion) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        with laion.sound(table.derived_sources, writes=True) as (session, provenance):
            if ASKED_TERMS in table.sources:
                session.hold_terms()
            as_csv = table.name in _ALSO_AS_CSV
            result = materialize_table(
                session.warehouse, table, session.paths.tables, as_csv=as_csv, engine=session.engine
            )
            own = check_table(session.warehouse, table, result.rows, session.engine)
            told = laion.told(provenance, result.rows_read)
        with laion.session() as session:
            checks = [own, *check_contract(session, table.name)]
        yield dg.MaterializeResult(
            metadata={**told, **_metadata(table, result), **file_metadata(session, result.parquet)},
            check_results=[check_result(check, session) for check in checks],
        )
        stop_if_blocked(checks)

    return materialized


def _metadata(table: Table, result: TableResult) -> dict[str, Any]:
    return {
        "dagster/row_count": result.rows,
        "dagster/table_name": table.name,
        "dagster/column_schema": dg.TableSchema(
            [
                dg.TableColumn(column.name, result.types[column.name], column.documentation)
                for column in table.columns
            ]
        ),
        "dagster/column_lineage": dg.TableColumnLineage(
            {
                column.name: [
                    dg.TableColumnDep(asset_key=asset, column_name=name)
                    for asset, name in sorted({_upstream(s) for s in column.lineage.all})
                    if asset != table.name
                ]
                for column in table.columns
            }
        ),
        "sql": dg.MetadataValue.md(f"```sql\n{table.sql}\n```"),
        **({"all_rows": table_of(result.shown)} if result.shown else {}),
    }


def _upstream(source: str) -> tuple[str, str]:
    """The asset and the column that `table.column` of the warehouse belongs to."""
    table, _, column = source.partition(".")
    return asset_of(table), column
