"""Contributors: a summary whenever it differs, and the hundred who committed most as last read."""

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, text

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
REPLACE_CONTRIBUTORS = """
    WITH told AS (
        SELECT github_id, login, is_bot, commits
          FROM jsonb_populate_recordset(NULL::repository_contributor, CAST(:rows AS jsonb))
    ), gone AS (
        DELETE FROM repository_contributor
         WHERE repository_id = :id AND NOT EXISTS (
               SELECT FROM told WHERE told.github_id = repository_contributor.github_id)
    )
    INSERT INTO repository_contributor (repository_id, github_id, login, is_bot, commits)
    SELECT :id, github_id, login, is_bot, commits FROM told
    ON CONFLICT (repository_id, github_id) DO UPDATE
       SET login = excluded.login, is_bot = excluded.is_bot, commits = excluded.commits
     WHERE ROW(repository_contributor.login, repository_contributor.is_bot, repository_contributor.commits)
           IS DISTINCT FROM ROW(excluded.login, excluded.is_bot, excluded.commits)
"""


def contributor_summary(told: Sequence[Contributor]) -> dict[str, int]:
    """Count people and bots apart; commits and the Contributor Absence Factor are people's."""
    people = [one.commits for one in told if not one.is_bot]
    return {
        "contributors": len(people),
        "bots": len(told) - len(people),
        "commits": sum(people),
        "absence_factor": contributor_absence_factor(people),
    }


def store(
    connection: Connection, repository_id: int, told: Sequence[Contributor], at: datetime, *, is_complete: bool
) -> int:
    """Store what differs; returns how many rows."""
    unique = list({one.github_id: one for one in told}.values())
    now = contributor_summary(unique) | {"is_complete": is_complete}
    held = connection.execute(text(SELECT_LATEST_SUMMARY), {"id": repository_id}).one_or_none()
    rows = 0
    if held is None or dict(held._mapping) != now:
        rows += connection.execute(text(INSERT_SUMMARY), now | {"id": repository_id, "at": at}).rowcount
    top = sorted(unique, key=lambda one: -one.commits)[:MAX_STORED_CONTRIBUTORS]
    people = [
        {"github_id": one.github_id, "login": one.login, "is_bot": one.is_bot, "commits": one.commits} for one in top
    ]
    written = connection.execute(text(REPLACE_CONTRIBUTORS), {"id": repository_id, "rows": json.dumps(people)})
    return rows + written.rowcount
