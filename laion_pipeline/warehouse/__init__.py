"""The DuckDB file: its connections, the table of pairs, and what it holds of which shard."""
