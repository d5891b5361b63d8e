"""Files of the warehouse's rows: whole, in order, and saying where they come from."""

import csv
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from laion_pipeline.errors import OutputError
from laion_pipeline.warehouse import publishing
from laion_pipeline.warehouse.connections import Warehouse, literal
from laion_pipeline.warehouse.provenance import Provenance
from laion_pipeline.warehouse.publishing import publish_csv, publish_parquet


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


def test_csv_is_read_back_and_holds_no_formula(warehouse: Warehouse, tmp_path: Path) -> None:
    texts = ["plain", "a,b", 'say "x"', "two\nlines", "\u4e16", "=1+1", "@x", "+1", "-1", "\tx"]
    with warehouse.connect(read_only=True) as connection:
        values = ", ".join(f"({literal(text)}, 7)" for text in texts)
        publish_csv(connection, f"FROM (VALUES {values}) AS t(word, n)", tmp_path / "w.csv")
    with (tmp_path / "w.csv").open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    assert header == ["word", "n"]
    assert [word for word, _ in rows] == texts[:5] + [f"'{text}" for text in texts[5:]]
    assert {n for _, n in rows} == {"7"}


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
