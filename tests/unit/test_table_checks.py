"""Self-checks of the derived tables: each finds what contradicts the table's invariant."""

from pathlib import Path

import pytest

from laion_pipeline.quality.results import EXAMPLES, read_checks
from laion_pipeline.sources.sample.shards import generate_sample
from laion_pipeline.tables.table import SELF_CHECK, check_table
from laion_pipeline.warehouse.connections import Warehouse
from tests.builders import (
    change,
    column,
    compare_cleaned,
    load,
    make_tables,
    pair,
    pairs,
    reload,
    tables,
    write_shard,
)

TAMPERINGS = {
    "score_summary": [
        "UPDATE score_summary SET pairs = pairs + 1 WHERE score = 'punsafe'",
        "UPDATE score_summary SET nulls = nulls - 1 WHERE score = 'punsafe'",
        "UPDATE score_summary SET p50 = p75 + 0.001",
        "UPDATE score_summary SET p01 = minimum - 0.001 WHERE score = 'aesthetic'",
        "UPDATE score_summary SET maximum = p95",
        "UPDATE score_summary SET mean = maximum + 0.001",
        "UPDATE score_summary SET mean = minimum - 0.001",
        "UPDATE score_summary SET p25 = NULL WHERE score = 'punsafe'",
        "UPDATE score_summary SET mean = NULL WHERE score = 'punsafe'",
        "UPDATE score_summary SET pairs = NULL WHERE score = 'punsafe'",
        "UPDATE score_summary SET minimum = 'nan' WHERE score = 'punsafe'",
        "DELETE FROM score_summary WHERE score = 'aesthetic'",
        "DELETE FROM score_summary",
    ],
    "scores_by_shard": [
        "UPDATE scores_by_shard SET pairs = pairs + 1 WHERE score = 'punsafe' AND bin = 3",
        "UPDATE scores_by_shard SET pairs = NULL WHERE score = 'punsafe' AND bin = 3",
        "UPDATE scores_by_shard SET shard_id = 1 - shard_id",
        "DELETE FROM scores_by_shard WHERE shard_id = 0",
        "DELETE FROM scores_by_shard",
        "INSERT INTO scores_by_shard VALUES (0, 'beauty', 0, true, 5)",
    ],
    "score_histogram": [
        "UPDATE score_histogram SET pairs = pairs + 1 WHERE score = 'aesthetic' AND bin_lower = 8",
        "DELETE FROM score_histogram WHERE score = 'aesthetic' AND bin_lower = 7",
        "DELETE FROM score_histogram WHERE score = 'similarity'",
        "DELETE FROM score_histogram",
        "INSERT INTO score_histogram VALUES ('beauty', 0, 1, 5)",
        "UPDATE score_histogram SET pairs = NULL WHERE score = 'punsafe'",
    ],
    "score_correlations": [
        "UPDATE score_correlations SET pearson = 1.01 WHERE other = 'punsafe'",
        "UPDATE score_correlations SET spearman = 'nan' WHERE other = 'punsafe'",
        "UPDATE score_correlations SET pairs = pairs + 1000 WHERE other = 'punsafe'",
        "UPDATE score_correlations SET pairs = NULL WHERE other = 'punsafe'",
        "UPDATE score_correlations SET measure = other",
        "INSERT INTO score_correlations FROM score_correlations",
        "DELETE FROM score_correlations WHERE other = 'punsafe'",
        "DELETE FROM score_correlations",
    ],
    "score_joint_histogram": [
        "UPDATE score_joint_histogram SET pairs = pairs + 1 WHERE x_lower = 7 AND y_lower = 0",
        "UPDATE score_joint_histogram SET pairs = NULL WHERE y = 'punsafe'",
        "UPDATE score_joint_histogram SET y = 'punsafe' WHERE y = 'pwatermark'",
        "UPDATE score_joint_histogram SET x_upper = x_lower",
        "UPDATE score_joint_histogram SET x_lower = 0, x_upper = 1, y_lower = 0",
        "DELETE FROM score_joint_histogram WHERE y = 'log2 pixels'",
        "DELETE FROM score_joint_histogram",
        "INSERT INTO score_joint_histogram VALUES ('a', 'b', 0, 1, 0, 1, 5)",
    ],
    "score_thresholds": [
        "UPDATE score_thresholds SET pairs = pairs + 1 WHERE score = 'aesthetic' AND share = 1",
        "UPDATE score_thresholds SET pairs = pairs + 1000 WHERE score = 'aesthetic' AND share < 1",
        "UPDATE score_thresholds SET share = share / 2 WHERE score = 'punsafe'",
        "UPDATE score_thresholds SET keeps = 'at most' WHERE score = 'aesthetic'",
        "UPDATE score_thresholds SET pairs = NULL WHERE score = 'punsafe'",
        "DELETE FROM score_thresholds WHERE score = 'punsafe'",
        "DELETE FROM score_thresholds WHERE share = 1",
        "DELETE FROM score_thresholds",
        "INSERT INTO score_thresholds VALUES ('beauty', 'at least', 0, 5, 1)",
    ],
    "resolution_counts": [
        "UPDATE resolution_counts SET pairs = pairs + 1 WHERE rank = 1",
        "UPDATE resolution_counts SET share = share * 1.01",
        "DELETE FROM resolution_counts WHERE rank = 2",
        "DELETE FROM resolution_counts",
        "UPDATE resolution_counts SET pairs = NULL, share = NULL",
    ],
    "resolution_summary": [
        "UPDATE resolution_summary SET pairs = pairs + 1 WHERE class = 'square'",
        "UPDATE resolution_summary SET pairs = pairs + 1 WHERE class = 'other'",
        "UPDATE resolution_summary SET share = share * 1.01 WHERE class = '1 to 2'",
        "UPDATE resolution_summary SET pairs = 100000 WHERE class = 'at least 256 px'",
        "UPDATE resolution_summary SET place = 5 - place WHERE measure = 'shortest side'",
        "UPDATE resolution_summary SET pairs = NULL WHERE class = '4 and more'",
        "DELETE FROM resolution_summary WHERE measure = 'shortest side' AND place = 4",
        "DELETE FROM resolution_summary",
    ],
    "crop_loss": [
        "UPDATE crop_loss SET pairs = pairs - 1 WHERE selection = 'all' AND side = 768",
        "UPDATE crop_loss SET pairs = pairs + 1 WHERE selection = 'large enough' AND side = 512",
        "UPDATE crop_loss SET upscaled = upscaled + 1 WHERE side = 512",
        "UPDATE crop_loss SET share = share / 2",
        "UPDATE crop_loss SET p50_cut = p75_cut + 0.01 WHERE method = 'bucketing'",
        "UPDATE crop_loss SET mean_cut = -0.1 WHERE side = 1024 AND selection = 'all'",
        "UPDATE crop_loss SET mean_cut = NULL WHERE side = 1024 AND selection = 'all'",
        "UPDATE crop_loss SET pairs = NULL WHERE side = 1024 AND selection = 'all'",
        "DELETE FROM crop_loss WHERE side = 512",
        "DELETE FROM crop_loss",
    ],
    "similarity_by_size": [
        "UPDATE similarity_by_size SET pairs = pairs + 1 WHERE tenth = 3",
        "UPDATE similarity_by_size SET lowest_similarity = lowest_similarity - 0.1 WHERE tenth = 3",
        "UPDATE similarity_by_size SET effect_size = effect_size + 0.01 WHERE tenth = 3",
        "UPDATE similarity_by_size SET small_share = 1.1 WHERE tenth = 3",
        "UPDATE similarity_by_size SET median_pixels = NULL WHERE tenth = 3",
        "UPDATE similarity_by_size SET tenth = 11 WHERE tenth = 10",
        "DELETE FROM similarity_by_size WHERE tenth = 3",
        "DELETE FROM similarity_by_size",
    ],
    "similarity_by_caption": [
        "UPDATE similarity_by_caption SET pairs = pairs + 1 WHERE tenth = 3",
        "UPDATE similarity_by_caption SET lowest_similarity = -2 WHERE tenth = 3",
        "UPDATE similarity_by_caption SET effect_size = effect_size + 0.01 WHERE tenth = 3",
        "UPDATE similarity_by_caption SET short_share = -0.1 WHERE tenth = 3",
        "UPDATE similarity_by_caption SET only_digits_ratio = only_digits_ratio + 0.1",
        "UPDATE similarity_by_caption SET mean_characters = NULL WHERE tenth = 3",
        "DELETE FROM similarity_by_caption WHERE tenth = 3",
        "DELETE FROM similarity_by_caption",
    ],
    "captions_by_shard": [
        "UPDATE captions_by_shard SET pairs = pairs + 1 WHERE measure = 'words' AND value = 5",
        "UPDATE captions_by_shard SET pairs = NULL WHERE measure = 'words' AND value = 5",
        "UPDATE captions_by_shard SET value = -1 WHERE measure = 'words' AND value = 5",
        "UPDATE captions_by_shard SET measure = 'lines' WHERE measure = 'words'",
        "UPDATE captions_by_shard SET shard_id = 1 - shard_id",
        "DELETE FROM captions_by_shard WHERE measure = 'filters'",
        "DELETE FROM captions_by_shard WHERE shard_id = 0",
        "DELETE FROM captions_by_shard",
    ],
    "caption_summary": [
        "UPDATE caption_summary SET pairs = pairs + 1 WHERE measure = 'words'",
        "UPDATE caption_summary SET pairs = -1, share = -1 WHERE measure = 'only digits'",
        "UPDATE caption_summary SET share = share / 2 WHERE measure = 'HTML entities'",
        "UPDATE caption_summary SET p50 = p75 + 1 WHERE measure = 'characters'",
        "UPDATE caption_summary SET mean = maximum + 1 WHERE measure = 'characters'",
        "UPDATE caption_summary SET p99 = NULL WHERE measure = 'words'",
        "DELETE FROM caption_summary WHERE measure = 'not Latin'",
        "DELETE FROM caption_summary",
    ],
    "term_lift": [
        "UPDATE term_lift SET pairs = pairs + 1 WHERE term = 'blue'",
        "UPDATE term_lift SET having_it = pairs + 1 WHERE term = 'blue'",
        "UPDATE term_lift SET having_it = 1 WHERE term = 'no such word'",
        "UPDATE term_lift SET lift = lift * 2 WHERE term = 'the'",
        "UPDATE term_lift SET lift = NULL WHERE term = 'the'",
        "UPDATE term_lift SET lift_low = lift_high WHERE term = 'the'",
        "UPDATE term_lift SET lift_high = NULL WHERE term = 'the'",
        "DELETE FROM term_lift WHERE term = 'the' AND score = 'punsafe'",
        "DELETE FROM term_lift WHERE term = 'the' AND score_from = 7",
        "DELETE FROM term_lift WHERE term_group = 'colours'",
        "DELETE FROM term_lift",
    ],
    "safety_overlay": [
        "UPDATE safety_overlay SET removed = removed + 1000",
        "UPDATE safety_overlay SET removed = -1, removed_share = -1 / pairs",
        "UPDATE safety_overlay SET removed_share = removed_share * 2 + 0.1",
        "UPDATE safety_overlay SET without_hash = pairs",
        "UPDATE safety_overlay SET pairs = pairs + 1",
        "UPDATE safety_overlay SET removed = NULL",
        "UPDATE safety_overlay SET removed = pairs, removed_share = 1",
        "DELETE FROM safety_overlay WHERE shard = 'new.parquet'",
        "DELETE FROM safety_overlay",
    ],
    "caption_words": [
        "UPDATE caption_words SET rank = rank + 1 WHERE rank > 5",
        "UPDATE caption_words SET occurrences = occurrences + 100000 WHERE rank = 6",
        "UPDATE caption_words SET word = 'caption' WHERE rank < 3",
        "UPDATE caption_words SET word = upper(word)",
        "UPDATE caption_words SET mean_aesthetic = 11 WHERE rank = 6",
        "UPDATE caption_words SET mean_aesthetic = NULL WHERE rank = 6",
        "DELETE FROM caption_words WHERE rank = 6",
        "DELETE FROM caption_words",
    ],
    "host_totals": [
        "UPDATE host_totals SET pairs = pairs + 1 WHERE host = 'pins.example'",
        "UPDATE host_totals SET host = 'pins.example' WHERE host = 'shop.example'",
        "UPDATE host_totals SET watermarked_share = 1.1 WHERE host = 'pins.example'",
        "UPDATE host_totals SET mean_punsafe = -0.1 WHERE host = 'pins.example'",
        "UPDATE host_totals SET pairs = NULL WHERE host = 'pins.example'",
        "DELETE FROM host_totals WHERE host = 'pins.example'",
        "DELETE FROM host_totals",
    ],
    "host_counts": [
        "UPDATE host_counts SET pairs = pairs + 1 WHERE rank = 1",
        "UPDATE host_counts SET share = share / 2 WHERE rank = 2",
        "UPDATE host_counts SET cumulative_share = 1 WHERE rank = 2",
        "UPDATE host_counts SET host = 'pins.example'",
        "UPDATE host_counts SET rank = rank + 1 WHERE rank > 3",
        "DELETE FROM host_counts WHERE rank = (SELECT max(rank) FROM host_counts)",
        "DELETE FROM host_counts",
    ],
    "domain_summary": [
        "UPDATE domain_summary SET pairs = pairs + 1 WHERE rank = 1",
        "UPDATE domain_summary SET share = NULL WHERE rank = 1",
        "UPDATE domain_summary SET small_provider = false WHERE rank = 1",
        "UPDATE domain_summary SET small_provider = false",
        "UPDATE domain_summary SET domain = 'pins.example'",
        "DELETE FROM domain_summary WHERE rank = 2",
        "DELETE FROM domain_summary",
    ],
    "duplicates": [
        "UPDATE duplicates SET pairs = pairs + 1 WHERE key = 'hash'",
        "UPDATE duplicates SET pairs = 1 WHERE key = 'url'",
        "UPDATE duplicates SET pairs = NULL WHERE key = 'url'",
        "UPDATE duplicates SET key = 'hash'",
        "INSERT INTO duplicates FROM duplicates",
        "DELETE FROM duplicates WHERE key = 'url'",
        "DELETE FROM duplicates WHERE key = 'hash'",
    ],
    "duplicate_groups": [
        "UPDATE duplicate_groups SET pairs = pairs + 1",
        "UPDATE duplicate_groups SET rank = rank + 1",
        "UPDATE duplicate_groups SET value = 'https://x'",
        "DELETE FROM duplicate_groups WHERE key = 'url'",
        "DELETE FROM duplicate_groups",
    ],
    "duplicate_summary": [
        "UPDATE duplicate_summary SET pairs = pairs + 1 WHERE place = 2",
        "UPDATE duplicate_summary SET groups = groups + 1 WHERE place = 2",
        "UPDATE duplicate_summary SET removed = removed + 1 WHERE place = 3",
        "UPDATE duplicate_summary SET removed_share = 0.5 WHERE place = 3",
        "UPDATE duplicate_summary SET groups = NULL WHERE place = 3",
        "DELETE FROM duplicate_summary WHERE place = 4",
        "DELETE FROM duplicate_summary",
    ],
    "training_filters": [
        "UPDATE training_filters SET pairs_together = pairs_alone + 1 WHERE step = 1",
        "UPDATE training_filters SET pairs_alone = pairs_alone * 1000 WHERE step = 1",
        "UPDATE training_filters SET share_alone = share_alone / 2",
        "UPDATE training_filters SET share_together = 1 WHERE step = 3",
        "UPDATE training_filters SET pairs_alone = NULL WHERE step = 2",
        "UPDATE training_filters SET condition = 'none' WHERE step = 2",
        "DELETE FROM training_filters WHERE step = 2",
        "DELETE FROM training_filters",
    ],
    "score_extremes": [
        "DELETE FROM score_extremes WHERE score = 'punsafe' AND extreme = 'top' AND rank = 7",
        "DELETE FROM score_extremes WHERE score = 'punsafe' AND extreme = 'top'",
        "UPDATE score_extremes SET rank = 2 WHERE rank = 1",
        "INSERT INTO score_extremes FROM score_extremes WHERE rank = 1",
        "UPDATE score_extremes SET url = 'https://x' WHERE extreme = 'top' AND rank < 3",
    ],
    "extreme_summary": [
        "UPDATE extreme_summary SET pairs = pairs - 1 WHERE extreme = 'top'",
        "UPDATE extreme_summary SET extreme = 'top'",
        "UPDATE extreme_summary SET small_share = 1.5 WHERE extreme = 'top'",
        "UPDATE extreme_summary SET only_digits_share = NULL WHERE extreme = 'top'",
        "INSERT INTO extreme_summary FROM extreme_summary WHERE extreme = 'top'",
        "DELETE FROM extreme_summary WHERE extreme = 'top'",
        "DELETE FROM extreme_summary",
    ],
    "quarantine_counts": [
        "UPDATE quarantine_counts SET rows = rows + 1 WHERE reason = 'url_http'",
        "UPDATE quarantine_counts SET rows = NULL WHERE reason = 'url_http'",
        "DELETE FROM quarantine_counts WHERE reason = 'punsafe_range'",
        "DELETE FROM quarantine_counts",
        "INSERT INTO quarantine_counts VALUES ('boredom', 'part-0.parquet', 3)",
        "INSERT INTO quarantine_counts FROM quarantine_counts",
        "UPDATE quarantine_counts SET reason = 'text_present' WHERE reason = 'url_http'",
    ],
    "revision_diff": [
        "UPDATE revision_diff SET added = added + 1 WHERE shard = 'new.parquet'",
        "UPDATE revision_diff SET removed = removed + 1 WHERE shard = 'new.parquet'",
        "UPDATE revision_diff SET rows = rows + 1 WHERE shard = 'new.parquet'",
        "DELETE FROM revision_diff WHERE shard = 'new.parquet'",
        "DELETE FROM revision_diff",
        "INSERT INTO revision_diff FROM revision_diff WHERE shard = 'new.parquet'",
    ],
    "revision_drift": [
        "UPDATE revision_drift SET rows = rows + 1 WHERE measure = 'rows'",
        "UPDATE revision_drift SET stability_index = -0.1 WHERE measure = 'punsafe'",
        "UPDATE revision_drift SET value = 'nan' WHERE measure = 'punsafe'",
        "UPDATE revision_drift SET value = NULL WHERE measure = 'punsafe'",
        "DELETE FROM revision_drift WHERE measure = 'rows'",
        "DELETE FROM revision_drift",
    ],
    "release_history": [
        "UPDATE release_history SET value = value + 1 WHERE subject = 'source'",
        "UPDATE release_history SET value = value + 1 WHERE subject = 'valid'",
        "UPDATE release_history SET value = value - 1 WHERE measure = 'tenth'",
        "INSERT INTO release_history FROM release_history",
        "DELETE FROM release_history WHERE subject = 'quarantined'",
        "DELETE FROM release_history",
    ],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return with_all_tables(tmp_path_factory.mktemp("made"))


def with_all_tables(folder: Path) -> Warehouse:
    """All tables, of a second revision that has a shard more."""
    generate_sample(folder / "shards", rows=600, shards=1)
    warehouse = load(folder / "shards")
    make_tables(warehouse, folder / "tables")
    repeated = [pair(7, url="https://host.example/12.jpg")] * 2
    write_shard(folder / "shards", "new.parquet", pairs(7, first=10**6) + repeated)
    reload(warehouse, folder / "shards")
    compare_cleaned(warehouse, folder / "cleaned")
    make_tables(warehouse, folder / "tables")
    return warehouse


@pytest.fixture
def copy(made: Warehouse, tmp_path: Path) -> Warehouse:
    """A warehouse to tamper with."""
    file = tmp_path / "warehouse.duckdb"
    file.write_bytes(made.file.read_bytes())
    return Warehouse(file, made.memory_limit, made.threads)


def test_every_table_is_tampered_with() -> None:
    assert TAMPERINGS.keys() == tables().keys(), "say in TAMPERINGS what its check has to find"


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_table_as_made_passes(name: str, copy: Warehouse) -> None:
    result = check_table(copy, tables()[name], 9)
    assert (result.asset, result.name, result.status) == (name, SELF_CHECK, "passed")
    assert (result.rows, result.failing_rows, result.examples) == (9, 0, ())
    assert result.description == tables()[name].check_description != ""
    assert column(copy, f"SELECT count(*) > 0 FROM {name}") == [True]


@pytest.mark.parametrize(
    ("name", "tampering"),
    [(name, tampering) for name, each in TAMPERINGS.items() for tampering in each],
)
def test_a_table_tampered_with_fails(name: str, tampering: str, copy: Warehouse) -> None:
    change(copy, tampering)
    result = check_table(copy, tables()[name], 9)
    assert result.status == "failed"
    assert result.failing_rows > 0
    assert len(result.examples) == min(result.failing_rows, EXAMPLES)
    assert result.advice
    with copy.connect(read_only=True) as connection:
        (kept,) = read_checks(connection)
        assert len(connection.execute(kept.sql).fetchall()) == kept.failing_rows
    assert (kept.asset, kept.name, kept.status) == (name, SELF_CHECK, "failed")
    assert (kept.failing_rows, len(kept.examples)) == (result.failing_rows, len(result.examples))


@pytest.mark.parametrize("name", ["score_summary", "scores_by_shard", "resolution_counts"])
def test_a_table_older_than_its_rows_fails(name: str, copy: Warehouse) -> None:
    change(copy, "DELETE FROM pairs WHERE width IS NOT NULL AND defects = 0 AND rowid % 50 = 0")
    assert check_table(copy, tables()[name], 9).status == "failed"
