"""Watchers, open issues and change requests, topics: a hundred repositories a question, stored one by one."""

from datetime import datetime

from sqlalchemy import Connection, text

from ingest.github.api.models import Extras
from ingest.refresh import writer as counts
from ingest.refresh.diff import RepositoryExtras as Held

SELECT_STORED_EXTRAS = """
    SELECT watchers, open_issues, open_change_requests, open_issues_and_change_requests FROM repository_current
     WHERE repository_id = :id
"""
# In GitHub's order, which says nothing: another order alone is no change.
UPDATE_TOPICS = """
    UPDATE repository SET topics = :topics
     WHERE id = :id AND (topics IS NULL OR ARRAY(SELECT unnest(topics) ORDER BY 1)
           IS DISTINCT FROM ARRAY(SELECT unnest(CAST(:topics AS text[])) ORDER BY 1))
"""


def store(connection: Connection, repository_id: int, told: Extras, at: datetime) -> int:
    """Store what differs; what was not told stays as it is held. Returns how many rows."""
    row = connection.execute(text(SELECT_STORED_EXTRAS), {"id": repository_id}).one_or_none()
    if row is None:
        return 0
    held = Held(*row)
    now = Held(*(getattr(held if getattr(told, name) is None else told, name) for name in row._mapping))
    rows = 0 if now == held else counts.write_extras(connection, {0: repository_id}, {0: now}, at)
    if told.topics is not None:
        rows += connection.execute(text(UPDATE_TOPICS), {"id": repository_id, "topics": list(told.topics)}).rowcount
    return rows
