"""What a cleaned release still has of the pairs, if one was asked about."""

import dagster as dg

from assets.resources import Laion
from laion_pipeline.warehouse.cleaned import hold_cleaned


@dg.asset(deps=["pairs"], group_name="safety")
def cleaned_hashes(laion: Laion) -> dg.MaterializeResult[None]:
    """The hashes of valid pairs that a cleaned release, such as Re-LAION, still has.

    Held only with LAION_CLEANED, a folder of its files, and if most are there: then both releases
    hash alike. Subsets and the search index leave out the others.
    """
    with laion.sound(writes=True) as (session, provenance):
        with session.warehouse.connect() as connection:
            cleaned = hold_cleaned(connection, session.settings.cleaned)
        return dg.MaterializeResult(
            metadata={
                **laion.told(provenance),
                "finding": cleaned.told,
                "usable": cleaned.is_usable,
                "files": cleaned.files,
                **({"removed": cleaned.pairs - cleaned.found} if cleaned.is_usable else {}),
            }
        )
