"""Looking around: an index of the valid pairs, and the page that searches it."""

from laion_pipeline.explore.index import IndexFacts, find_index, make_index

__all__ = ["IndexFacts", "find_index", "make_index"]
