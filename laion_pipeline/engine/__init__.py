"""What computes: DuckDB, or Spark, with SQL written for it and rows loaded by its workers."""
