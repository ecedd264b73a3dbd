"""Stores contributors: a summary whenever it differs, and the latest list of the hundred with most commits."""

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from core.analysis.contributor_activity import QUIET
from ingest.github.api.fact_types import Contributor, contributor_absence_factor

MAX_STORED_CONTRIBUTORS = 100
SELECT_LATEST_SUMMARY = """
    SELECT contributors, bots, commits, absence_factor, is_complete FROM contributor_snapshot
     WHERE repository_id = :id ORDER BY captured_at DESC LIMIT 1
"""
INSERT_SUMMARY = """
    INSERT INTO contributor_snapshot
           (repository_id, captured_at, contributors, bots, commits, absence_factor, is_complete)
    VALUES (:id, :at, :contributors, :bots, :commits, :absence_factor, :is_complete) ON CONFLICT DO NOTHING
"""
# The interval is written into the statement: a value that only the conflict refers to has no type on a node of Citus.
REPLACE_CONTRIBUTORS = f"""
    WITH reported AS (
        SELECT github_id, login, is_bot, commits
          FROM jsonb_populate_recordset(NULL::repository_contributor, CAST(:rows AS jsonb))
    ), removed AS (
        DELETE FROM repository_contributor
         WHERE repository_id = :id AND NOT EXISTS (
               SELECT FROM reported WHERE reported.github_id = repository_contributor.github_id)
    )
    INSERT INTO repository_contributor (repository_id, github_id, login, is_bot, commits, first_seen_at)
    SELECT :id, github_id, login, is_bot, commits, :at FROM reported
    ON CONFLICT (repository_id, github_id) DO UPDATE
       SET login = excluded.login, is_bot = excluded.is_bot, commits = excluded.commits,
           active_at = CASE WHEN excluded.commits > repository_contributor.commits THEN excluded.first_seen_at
                            ELSE repository_contributor.active_at END,
           returned_at = CASE WHEN excluded.commits > repository_contributor.commits
                               AND excluded.first_seen_at - coalesce(repository_contributor.active_at,
                                                                     repository_contributor.first_seen_at)
                                  >= interval '{QUIET.days} days'
                              THEN excluded.first_seen_at ELSE repository_contributor.returned_at END
     WHERE ROW(repository_contributor.login, repository_contributor.is_bot, repository_contributor.commits)
           IS DISTINCT FROM ROW(excluded.login, excluded.is_bot, excluded.commits)
    RETURNING github_id
"""  # noqa: S608 - a constant


def contributor_summary(contributors: Sequence[Contributor]) -> dict[str, int]:
    """Count people and bots separately; commits and the Contributor Absence Factor count people only."""
    people = [one.commits for one in contributors if not one.is_bot]
    return {
        "contributors": len(people),
        "bots": len(contributors) - len(people),
        "commits": sum(people),
        "absence_factor": contributor_absence_factor(people),
    }


def store(
    connection: Connection, repository_id: int, contributors: Sequence[Contributor], at: datetime, *, is_complete: bool
) -> int:
    """Store what differs; returns the rows written. *is_complete*: *contributors* has all pages."""
    unique = list({one.github_id: one for one in contributors}.values())
    summary = contributor_summary(unique) | {"is_complete": is_complete}
    stored = connection.execute(text(SELECT_LATEST_SUMMARY), {"id": repository_id}).one_or_none()
    rows = 0
    if stored is None or dict(stored._mapping) != summary:
        rows += connection.execute(text(INSERT_SUMMARY), summary | {"id": repository_id, "at": at}).rowcount
    top = sorted(unique, key=lambda one: -one.commits)[:MAX_STORED_CONTRIBUTORS]
    people = [
        {"github_id": one.github_id, "login": one.login, "is_bot": one.is_bot, "commits": one.commits} for one in top
    ]
    values = {"id": repository_id, "at": at, "rows": json.dumps(people)}
    return rows + len(connection.scalars(text(REPLACE_CONTRIBUTORS), values).all())
