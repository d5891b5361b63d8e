"""A subset of a release: a filter, and the warehouse that it is for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from laion_pipeline.errors import SettingsError
from laion_pipeline.images.hosts import HostRules, rules_of
from laion_pipeline.paths import Paths
from laion_pipeline.releases.release import Release
from laion_pipeline.subsets.export import Export, export
from laion_pipeline.subsets.filter import SubsetFilter
from laion_pipeline.subsets.formats import FORMATS
from laion_pipeline.subsets.host_consent import hosts_of
from laion_pipeline.subsets.preview import Preview, preview
from laion_pipeline.subsets.selecting import select
from laion_pipeline.warehouse.connections import Warehouse, watched

if TYPE_CHECKING:
    from laion_pipeline.images.requests import Network


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
        with (
            self.warehouse.connect(read_only=True) as connection,
            watched(connection, "choosing pairs"),
        ):
            return preview(connection, self.chosen, self.release)

    def export(self, formats: Sequence[str] = (), network: "Network | None" = None) -> Export:
        """Write it to `exports/<name>/` of the release's folder; see `subsets.export`.

        In these `formats` too, beside those of the filter. Where the filter has it so, hosts are
        asked first, over the `network`; meanwhile the warehouse may be changed.

        Raises SettingsError where the filter is not for this release or there is no such format,
        and WarehouseError where no pair is left.
        """
        if unknown := [name for name in formats if name not in FORMATS]:
            raise SettingsError(f"format {unknown[0]}: there are {', '.join(FORMATS)}")
        every = tuple(dict.fromkeys([*self.chosen.formats, *formats]))
        chosen = self.chosen.model_copy(update={"formats": every})
        folder = self.paths.exports / self.chosen.name
        said = self._ask_hosts(network) if chosen.host_consent else None
        with (
            self.warehouse.connect(read_only=True) as connection,
            watched(connection, "choosing and writing pairs"),
        ):
            return export(connection, chosen, self.release, folder, said)

    def _ask_hosts(self, network: "Network | None") -> Mapping[str, HostRules]:
        with (
            self.warehouse.connect(read_only=True) as connection,
            watched(connection, "choosing pairs"),
        ):
            select(connection, self.chosen, self.release)
            hosts = hosts_of(connection)
        return rules_of(hosts, self.paths.host_consent, network)
