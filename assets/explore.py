"""The index that Explore searches: a copy of the valid pairs, made only if that was asked for."""

from typing import Any

import dagster as dg

from assets.resources import Laion
from assets.ui.links import explore_link
from laion_pipeline.common.files import remove
from laion_pipeline.explore import make_index


@dg.asset(deps=["pairs", "cleaned_hashes"], group_name="explore")
def search_index(laion: Laion) -> dg.MaterializeResult[None]:
    """What the page Explore searches: words, hosts and numbers of all valid pairs.

    Made only with LAION_EXPLORE=true, since it takes long and much room; without it there is none,
    and one of before is removed.
    """
    with laion.sound() as (session, provenance):
        place = session.paths.search_index
        found: dict[str, Any] = {"indexed": False, "to_index_them": "set LAION_EXPLORE=true"}
        if session.settings.explore:
            facts = make_index(session.warehouse, session.release, place)
            found = {
                "indexed": True,
                "pairs": facts.pairs,
                "bytes": sum(each.stat().st_size for each in place.rglob("*") if each.is_file()),
                "path": dg.MetadataValue.path(place),
                "url": explore_link(session),
            }
        else:
            remove(place)
        return dg.MaterializeResult(metadata={**laion.told(provenance), **found})
