"""A subset of a release: a filter, and the warehouse that it is for."""

from dataclasses import dataclass

from laion_pipeline.paths import Paths
from laion_pipeline.releases.release import Release
from laion_pipeline.subsets.filter import SubsetFilter
from laion_pipeline.subsets.preview import Preview, preview
from laion_pipeline.warehouse.connections import Warehouse


@dataclass(frozen=True)
class Subset:
    """The pairs of a release that a filter keeps."""

    chosen: SubsetFilter
    release: Release
    paths: Paths
    warehouse: Warehouse

    def preview(self) -> Preview:
        """What would be in it, and what each condition leaves.

        Raises SettingsError where the filter is not for this release.
        """
        with self.warehouse.connect(read_only=True) as connection:
            return preview(connection, self.chosen, self.release)
