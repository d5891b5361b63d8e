"""The shards of the configured release, listed, fetched and verified."""

import dagster as dg

from assets.quality import provenance_metadata
from assets.resources import Laion
from laion_pipeline.ingestion import fetch_shards
from laion_pipeline.provenance import version_of


@dg.asset(group_name="ingest", kinds={"parquet"})
def shards(laion: Laion) -> dg.MaterializeResult[None]:
    """The release's Parquet files at one pinned revision, each verified before it counts.

    From the Hugging Face Hub, from a local folder (`LAION_SOURCE`), or generated (the sample).
    Files whose content the warehouse already holds are not fetched again.
    """
    with laion.session() as session:
        result = fetch_shards(session)
        laion.tag(session, result.listing.revision)
    listing, plan = result.listing, result.plan
    return dg.MaterializeResult(
        metadata={
            **provenance_metadata(listing.release, listing.revision),
            "origin": listing.origin,
            "shards": len(listing.shards),
            "bytes": sum(shard.bytes for shard in listing.shards),
            "new": len(plan.new),
            "changed": len(plan.changed),
            "unchanged": len(plan.unchanged),
            "removed": len(plan.removed),
            "bytes_fetched": result.fetched.bytes_fetched,
            "bytes_reused": result.fetched.bytes_reused,
            "seconds": result.seconds,
            "mb_per_second": result.fetched.bytes_fetched / 1e6 / max(result.seconds, 1e-9),
            "files": dg.MetadataValue.table(
                [
                    dg.TableRecord({"path": s.path, "bytes": s.bytes, "sha256": s.sha256})
                    for s in listing.shards
                ]
            ),
        },
        data_version=dg.DataVersion(
            version_of(listing.revision, *((s.path, s.sha256) for s in listing.shards))
        ),
    )
