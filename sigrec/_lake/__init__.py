"""The events and the ends of many processes as Parquet files, for DuckDB, Spark, ClickHouse and their like."""
