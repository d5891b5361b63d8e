"""Dagster's UI and a release's files on one address, for nobody but its user."""
