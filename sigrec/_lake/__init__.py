"""Writes the events and ends of many processes as Parquet files, for
DuckDB, Spark, ClickHouse and the like."""
