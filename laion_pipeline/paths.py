"""Where everything that is written lies: the fixed layout below the data folder."""

from pathlib import Path

from laion_pipeline.common.places import Place
from laion_pipeline.sources.shards import LISTING_NAME
from laion_pipeline.warehouse.connections import RUN_LOCK


class Paths:
    """Where a release's files lie, in and below the folder `root`; its rows perhaps elsewhere."""

    def __init__(self, root: Path, pairs: Place | None = None) -> None:
        self.root = root
        self.shards = root / "shards"  # those that were downloaded or generated
        self.listing = self.shards / LISTING_NAME  # the shards found last: what `pairs` is to hold
        self.warehouse = root / "warehouse.duckdb"
        self.pairs = pairs or root / "pairs"  # its rows in files, where Spark is the engine
        self.run_lock = root / RUN_LOCK  # of whichever run works here
        self.dagster = root / "dagster"  # Dagster's own storage: one history a release
        self.tables = root / "tables"  # derived tables as Parquet
        self.quarantine = self.tables / "quarantine.parquet"
        self.thumbnails = self.tables / "extreme_thumbnails.parquet"
        self.downloads = self.tables / "downloads.parquet"
        self.host_consent = self.tables / "host_consent.parquet"  # what hosts say may be used
        self.search_index = root / "search_index"  # what Explore searches
        self.charts = root / "charts"  # as PNG and SVG
        self.data_docs = root / "data_docs"  # Great Expectations' pages about each validation
        self.exports = root / "exports"  # subsets that were written, a folder each
        self.report = root / "report.html"
        self.lineage = root / "lineage.json"  # beside the report, for other programs
