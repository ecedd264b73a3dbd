"""Stores extras: watchers, open issues, open change requests and topics of one repository."""

from datetime import datetime

from sqlalchemy import Connection, text

from ingest.github.api.models import Extras
from ingest.refresh import attribute_versions, summaries, writer
from ingest.refresh.diff import RepositoryExtras

SELECT_STORED_EXTRAS = """
    SELECT watchers, open_issues, open_change_requests, open_issues_and_change_requests FROM repository_current
     WHERE repository_id = :id
"""
# GitHub's order of topics is arbitrary: another order alone is no change.
SELECT_TOPICS_CHANGED = """
    SELECT topics IS NULL OR ARRAY(SELECT unnest(topics) ORDER BY 1)
           IS DISTINCT FROM ARRAY(SELECT unnest(CAST(:topics AS text[])) ORDER BY 1)
      FROM repository WHERE id = :id FOR UPDATE
"""


def store(connection: Connection, repository_id: int, reported: Extras, at: datetime) -> int:
    """Store what differs; values that were not reported stay as stored. Returns the rows written."""
    summaries.lock_account_of(connection, repository_id)
    row = connection.execute(text(SELECT_STORED_EXTRAS), {"id": repository_id}).one_or_none()
    if row is None:
        return 0
    stored = RepositoryExtras(*row)
    now = RepositoryExtras(
        *(getattr(stored if getattr(reported, name) is None else reported, name) for name in row._mapping)
    )
    rows = 0 if now == stored else writer.write_extras(connection, [(repository_id, at, now)])
    if reported.topics is not None:
        values = {"id": repository_id, "topics": list(reported.topics)}
        if connection.scalar(text(SELECT_TOPICS_CHANGED), values):
            attribute_versions.keep_versions(connection, {repository_id: at})
            rows += connection.execute(text("UPDATE repository SET topics = :topics WHERE id = :id"), values).rowcount
    if rows:
        summaries.update_summaries(connection, repository_ids=[repository_id])
    return rows
