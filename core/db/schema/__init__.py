"""The tables of Almanac's database, by subject. A test compares them with the migrated database.

Own ids never leave the database: outside it, accounts and repositories are identified by GitHub's numeric id or by
name. Timestamps are `timestamptz` in UTC. A count that GitHub did not report is null, never zero.
"""

from core.db.schema.accounts import account, account_snapshot, account_summary, account_version
from core.db.schema.alerts import alert, alert_rule, webhook, webhook_delivery
from core.db.schema.captures import capture, capture_day, change, data_version, language_day, repository_import, source
from core.db.schema.columns import GROWTH_DAYS, metadata
from core.db.schema.enrichment import (
    commit_day,
    contribution_day,
    contributor_snapshot,
    enrichment,
    enrichment_backlog,
    enrichment_run,
    missing_endpoint,
    page_open,
    release,
    release_snapshot,
    repository_contributor,
    star_backfill,
    star_day,
    traffic_day,
)
from core.db.schema.people import api_key, audit_event, person, report, session, ticket
from core.db.schema.repositories import (
    NAMED_REPOSITORY_ID,
    repository,
    repository_current,
    repository_extra_snapshot,
    repository_language,
    repository_month,
    repository_push,
    repository_snapshot_open,
    repository_summary,
    repository_version,
)
from core.db.schema.runs import daily_work, ingest_item, ingest_run, ingestion, ingestion_job
from core.db.schema.tracking import collection, collection_member, refresh_plan, tracked_account, tracking_request

__all__ = [
    "GROWTH_DAYS",
    "NAMED_REPOSITORY_ID",
    "account",
    "account_snapshot",
    "account_summary",
    "account_version",
    "alert",
    "alert_rule",
    "api_key",
    "audit_event",
    "capture",
    "capture_day",
    "change",
    "collection",
    "collection_member",
    "commit_day",
    "contribution_day",
    "contributor_snapshot",
    "daily_work",
    "data_version",
    "enrichment",
    "enrichment_backlog",
    "enrichment_run",
    "ingest_item",
    "ingest_run",
    "ingestion",
    "ingestion_job",
    "language_day",
    "metadata",
    "missing_endpoint",
    "page_open",
    "person",
    "refresh_plan",
    "release",
    "release_snapshot",
    "report",
    "repository",
    "repository_contributor",
    "repository_current",
    "repository_extra_snapshot",
    "repository_import",
    "repository_language",
    "repository_month",
    "repository_push",
    "repository_snapshot_open",
    "repository_summary",
    "repository_version",
    "session",
    "source",
    "star_backfill",
    "star_day",
    "ticket",
    "tracked_account",
    "tracking_request",
    "traffic_day",
    "webhook",
    "webhook_delivery",
]
