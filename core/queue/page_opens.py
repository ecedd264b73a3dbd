"""Which accounts and repositories people opened lately, so that their facts are fetched first; not who opened them."""

from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Connection, text

MIN_INTERVAL = timedelta(hours=1)
"""A page that is opened again within this time is not recorded again."""
HORIZON = timedelta(days=7)
"""How long an opened page counts as opened lately."""

Subject = Literal["account", "repository"]
UPSERT_OPEN = """
    INSERT INTO page_open ({subject}_id, opened_at) VALUES (:id, :now)
    ON CONFLICT ({subject}_id) WHERE {subject}_id IS NOT NULL DO UPDATE SET opened_at = excluded.opened_at
     WHERE page_open.opened_at <= :before
"""


def record_open(connection: Connection, subject: Subject, subject_id: int, now: datetime) -> None:
    """Record that somebody opened the page of an account or repository (our id); cheap to repeat."""
    values = {"id": subject_id, "now": now, "before": now - MIN_INTERVAL}
    connection.execute(text(UPSERT_OPEN.format(subject=subject)), values)


def opened_lately(connection: Connection, now: datetime, limit: int) -> tuple[list[int], list[int]]:
    """Return accounts and repositories, latest opened first, at most *limit* of each.

    The repositories of an opened account count, those with most stars first.
    """
    values = {"since": now - HORIZON, "limit": limit}
    accounts = connection.scalars(
        text(
            "SELECT account_id FROM page_open WHERE account_id IS NOT NULL AND opened_at > :since"
            " ORDER BY opened_at DESC LIMIT :limit"
        ),
        values,
    ).all()
    repositories = connection.scalars(
        text("""
            SELECT repository_id
              FROM (SELECT repository_id, opened_at, 0 AS stars FROM page_open
                     WHERE repository_id IS NOT NULL AND opened_at > :since
                     UNION ALL
                    SELECT repository.id, opened_at, coalesce(-latest.stars, 0) FROM page_open
                      JOIN repository ON repository.account_id = page_open.account_id
                      JOIN repository_current AS latest ON latest.repository_id = repository.id
                     WHERE page_open.account_id = ANY(:accounts)) AS opened
             GROUP BY repository_id ORDER BY max(opened_at) DESC, min(stars) LIMIT :limit
        """),
        values | {"accounts": list(accounts)},
    ).all()
    return list(accounts), list(repositories)


def delete_old_opens(connection: Connection, now: datetime) -> int:
    """Delete what no longer counts as opened lately; returns how many."""
    return connection.execute(
        text("DELETE FROM page_open WHERE opened_at <= :before"), {"before": now - HORIZON}
    ).rowcount
