"""Lineage as other programs read it: OpenLineage's events, whole and connected."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from openlineage.client.event_v2 import InputDataset, Job, JobEvent
from openlineage.client.facet_v2 import column_lineage_dataset

from laion_pipeline.report.openlineage import lineage_json
from laion_pipeline.warehouse.provenance import Provenance
from tests.builders import tables

Event = Mapping[str, Any]

PROVENANCE = Provenance(
    release="sample", title="A sample", repo="", revision="abc", origin="/somewhere",
    made_up=True, score_model="", complete=True, loaded_at=datetime(2026, 1, 2, 3, 4),  # noqa: DTZ001
    data_version="v",
)  # fmt: skip
SHARDS = [{"path": "part-0.parquet"}, {"path": 'odd "name".parquet'}]


@pytest.fixture(scope="module")
def events() -> list[Event]:
    told: list[Event] = json.loads(lineage_json(PROVENANCE, SHARDS, list(tables().values())))
    return told


def names(datasets: list[Event]) -> set[tuple[str, str]]:
    return {(dataset["namespace"], dataset["name"]) for dataset in datasets}


def test_every_table_is_told_of_once(events: list[Event]) -> None:
    assert [event["job"]["name"] for event in events] == ["pairs", *tables()]
    for event in events[1:]:
        (output,) = event["outputs"]
        assert output["name"] == event["job"]["name"]
        assert event["job"]["facets"]["sql"]["query"] == tables()[output["name"]].sql


def test_all_comes_from_the_shards(events: list[Event]) -> None:
    known = {("/somewhere", str(shard["path"])) for shard in SHARDS}
    assert names(events[0]["inputs"]) == known
    for event in events:
        assert names(event["inputs"]) <= known, "each is made of what was made before"
        known |= names(event["outputs"])


def test_columns_come_from_columns_of_the_inputs(events: list[Event]) -> None:
    for event in events[1:]:
        (output,) = event["outputs"]
        fields = output["facets"]["columnLineage"]["fields"]
        table = tables()[output["name"]]
        assert list(fields) == sorted(column.name for column in table.columns)
        # A table that was there before, as the history, also comes from what it was.
        inputs = names(event["inputs"]) | names([output])
        for column in table.columns:
            told = fields[column.name]["inputFields"]
            assert names(told) <= inputs
            kinds = {
                kind: {
                    f"{field['name']}.{field['field']}"
                    for field in told
                    if kind in [each["type"] for each in field["transformations"]]
                }
                for kind in ("DIRECT", "INDIRECT")
            }
            assert kinds == {
                "DIRECT": column.lineage.direct, "INDIRECT": column.lineage.indirect,
            }  # fmt: skip


def test_they_are_as_the_client_of_openlineage_has_them(events: list[Event]) -> None:
    for event in events:
        job = Job(**event["job"])
        inputs = [InputDataset(**dataset) for dataset in event["inputs"]]
        again = JobEvent(eventTime=event["eventTime"], job=job, inputs=inputs)
        assert event["schemaURL"] == again.schemaURL
        assert datetime.fromisoformat(event["eventTime"]) == datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
        for output in event["outputs"]:
            for facet in output["facets"].values():
                assert facet["_schemaURL"].startswith("https://openlineage.io/spec/facets/")
                assert facet["_producer"].startswith("urn:laion-pipeline:")
    lineage = events[1]["outputs"][0]["facets"]["columnLineage"]
    for field in lineage["fields"].values():
        for given in field["inputFields"]:
            column_lineage_dataset.InputField(**given)
