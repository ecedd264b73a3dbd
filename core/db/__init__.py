"""Postgres: engine, transactions, frames, schema, partitions, migrations."""
