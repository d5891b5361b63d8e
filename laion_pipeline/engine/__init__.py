"""Other engines than DuckDB: how its SQL is written for them."""
