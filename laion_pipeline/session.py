"""A session: the settings and what follows from them, resolved once for a piece of work."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from laion_pipeline import __version__
from laion_pipeline.contract import Contract
from laion_pipeline.engine.cluster import Cluster, require_spark
from laion_pipeline.engine.engine import DUCKDB, Engine
from laion_pipeline.engine.spark import Spark
from laion_pipeline.errors import SettingsError
from laion_pipeline.paths import Paths
from laion_pipeline.quality.soundness import require_sound
from laion_pipeline.releases.release import SAMPLE, Release, find_release
from laion_pipeline.settings import Settings
from laion_pipeline.sources.folder import FolderSource, require_folder
from laion_pipeline.sources.hub.environment import require_usable_environment
from laion_pipeline.sources.hub.source import HubSource
from laion_pipeline.sources.sample.source import SampleSource
from laion_pipeline.sources.shards import Listing
from laion_pipeline.sources.source import Source
from laion_pipeline.warehouse.connections import Warehouse
from laion_pipeline.warehouse.provenance import Provenance, version_of
from laion_pipeline.warehouse.terms import TermGroups, hold_terms


@dataclass(frozen=True)
class Session:
    """The configured release, its contract, what is asked of it, where it is kept and computed."""

    settings: Settings
    release: Release
    contract: Contract
    terms: TermGroups
    paths: Paths
    warehouse: Warehouse
    engine: Engine

    @classmethod
    def open(cls, **given: str) -> Self:
        """The session that the settings given describe, and for others the environment.

        Raises SettingsError naming the variable that is wrong.
        """
        settings = Settings.from_environment(**given)
        release = find_release(settings.release)
        if release.name == SAMPLE and settings.source is not None:
            title = "Local files in the layout of LAION-Aesthetics V1"
            changed = {"title": title, "score_model": "", "published_rows": None}
            release = release.model_copy(update=changed)
        contract, terms = settings.find_contract(release), settings.find_terms()
        paths = settings.prepare(release)
        warehouse = Warehouse(
            paths.warehouse, settings.memory_limit, settings.threads, reads=paths.pairs
        )
        engine = _engine(settings, release, paths)
        return cls(settings, release, contract, terms, paths, warehouse, engine)

    def open_source(self) -> Source:
        """The place that the release's shards come from.

        Raises SettingsError when the settings name none, or a folder that is not there.
        """
        settings = self.settings
        if settings.source is not None:
            require_folder(settings.source)
            hashed = Listing.read_hashed(self.paths.listing, settings.source)
            return FolderSource(self.release, settings.source, hashed)
        if self.release.name == SAMPLE:
            return SampleSource(self.release, self.paths.shards)
        if not self.release.repo:
            raise SettingsError(
                f"LAION_RELEASE={settings.release}: names no repo on the Hub; set LAION_SOURCE to a"
                " folder of its shards, or add repo to its description"
            )
        require_usable_environment()
        return HubSource(self.release, settings.revision, self.paths.shards, settings.downloads)

    def require_sound(self, tables: Iterable[str] = ()) -> Provenance:
        """See that something may be made from the rows, and from derived tables; their provenance.

        Raises what `quality.soundness.require_sound` raises.
        """
        with self.warehouse.connect(read_only=True) as connection:
            return require_sound(connection, tables)

    def hold_terms(self) -> None:
        """Let the warehouse hold the terms that are asked about."""
        with self.warehouse.connect() as connection:
            hold_terms(connection, self.terms)

    def data_version(self, provenance: Provenance) -> str:
        """Equal just for equal rows that are held to an equal contract."""
        return version_of(provenance.data_version, *self.contract.checks)

    def finished_version(self, provenance: Provenance, code_version: str) -> str:
        """Equal just for equal rows of a revision, held to one contract and made into one analysis.

        `code_version` is that of the tables' SQL. With images, or a search index, it is another
        than without, and so it is with other terms, or another cleaned release.
        """
        return version_of(
            __version__,
            code_version,
            provenance.revision,
            self.data_version(provenance),
            str(self.settings.fetch_images),
            str(self.settings.explore),
            self.terms.rows,
            str(self.settings.cleaned),
        )


def _engine(settings: Settings, release: Release, paths: Paths) -> Engine:
    if settings.engine == "duckdb":
        return DUCKDB
    require_spark(settings.spark_master)
    cluster = Cluster(settings.spark_master, settings.memory_limit_bytes, paths.root)
    return Spark.over(release, paths.pairs, cluster)
