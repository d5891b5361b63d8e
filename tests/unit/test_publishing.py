"""Parquet files of the warehouse's rows: whole, in order, and saying where they come from."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from laion_pipeline.errors import OutputError
from laion_pipeline.warehouse import publishing
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.provenance import Provenance
from laion_pipeline.warehouse.publishing import publish_parquet


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_rows_and_provenance(
    count: int, warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "_BATCH_ROWS", 2)
    file = tmp_path / "new folder" / "rows.parquet"
    with warehouse.connect(read_only=True) as connection:
        provenance = Provenance.read(connection)
        query = f"SELECT range AS n, [range::VARCHAR] AS words FROM range({count}) ORDER BY n DESC"
        assert publish_parquet(connection, query, file, provenance, {"fact": "it's"}) == count
    table = pq.read_table(file)
    assert table.to_pylist() == [{"n": n, "words": [str(n)]} for n in reversed(range(count))]
    said = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    assert {
        "laion_pipeline.release": provenance.release,
        "laion_pipeline.revision": provenance.revision,
        "laion_pipeline.origin": provenance.origin,
        "laion_pipeline.fact": "it's",
    }.items() <= said.items()
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_file_that_cannot_be_written_leaves_the_old_one(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    path = tmp_path / "file" / "rows.parquet"
    with warehouse.connect(read_only=True) as connection:
        provenance = Provenance.read(connection)
        with pytest.raises(OutputError, match=r"rows\.parquet: cannot be written: "):
            publish_parquet(connection, "SELECT 1", path, provenance)
    assert (tmp_path / "file").read_text() == "no folder"
