"""Images of strangers, fetched only when asked for: guarded requests, consent, small copies."""

from laion_pipeline.images.thumbnails import (
    OUTCOMES,
    Thumbnail,
    ThumbnailCounts,
    fetch_thumbnails,
    read_thumbnails,
)

__all__ = ["OUTCOMES", "Thumbnail", "ThumbnailCounts", "fetch_thumbnails", "read_thumbnails"]
