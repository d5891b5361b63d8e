"""The index that is searched: a copy of the valid pairs, so that nobody waits for the warehouse.

It lies in a folder of its own, and is made beside the one before, which stays until it is whole.
"""

import logging
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, ValidationError

from laion_pipeline.common.files import cannot_write, publish_text, remove, workplace
from laion_pipeline.common.progress import percent_bar
from laion_pipeline.errors import DiskFullError
from laion_pipeline.explore.numbers import wholes_of
from laion_pipeline.releases.release import Release
from laion_pipeline.subsets.conditions import HOST
from laion_pipeline.subsets.keeping import shuffled
from laion_pipeline.subsets.terms import FOLDED, NEITHER
from laion_pipeline.warehouse.cleaned import cleaned_version, has_cleaned, still_there
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.provenance import Provenance, version_of

if TYPE_CHECKING:
    import tantivy

logger = logging.getLogger(__name__)

# Changes when an index is made otherwise.
_FORMAT = 1
_FACTS = "index.json"
_BATCH_ROWS = 10_000
# What may wait in memory to be written, beside DuckDB's own.
_HEAP_BYTES = 256_000_000
# A column of the index that is whole, and what it is of a pair.
WHOLE_COLUMNS: Mapping[str, str] = {
    "width": "width",
    "height": "height",
    "shortest_side": "CASE WHEN width <= height THEN width WHEN width > height THEN height END",
    "shard": "shard_id",
}


class IndexFacts(BaseModel):
    """What an index is of: a revision, its `scores` and `shards`; it lies in a folder, `version`.

    Captions are folded away from a punsafe of `unsafe_from` on. With `without_removed`, what a
    cleaned release no longer has is not in it. `version` is equal just for equal pairs, indexed
    alike.
    """

    model_config = ConfigDict(frozen=True)

    version: str
    release: str
    title: str
    revision: str
    origin: str
    made_up: bool
    made_at: datetime
    pairs: int
    without_removed: bool
    scores: tuple[str, ...]
    unsafe_from: float
    shards: Mapping[int, str]


def find_index(place: Path) -> IndexFacts | None:
    """What the index in a folder is of; None where there is none that this version can read."""
    try:
        facts = IndexFacts.model_validate_json((place / _FACTS).read_text("utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError):
        return None
    return facts if (place / facts.version / "meta.json").is_file() else None


def make_index(warehouse: Warehouse, release: Release, place: Path) -> IndexFacts:
    """Index the valid pairs in the folder `place`, unless that has been done.

    Raises WarehouseError when there are none, OutputError when it cannot be written.
    """
    with warehouse.connect(read_only=True) as connection:
        provenance = Provenance.read(connection)
        version = version_of(
            *(_FORMAT, provenance.data_version, provenance.revision, release.columns),
            cleaned_version(connection),
        )
        made = find_index(place)
        if made is not None and made.version == version:
            logger.info("search_index: of the same pairs already")
            return made
        folder = place / version
        with workplace(folder) as beside:
            pairs = _fill(connection, release, still_there(connection), beside)
            remove(folder)
            beside.rename(folder)
        facts = IndexFacts(
            version=version,
            release=provenance.release,
            title=provenance.title,
            revision=provenance.revision,
            origin=provenance.origin,
            made_up=provenance.made_up,
            made_at=datetime.now(UTC),
            pairs=pairs,
            without_removed=has_cleaned(connection),
            scores=tuple(release.scores),
            unsafe_from=release.unsafe_from,
            shards=dict(connection.execute("SELECT shard_id, path FROM shards").fetchall()),
        )
    publish_text(place / _FACTS, facts.model_dump_json(indent=1))
    for old in place.iterdir():
        if old.name not in (_FACTS, version):
            remove(old)
    logger.info("search_index: %s pairs", f"{pairs:,}")
    return facts


def _schema(scores: Sequence[str]) -> "tantivy.Schema":
    """What the index has of a pair.

    Words, hosts and numbers to be searched; address and caption only to be shown. `place` is where
    the pair stands in a random order.
    """
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_text_field("words", tokenizer_name="whitespace", index_option="basic")
    builder.add_text_field("host", fast=True, tokenizer_name="raw", index_option="basic")
    for name in (*scores, *WHOLE_COLUMNS):
        builder.add_integer_field(name, fast=True)
    builder.add_unsigned_field("place", fast=True)
    for name in ("url", "text"):
        builder.add_bytes_field(name, stored=True)
    return builder.build()


def _query(release: Release, kept: str) -> str:
    """The valid pairs that are `kept` as the index reads them: each as JSON, its numbers beside."""
    ascii_only = "strlen(text) = length(text)"
    folded = f"CASE WHEN {ascii_only} THEN lower(text) ELSE {FOLDED.format('text')} END"
    fields = {
        "words": f"regexp_replace({folded}, '{NEITHER}+', ' ', 'g')",
        "host": HOST,
        "place": f"CAST('0x' || left({shuffled(release, 0)}, 16) AS UBIGINT)",
        **{name: f"to_base64(encode({name}))" for name in ("url", "text")},
    }
    pair = ", ".join(f"{name}: {sql}" for name, sql in fields.items())
    numbers = {**{score: score for score in release.scores}, **WHOLE_COLUMNS}
    beside = "".join(f", {sql} AS {name}" for name, sql in numbers.items())
    return f"SELECT to_json({{{pair}}}) AS pair{beside} FROM valid_pairs WHERE {kept}"


def _with_numbers(batch: pa.RecordBatch) -> Sequence[str]:
    """Pairs as JSON with their numbers in it, all of them whole, of a batch that has both."""
    parts: list[pa.Array | str] = []
    for name in batch.schema.names[1:]:
        numbers = batch[name] if name in WHOLE_COLUMNS else wholes_of(batch[name])
        parts += [f',"{name}":', pc.fill_null(pc.cast(numbers, "string"), "[]")]
    pairs = pc.binary_join_element_wise(pc.utf8_rtrim(batch["pair"], "}"), *parts, "}", "")
    return list(pairs.to_pylist())


def _fill(connection: duckdb.DuckDBPyConnection, release: Release, kept: str, folder: Path) -> int:
    """Index the valid pairs that are `kept` in an empty folder; how many they are."""
    import tantivy

    ((total,),) = connection.execute("SELECT count(*) FROM valid_pairs").fetchall()
    done = 0
    try:
        index = tantivy.Index(_schema(release.scores), path=str(folder))
        writer = index.writer(_HEAP_BYTES, num_threads=1)
        reader = connection.execute(_query(release, kept)).to_arrow_reader(_BATCH_ROWS)
        with percent_bar("search index", lambda: 100 * done / max(total, 1)):
            for batch in reader:
                for pair in _with_numbers(batch):
                    writer.add_json(pair)
                done += batch.num_rows
            writer.commit()
            writer.wait_merging_threads()
    except ValueError as error:  # what the index makes of whatever is wrong
        place = folder.parent
        if shutil.disk_usage(place).free < _HEAP_BYTES:
            raise DiskFullError(
                f"{place}: there is no more room for the search index; make room, or set"
                " LAION_DATA_DIR to another disk"
            ) from error
        raise cannot_write(place, OSError(str(error))) from error
    return done
