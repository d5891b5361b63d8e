"""What is materialized: the Dagster code location, a thin layer over `laion_pipeline`."""
