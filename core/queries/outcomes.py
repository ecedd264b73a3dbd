"""Outcomes of single accounts in an ingestion. Without pandas, which workers do not load."""

from datetime import timedelta

OUTCOME_RETENTION = timedelta(days=90)
"""How long the outcomes of single accounts are kept; of older ingestions how many there were."""
# An ingestion has one run per attempt of its jobs. An account that was retried counts once, with its last outcome.
OUTCOME_CTES = """outcomes AS (
            SELECT DISTINCT ON (ingestion_id, login) ingestion_id, ingest_item.state, error_code
              FROM ingest_item
              JOIN ingest_run ON ingest_run.id = run_id
             WHERE ingestion_id = ANY(CAST(:ids AS bigint[]))
             ORDER BY ingestion_id, login, ingest_item.finished_at DESC
        ), items AS (
            SELECT ingestion_id,
                   count(*) FILTER (WHERE state IN ('stored', 'unchanged') AND error_code IS NULL) AS stored,
                   count(*) FILTER (WHERE NOT (state IN ('stored', 'unchanged') AND error_code IS NULL)) AS failed
              FROM outcomes GROUP BY ingestion_id
        )"""
"""SQL: how many accounts the ingestions `:ids` stored, and how many failed, from their outcomes."""
