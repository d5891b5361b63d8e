"""Real rows, through the whole pipeline: all of them in, the right way round, checked honestly.

The rows at hand are good ones, so every run ends with status 0; but they are few of their release,
and captions are as the web has them.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import mmh3
import pyarrow.parquet as pq
import pytest

from tests.end_to_end.command import NEEDS_REAL_ROWS, REAL_ROWS, Outcome, interface_files
from tests.oracles import ORACLES
from tests.oracles.rows import assert_close
from tests.orchestration import planted
from tests.orchestration.runs import asking, command, configured

pytestmark = [pytest.mark.slow, NEEDS_REAL_ROWS]
# A size that a web site wrote into an address, such as ...-360x240.jpg: width first.
IN_URL = re.compile(r"[-_](\d{2,4})x(\d{2,4})\.(?:jpe?g|png|webp)", re.IGNORECASE)
V1_LAYOUT = "laion2B-en-aesthetic-real-text"
V1, RAW, V2 = "laion2B-en-aesthetic", "laion2B-multi", "aesthetics_v2_4.5"

# Checks that cannot be made of raw rows without a hash, a published count, and three scores.
LACKING = {"hash_matches", "hashes_unique", "published_rows"} | {
    f"{score}_{check}"
    for score in ("punsafe", "pwatermark", "aesthetic")
    for check in ("range", "filter", "drift")
}


def source_rows(folder: str) -> list[dict[str, Any]]:
    return [
        row
        for path in sorted((REAL_ROWS / folder).glob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]


def run_on(place: Path, release: str, folder: str) -> Outcome:
    with configured(place / "data", REAL_ROWS / folder, release), asking(place):
        done = command()
    outcome = Outcome(place, done.exit_status, done.text, "")
    assert outcome.status == 0, outcome.out
    assert interface_files(release) <= {
        str(path.relative_to(outcome.data)) for path in outcome.data.rglob("*")
    }
    # A local folder's files are read where they lie.
    assert not list((outcome.data / release / "shards").glob("*.parquet"))
    return outcome


def report(outcome: Outcome, release: str) -> str:
    return (outcome.data / release / "report.html").read_text("utf-8")


def agreement_with_urls(outcome: Outcome, release: str) -> Counter[str]:
    """How the sizes in the warehouse compare with those in the addresses, where not square."""
    found: Counter[str] = Counter()
    for url, *size in outcome.query(
        release, "SELECT url, width, height FROM pairs WHERE width <> height"
    ):
        if match := IN_URL.search(url):
            written = [int(match[1]), int(match[2])]
            if written[0] != written[1]:
                swapped = "swapped" if written[::-1] == size else "other"
                found["straight" if written == size else swapped] += 1
    return found


def test_the_layout_of_v1(tmp_path: Path) -> None:
    outcome = run_on(tmp_path, V1, V1_LAYOUT)
    source = source_rows(V1_LAYOUT)
    assert len(source) == 9461
    assert "9,461 rows, 0 quarantined" in outcome.out
    assert ", 0 failed" in outcome.out
    rows = planted.source_rows(REAL_ROWS / V1_LAYOUT)
    told = outcome.query(V1, "SELECT name, failing_rows FROM check_results WHERE asset = 'pairs'")
    assert dict(told) == planted.failing(rows)
    columns = "url, text, width, height, similarity, hash, punsafe, pwatermark, aesthetic"
    loaded = outcome.query(V1, f"SELECT {columns} FROM pairs")
    assert Counter(loaded) == Counter(tuple(row.values()) for row in source)
    agreement = agreement_with_urls(outcome, V1)
    assert agreement["straight"] > 300
    assert agreement["swapped"] == 0
    hashes = outcome.query(V1, "SELECT url, text, hash FROM pairs")
    assert all(mmh3.hash64((url + text).encode())[0] == hash_ for url, text, hash_ in hashes)
    for name, oracle in ORACLES.items():
        assert_close(outcome.query(V1, f"FROM {name}"), oracle(rows))
    assert "Not in this release:" not in report(outcome, V1)  # all scores are


def test_raw_rows_with_swapped_sizes(tmp_path: Path) -> None:
    outcome = run_on(tmp_path, RAW, "laion2B-multi-real")
    source = source_rows("laion2B-multi-real")
    assert "9,461 rows, 0 quarantined" in outcome.out
    columns = "url, text, width, height, similarity, license, nsfw, language"
    names = "URL", "TEXT", "HEIGHT", "WIDTH", "similarity", "LICENSE", "NSFW", "LANGUAGE"
    loaded = outcome.query(RAW, f"SELECT {columns} FROM pairs")
    assert Counter(loaded) == Counter(tuple(row[name] for name in names) for row in source)
    agreement = agreement_with_urls(outcome, RAW)
    assert agreement["straight"] > 300
    assert agreement["swapped"] == 0
    # What the release lacks is said to be so, in the report too, and is empty where SQL wants it.
    assert "Not in this release:" in report(outcome, RAW)
    assert outcome.query(RAW, "SELECT DISTINCT score FROM score_histogram") == [("similarity",)]
    absent = outcome.query(
        RAW,
        "SELECT count(punsafe), count(pwatermark), count(aesthetic), count(hash) FROM valid_pairs",
    )
    assert absent == [(0, 0, 0, 0)]
    statuses = dict(outcome.query(RAW, "SELECT name, status FROM check_results"))
    lacking = {name for name, status in statuses.items() if status == "not in this release"}
    assert lacking == LACKING


def test_a_row_of_v2(tmp_path: Path) -> None:
    outcome = run_on(tmp_path, V2, "aesthetics_v2-real")
    (row,) = source_rows("aesthetics_v2-real")
    assert "1 rows" in outcome.out or "1 row" in outcome.out
    columns = "url, text, width, height, similarity, hash, punsafe, pwatermark, aesthetic"
    names = (
        *("URL", "TEXT", "WIDTH", "HEIGHT", "similarity", "hash", "punsafe", "pwatermark"),
        "AESTHETIC_SCORE",
    )
    (loaded,) = outcome.query(V2, f"SELECT {columns} FROM pairs")
    assert loaded == tuple(row[name] for name in names)
    assert isinstance(row["WIDTH"], float)
    assert isinstance(loaded[2], int)
    assert mmh3.hash64((loaded[0] + loaded[1]).encode())[0] == loaded[5]
    assert outcome.query(V2, "SELECT score_model FROM provenance") == [("V2",)]
    # One row is at once the best and the worst by each of four scores.
    assert outcome.query(V2, "SELECT count(*), count(DISTINCT url) FROM score_extremes") == [(8, 1)]
