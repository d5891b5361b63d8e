"""Lineage for other programs: which columns each table's columns come from, as OpenLineage."""

import json
from collections.abc import Iterator, Mapping, Sequence

from openlineage.client.event_v2 import InputDataset, Job, JobEvent, OutputDataset
from openlineage.client.facet_v2 import (
    DatasetFacet,
    JobFacet,
    column_lineage_dataset,
    dataset_version_dataset,
    documentation_dataset,
    schema_dataset,
    sql_job,
)
from openlineage.client.serde import Serde

from laion_pipeline import __version__
from laion_pipeline.tables.table import Table
from laion_pipeline.warehouse.lineage import Lineage
from laion_pipeline.warehouse.provenance import Provenance

_PRODUCER = f"urn:laion-pipeline:{__version__}"
_JOBS = "laion_pipeline"


def lineage_json(
    provenance: Provenance, shards: Sequence[Mapping[str, object]], tables: Sequence[Table]
) -> str:
    """A JSON list of OpenLineage job events: how `pairs` is made of shards, and each table of it.

    An input column is DIRECT where the value is computed from it, INDIRECT where it only decides
    which rows there are or in which order.
    """
    loaded = {"pairs"}.union(*(table.sources - table.derived_sources for table in tables))
    loading = _loading(provenance, shards, sorted(loaded))
    events = [loading, *(_making(provenance, table) for table in tables)]
    return json.dumps([Serde.to_dict(event) for event in events], indent=1, sort_keys=True) + "\n"


def _loading(
    provenance: Provenance, shards: Sequence[Mapping[str, object]], loaded: Sequence[str]
) -> JobEvent:
    version = dataset_version_dataset.DatasetVersionDatasetFacet(
        datasetVersion=provenance.revision, producer=_PRODUCER
    )
    inputs = [
        InputDataset(
            namespace=provenance.origin, name=str(shard["path"]), facets={"version": version}
        )
        for shard in shards
    ]
    outputs = [
        OutputDataset(namespace=_warehouse(provenance), name=name, facets={"version": version})
        for name in loaded
    ]
    return _event(provenance, "pairs", inputs, outputs)


def _making(provenance: Provenance, table: Table) -> JobEvent:
    warehouse = _warehouse(provenance)
    inputs = [InputDataset(namespace=warehouse, name=name) for name in sorted(table.sources)]
    facets: dict[str, DatasetFacet] = {
        "documentation": documentation_dataset.DocumentationDatasetFacet(
            description=table.description, producer=_PRODUCER
        ),
        "schema": schema_dataset.SchemaDatasetFacet(
            fields=[
                schema_dataset.SchemaDatasetFacetFields(
                    name=column.name, description=column.description
                )
                for column in table.columns
            ],
            producer=_PRODUCER,
        ),
        "columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(
            fields={
                column.name: column_lineage_dataset.Fields(
                    inputFields=list(_input_fields(warehouse, column.lineage))
                )
                for column in table.columns
            },
            producer=_PRODUCER,
        ),
    }
    output = OutputDataset(namespace=warehouse, name=table.name, facets=facets)
    return _event(provenance, table.name, inputs, [output], table.sql)


def _input_fields(warehouse: str, lineage: Lineage) -> Iterator[column_lineage_dataset.InputField]:
    for source in sorted(lineage.all):
        table, _, column = source.partition(".")
        kinds = [
            kind
            for kind, sources in (("DIRECT", lineage.direct), ("INDIRECT", lineage.indirect))
            if source in sources
        ]
        yield column_lineage_dataset.InputField(
            namespace=warehouse,
            name=table,
            field=column,
            transformations=[column_lineage_dataset.Transformation(type=kind) for kind in kinds],
        )


def _event(
    provenance: Provenance,
    name: str,
    inputs: list[InputDataset],
    outputs: list[OutputDataset],
    sql: str = "",
) -> JobEvent:
    facets: dict[str, JobFacet] = {}
    if sql:
        facets["sql"] = sql_job.SQLJobFacet(query=sql, dialect="duckdb", producer=_PRODUCER)
    return JobEvent(
        eventTime=f"{provenance.loaded_at.isoformat()}Z",
        producer=_PRODUCER,
        job=Job(namespace=_JOBS, name=name, facets=facets),
        inputs=inputs,
        outputs=outputs,
    )


def _warehouse(provenance: Provenance) -> str:
    return f"duckdb://{provenance.release}/warehouse.duckdb"
