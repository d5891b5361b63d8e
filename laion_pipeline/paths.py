"""Where everything that is written lies: the fixed layout below the data folder."""

from dataclasses import dataclass
from pathlib import Path

from laion_pipeline.sources.shards import LISTING_NAME
from laion_pipeline.warehouse.connections import RUN_LOCK


@dataclass(frozen=True)
class Paths:
    """Where a release's files lie."""

    root: Path

    @property
    def shards(self) -> Path:
        """The folder of downloaded or generated shards."""
        return self.root / "shards"

    @property
    def listing(self) -> Path:
        """The shards last found at the source: what `pairs` is to hold."""
        return self.shards / LISTING_NAME

    @property
    def warehouse(self) -> Path:
        """The DuckDB file."""
        return self.root / "warehouse.duckdb"

    @property
    def run_lock(self) -> Path:
        """The lock of whichever run works here."""
        return self.root / RUN_LOCK

    @property
    def dagster(self) -> Path:
        """The folder of Dagster's own storage: one history a release."""
        return self.root / "dagster"

    @property
    def tables(self) -> Path:
        """The folder of derived tables as Parquet."""
        return self.root / "tables"

    @property
    def quarantine(self) -> Path:
        """The rows that break a rule, as Parquet."""
        return self.tables / "quarantine.parquet"

    @property
    def charts(self) -> Path:
        """The folder of charts as PNG and SVG."""
        return self.root / "charts"

    @property
    def data_docs(self) -> Path:
        """The folder of Great Expectations' pages about each validation."""
        return self.root / "data_docs"

    @property
    def report(self) -> Path:
        """The report, one self-contained page."""
        return self.root / "report.html"
