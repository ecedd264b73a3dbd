"""Stores the counts of a user that no page needs at every refresh: accounts followed and public gists."""

from datetime import datetime

from sqlalchemy import Connection, text

from ingest.github.api.models import RareCounts

# The other counts are those of the last snapshot: a snapshot is what differs from the one before.
INSERT_SNAPSHOT = """
    INSERT INTO account_snapshot (account_id, captured_at, followers, following, public_repositories, public_gists,
                                  stars, forks, repositories)
    SELECT account_id, greatest(:at, captured_at + interval '1 microsecond'), followers,
           coalesce(:following, following), public_repositories, coalesce(:public_gists, public_gists),
           stars, forks, repositories
      FROM (SELECT * FROM account_snapshot WHERE account_id = :id ORDER BY captured_at DESC LIMIT 1) AS last
     WHERE (coalesce(:following, following), coalesce(:public_gists, public_gists))
           IS DISTINCT FROM (following, public_gists)
"""


def store(connection: Connection, account_id: int, reported: RareCounts, at: datetime) -> int:
    """Store the counts if they differ; returns the rows written."""
    values = {"id": account_id, "at": at, "following": reported.following, "public_gists": reported.public_gists}
    return connection.execute(text(INSERT_SNAPSHOT), values).rowcount
