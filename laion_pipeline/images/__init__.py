"""Images of strangers, fetched only when asked for: guarded requests, consent, small copies."""

from laion_pipeline.images.thumbnails import (
    Thumbnail,
    ThumbnailCounts,
    fetch_all,
    fetch_thumbnails,
    read_thumbnails,
)

__all__ = ["Thumbnail", "ThumbnailCounts", "fetch_all", "fetch_thumbnails", "read_thumbnails"]
