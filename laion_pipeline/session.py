"""A session: the settings and what follows from them, resolved once for a piece of work."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from laion_pipeline import __version__
from laion_pipeline.contract import Contract
from laion_pipeline.provenance import Provenance, version_of
from laion_pipeline.quality.soundness import require_sound
from laion_pipeline.releases import SAMPLE, Release
from laion_pipeline.settings import Paths, Settings
from laion_pipeline.warehouse import Warehouse


@dataclass(frozen=True)
class Session:
    """The configured release and its contract, where it is kept, and its warehouse."""

    settings: Settings
    release: Release
    contract: Contract
    paths: Paths
    warehouse: Warehouse

    @classmethod
    def open(cls) -> Self:
        """The session that the environment describes.

        Raises SettingsError naming the variable that is wrong.
        """
        settings = Settings.from_environment()
        release = settings.find_release()
        if release.name == SAMPLE and settings.source is not None:
            title = "Local files in the layout of LAION-Aesthetics V1"
            changed = {"title": title, "score_model": "", "published_rows": None}
            release = release.model_copy(update=changed)
        contract = settings.find_contract(release)
        paths = settings.prepare(release)
        warehouse = Warehouse(paths.warehouse, settings.memory_limit, settings.threads)
        return cls(settings, release, contract, paths, warehouse)

    def require_sound(self, tables: Iterable[str] = ()) -> Provenance:
        """See that something may be made from the rows, and from derived tables; their provenance.

        Raises what `quality.soundness.require_sound` raises.
        """
        with self.warehouse.connect(read_only=True) as connection:
            return require_sound(connection, tables)

    def data_version(self, provenance: Provenance) -> str:
        """Equal just for equal rows that are held to an equal contract."""
        return version_of(provenance.data_version, *self.contract.checks)

    def finished_version(self, provenance: Provenance, code_version: str) -> str:
        """Equal just for equal rows of a revision, held to one contract and made into one analysis.

        `code_version` is that of the tables' SQL.
        """
        return version_of(
            __version__, code_version, provenance.revision, self.data_version(provenance)
        )
