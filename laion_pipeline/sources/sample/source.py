"""The generator of the sample release as a source of shards."""

from dataclasses import dataclass
from pathlib import Path

from laion_pipeline.releases.release import Release
from laion_pipeline.sources.sample.shards import generate_sample
from laion_pipeline.sources.shards import Listing, content_revision, describe_files
from laion_pipeline.sources.source import InPlace


@dataclass(frozen=True)
class SampleSource(InPlace):
    """The sample release, generated into its folder of shards."""

    release: Release
    folder: Path

    def list_shards(self) -> Listing:
        """Generate what is not there yet, and hash it."""
        paths = generate_sample(self.folder)
        shards = describe_files(self.folder, [path.name for path in paths])
        return Listing(
            release=self.release.name,
            revision=content_revision(shards),
            origin="a generator: made-up data in the layout of a real release",
            made_up=True,
            folder=self.folder,
            shards=shards,
        )
