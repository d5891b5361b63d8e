"""A release that has been materialized, in a notebook or a script: read, and made subsets of."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import duckdb
import pyarrow as pa

from laion_pipeline.downloads.recorded import DOWNLOADS, Recorded, record
from laion_pipeline.downloads.results import read_results
from laion_pipeline.errors import SourceError, WarehouseError
from laion_pipeline.paths import Paths
from laion_pipeline.quality.results import RecordedCheck, find_checks, tally
from laion_pipeline.quality.soundness import read_made
from laion_pipeline.releases.release import Release, find_release
from laion_pipeline.settings import Settings
from laion_pipeline.subsets.downloaded import retry, write_for_trainers
from laion_pipeline.subsets.export import Export
from laion_pipeline.subsets.filter import SubsetFilter
from laion_pipeline.subsets.subset import Subset
from laion_pipeline.text import displayable
from laion_pipeline.warehouse.connections import Warehouse, quoted
from laion_pipeline.warehouse.pairs import count_rows
from laion_pipeline.warehouse.provenance import Provenance

if TYPE_CHECKING:
    import pandas as pd

    from laion_pipeline.statistics.publishing import Statistics

# What there is beside the derived tables.
_BASIC = ("pairs", "valid_pairs", "quarantine", "shards", DOWNLOADS)
_NAMES = "SELECT table_name FROM information_schema.tables"
_CELL_CHARACTERS = 1000


@dataclass(frozen=True)
class ChartImage:
    """A chart as it was drawn: its finding, what there is to see in words, and its PNG and SVG."""

    name: str
    title: str
    alt: str
    png: bytes
    svg: Path

    def __repr__(self) -> str:
        return f"{self.name}: {self.title}"

    def _repr_html_(self) -> str:
        image = b64encode(self.png).decode()
        return f'<img src="data:image/png;base64,{image}" alt="{escape(self.alt)}" width="720">'


class Checks(tuple[RecordedCheck, ...]):
    """What the checks found, those of `pairs` first."""

    __slots__ = ()

    def __repr__(self) -> str:
        return tally(self)

    def _repr_html_(self) -> str:
        lines = [
            (f"{check.asset}.{check.name}", check.verdict, check.finding, check.threshold)
            for check in self
        ]
        return _html_table(("check", "result", "finding", "threshold"), lines)


@dataclass(frozen=True)
class ReleaseReader:
    """A release as it was materialized: its tables, its charts and what its checks found.

    Every call opens the warehouse for as long as it takes, to read only, and SQL reaches no other
    file. While a run writes, a call waits up to a minute for it, and then raises
    WarehouseBusyError.
    """

    release: Release
    paths: Paths
    warehouse: Warehouse

    @classmethod
    def open(cls, release: str = "", data_dir: str | Path = "") -> Self:
        """What `laion_pipeline.open` gives."""
        given = {"release": release, "data_dir": str(data_dir)}
        settings = Settings.from_environment(
            **{key: value for key, value in given.items() if value}
        )
        found = find_release(settings.release)
        paths = settings.paths(found)
        if not paths.warehouse.is_file():
            raise WarehouseError(
                f"{paths.warehouse}: no warehouse yet; materialize the release first, or say where"
                " it is with data_dir"
            )
        limit, threads = settings.memory_limit, settings.threads
        return cls(found, paths, Warehouse(paths.warehouse, limit, threads, reads=paths.pairs))

    @property
    def tables(self) -> Sequence[str]:
        """The pairs, the views of them, the shards, and the derived tables that have been made."""
        with self.warehouse.connect(read_only=True) as connection:
            there = {name for (name,) in connection.execute(_NAMES).fetchall()}
            return [name for name in (*_BASIC, *sorted(read_made(connection))) if name in there]

    @property
    def charts(self) -> Sequence[str]:
        """The names of the charts that there are."""
        from laion_pipeline.charts import CHARTS  # takes half a second to load

        return [chart.name for chart in CHARTS if self._png(chart.name).is_file()]

    @property
    def provenance(self) -> Provenance:
        """Which revision the rows are from.

        Raises WarehouseError while `pairs` is not completely loaded.
        """
        with self.warehouse.connect(read_only=True) as connection:
            return Provenance.read(connection)

    def table(self, name: str) -> pa.Table:
        """All rows of a table or view, in its order, as an Arrow table; `.to_pandas()` if wanted.

        `pairs` and its views have a row a pair: ask for what you need of them by `sql`.

        Raises WarehouseError when there is no such table.
        """
        _require(name, self.tables, "table")
        return self.sql(f"SELECT * FROM {quoted(name)}")

    def frame(self, name: str) -> "pd.DataFrame":
        """The same as a pandas frame, which notebooks show as a table."""
        frame: pd.DataFrame = self.table(name).to_pandas()
        return frame

    def sql(self, query: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """What a query finds, as an Arrow table; `?` in it stand for the parameters.

        Raises WarehouseError saying what is wrong with the query.
        """
        try:
            with self.warehouse.connect(read_only=True) as connection:
                return connection.execute(query, parameters).to_arrow_table()
        except duckdb.Error as error:
            raise WarehouseError(f"this query fails: {str(error).splitlines()[0]}") from error

    def chart(self, name: str, *, dark: bool = False) -> ChartImage:
        """A chart by name, for light pages or for dark ones.

        Raises WarehouseError when there is no such chart.
        """
        from laion_pipeline.charts.chart import read_drawing
        from laion_pipeline.charts.dark import dark_variant

        _require(name, self.charts, "chart")
        png = self._png(name)
        drawing = read_drawing(png)
        svg = png.with_suffix(".svg")
        if dark:
            png, svg = dark_variant(png), dark_variant(svg)
        return ChartImage(name, drawing.title, drawing.alt, png.read_bytes(), svg)

    def checks(self) -> Checks:
        """What the checks found when they were made last; none before they ever were."""
        with self.warehouse.connect(read_only=True) as connection:
            return Checks(find_checks(connection))

    def subset(self, **fields: Any) -> Subset:
        """The pairs that a filter of these fields keeps; see `SubsetFilter`.

        Raises SettingsError naming what is wrong with them.
        """
        return self.choose(SubsetFilter.of(fields, "subset"))

    def choose(self, chosen: SubsetFilter) -> Subset:
        """The pairs that a filter keeps."""
        return Subset(chosen, self.release, self.paths, self.warehouse)

    def record_results(self, folder: str | Path) -> Recorded:
        """Read what img2dataset left in its output folder into the table `downloads`.

        Where the folder is in an export with files of trainers, they are written to it too, of the
        images that are there.

        Raises SourceError when it has no results, or some that cannot be read, and OutputError when
        something cannot be written.
        """
        results = read_results(Path(folder))
        with self.warehouse.connect() as connection:
            recorded = record(connection, results, self.paths.downloads)
        write_for_trainers(Path(folder))
        return recorded

    def retry(self, name: str) -> Export:
        """Write what of an export failed to download for a reason that may pass.

        Raises SourceError when there is no such export, WarehouseError where there is nothing.
        """
        if Path(name).name != name:
            raise SourceError(f"{name}: give the name of an export, not a path")
        with self.warehouse.connect(read_only=True) as connection:
            return retry(connection, self.paths.exports / name, self.release)

    def publish(self, folder: str | Path) -> "Statistics":
        """Write its tables and charts into a folder to be handed on, without any of its pairs.

        Raises WarehouseError where something has not been made of the revision that is loaded, and
        OutputError when the folder cannot be written.
        """
        from laion_pipeline.statistics.publishing import publish_statistics  # takes half a second

        return publish_statistics(self.warehouse, self.paths, Path(folder).absolute())

    def __repr__(self) -> str:
        return "\n".join(f"{what}: {said}" for what, said in self._facts())

    def _repr_html_(self) -> str:
        return _html_table(("release", self.release.name), self._facts())

    def _facts(self) -> Sequence[tuple[str, str]]:
        with self.warehouse.connect(read_only=True) as connection:
            provenance = Provenance.read(connection)
            rows, quarantined = count_rows(connection)
            checks = find_checks(connection)
        return [
            ("title", provenance.title + (" (made-up data)" if provenance.made_up else "")),
            (
                "revision",
                f"{provenance.revision}, loaded {provenance.loaded_at:%Y-%m-%d %H:%M} UTC",
            ),
            ("rows", f"{rows:,}, of them {rows - quarantined:,} valid"),
            ("checks", tally(checks)),
            ("tables", ", ".join(self.tables)),
            ("charts", ", ".join(self.charts)),
            ("report", str(self.paths.report)),
        ]

    def _png(self, name: str) -> Path:
        return self.paths.charts / f"{name}.png"


def _require(name: str, known: Sequence[str], what: str) -> None:
    if name not in known:
        raise WarehouseError(f"there is no {what} {name}; there are {', '.join(known) or 'none'}")


def _html_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        shown = (escape(displayable(cell, _CELL_CHARACTERS)) for cell in cells)
        return (
            "<tr>"
            + "".join(f'<{tag} style="text-align: left">{c}</{tag}>' for c in shown)
            + "</tr>"
        )

    body = "".join(line(row, "td") for row in rows)
    return f"<table><thead>{line(heads, 'th')}</thead><tbody>{body}</tbody></table>"
