"""The shards of the configured release, listed, fetched and verified."""

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from assets.resources import Laion
from assets.shown import rounded, size
from laion_pipeline.ingestion import fetch_shards
from laion_pipeline.text import displayable
from laion_pipeline.warehouse.provenance import version_of

# The release where it comes from, which is not made here.
DATASET = dg.AssetSpec(
    "dataset",
    description="The release at its source: its dataset on the Hub, whose version is a commit, or a"
    " folder. When it changes, everything below is out of date; the sensors look for that.",
    group_name="ingest",
)


def observed(revision: str) -> dg.AssetObservation:
    """That the source has a revision now."""
    return dg.AssetObservation(DATASET.key, tags={DATA_VERSION_TAG: revision})


@dg.asset(deps=[DATASET], group_name="ingest", kinds={"parquet"})
def shards(context: dg.AssetExecutionContext, laion: Laion) -> dg.MaterializeResult[None]:
    """The release's Parquet files at one pinned revision, each verified before it counts.

    From the Hugging Face Hub, from a local folder (`LAION_SOURCE`), or generated (the sample).
    Files whose content the warehouse already holds are not fetched again.
    """
    with laion.session() as session:
        result = fetch_shards(session)
        laion.tag(session, result.listing.revision)
    listing, plan = result.listing, result.plan
    context.log_event(observed(listing.revision))
    return dg.MaterializeResult(
        metadata={
            **laion.told(listing),
            "origin": listing.origin,
            "shards": len(listing.shards),
            "bytes": sum(shard.bytes for shard in listing.shards),
            "new": len(plan.new),
            "changed": len(plan.changed),
            "unchanged": len(plan.unchanged),
            "removed": len(plan.removed),
            "bytes_fetched": result.fetched.bytes_fetched,
            "bytes_reused": result.fetched.bytes_reused,
            "mb_per_second": rounded(
                result.fetched.bytes_fetched / 1e6 / max(result.seconds, 1e-9)
            ),
            "size": size(sum(shard.bytes for shard in listing.shards)),
            "files": dg.MetadataValue.table(
                [
                    dg.TableRecord(
                        {"path": displayable(s.path), "bytes": s.bytes, "sha256": s.sha256}
                    )
                    for s in listing.shards
                ]
            ),
        },
        data_version=dg.DataVersion(version_of(*((s.path, s.sha256) for s in listing.shards))),
    )
