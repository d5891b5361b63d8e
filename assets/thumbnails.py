"""Images of the extremes: fetched from strangers' servers, and only if that was asked for."""

from typing import Any

import dagster as dg

from assets.resources import Laion
from assets.ui.links import file_metadata
from laion_pipeline.common.files import remove
from laion_pipeline.images import fetch_thumbnails
from laion_pipeline.report import EXTREMES_SHOWN


@dg.asset(deps=["score_extremes"], group_name="report")
def extreme_thumbnails(laion: Laion) -> dg.MaterializeResult[None]:
    """Small copies of the images in the report's gallery, and which of its links are dead.

    Fetched only with LAION_FETCH_IMAGES=true; without it no server is asked, and no copy is kept.
    """
    with laion.sound(["score_extremes"]) as (session, provenance):
        found: dict[str, Any] = {"fetched": False, "to_fetch_them": "set LAION_FETCH_IMAGES=true"}
        if session.settings.fetch_images:
            path = session.paths.thumbnails
            counts = fetch_thumbnails(session.warehouse, path, EXTREMES_SHOWN)
            found = {
                "fetched": True,
                **{f"images: {outcome}": n for outcome, n in counts.by_outcome.items()},
                **({} if counts.dead_share is None else {"dead_share": counts.dead_share}),
                **file_metadata(session, path),
            }
        else:
            remove(session.paths.thumbnails)
        return dg.MaterializeResult(metadata={**laion.told(provenance), **found})
