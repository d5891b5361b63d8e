"""The statistics of a release, to be handed on: what it is like, without one of its pairs."""
