"""Accounts: who is known, what their repositories add up to, and how that came about."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pandas as pd
from pandas import DataFrame

from core.db.frames import read_frame
from core.settings import settings

FOUR_WEEKS = timedelta(days=28)
YEAR = timedelta(days=364)


def as_of_or_end_of_today(as_of: datetime | None) -> datetime:
    """*as_of*, or the end of today in UTC: one value the whole day long, so that answers stay cached."""
    return as_of or datetime.combine(datetime.now(UTC).date(), time.max, UTC)


def first_row(frame: DataFrame) -> dict[str, Any]:
    """The first row of *frame* with None for what is unknown; empty without rows."""
    if frame.empty:
        return {}
    return {str(name): None if pd.isna(value) else value for name, value in frame.iloc[0].items()}


def suggestions(limit: int = 2_000) -> DataFrame:
    """List the logins to choose from: tracked ones first, then by stars.

    login   text
    stars   int, over its repositories that are known; null without any
    """
    sql = """
        SELECT login, sum(repository_latest.stars)::bigint AS stars
          FROM account
          LEFT JOIN repository_latest ON repository_latest.account_id = account.id
          LEFT JOIN tracked_account ON tracked_account.account_id = account.id
         WHERE gone_at IS NULL
         GROUP BY account.id, tracked_account.account_id
         ORDER BY tracked_account.account_id IS NULL, stars DESC NULLS LAST, lower(login)
         LIMIT :limit
    """
    return read_frame(sql, limit=limit)


def profile(login: str) -> DataFrame:
    """Find the account that bears *login* now: one row, or none.

    account_id                                  own id, for the other queries here and nowhere else
    login, kind, name, company, location, website, bio   text, null where GitHub tells none
    created_at, gone_at, gone_reason, checked_at          when it began, ended (and why), was last looked at
    is_tracked, paused, failures                what is wanted of it; failures in a row
    """
    sql = """
        SELECT account.id AS account_id, login, kind, name, company, location, website, bio, created_at, gone_at,
               gone_reason, checked_at, tracked_account.account_id IS NOT NULL AS is_tracked,
               coalesce(paused, false) AS paused, coalesce(failures, 0) AS failures
          FROM account
          LEFT JOIN tracked_account ON tracked_account.account_id = account.id
         WHERE lower(login) = lower(:login)
         ORDER BY gone_at IS NOT NULL, github_id IS NULL
         LIMIT 1
    """
    return read_frame(sql, fresh=True, login=login)


def current_login(login: str) -> str | None:
    """The login that the account formerly called *login* has now; None if nobody was seen to give that name up."""
    sql = """
        SELECT account.login
          FROM change
          JOIN account ON account.id = change.account_id
         WHERE change.kind = 'renamed' AND repository_id IS NULL AND lower(before) = lower(:login)
           AND lower(account.login) <> lower(:login)
         ORDER BY detected_at DESC
         LIMIT 1
    """
    frame = read_frame(sql, login=login)
    return None if frame.empty else str(frame.at[0, "login"])


# An account has few repositories: as an array they are looked up, as a join Postgres may read every month whole.
# What imports tell of an account is the sum over its repositories. One that a source has not shown for four weeks
# leaves the sum: it may be gone, elsewhere, or out of that source's sight.
IMPORTED_TOTALS_CTES = """kept AS (
            SELECT repository_id, source_id, captured_at, stars, forks,
                   captured_at - lag(captured_at) OVER looks <= CAST(:patience AS interval) AS follows,
                   lag(stars) OVER looks AS stars_before, lag(forks) OVER looks AS forks_before,
                   coalesce(lead(captured_at) OVER looks - captured_at > CAST(:patience AS interval), true) AS ends
              FROM repository_snapshot
             WHERE repository_id = ANY(ARRAY(SELECT id FROM repository WHERE account_id = :account_id))
               AND source_id <> 1 AND captured_at <= :until
            WINDOW looks AS (PARTITION BY repository_id, source_id ORDER BY captured_at)
        ), steps AS (
            SELECT source_id, captured_at, true AS looked, CASE WHEN follows THEN 0 ELSE 1 END AS repositories,
                   stars - CASE WHEN follows THEN stars_before ELSE 0 END AS stars,
                   forks - CASE WHEN follows THEN forks_before ELSE 0 END AS forks
              FROM kept
             UNION ALL
            SELECT source_id, captured_at + CAST(:patience AS interval), false, -1, -stars, -forks
              FROM kept WHERE ends
        ), summed AS (
            SELECT source_id, captured_at, bool_or(looked) AS looked,
                   (sum(sum(repositories)) OVER days)::int AS repositories,
                   (sum(sum(stars)) OVER days)::bigint AS stars, (sum(sum(forks)) OVER days)::bigint AS forks
              FROM steps GROUP BY source_id, captured_at
            WINDOW days AS (PARTITION BY source_id ORDER BY captured_at)
        )"""


def history(account_id: int, as_of: datetime | None) -> DataFrame:
    """Tell what the account's repositories added up to, and its followers: one row per change, oldest first.

    captured_at         moment
    source_id, source   who looked: 1 is this installation; others kept history that was imported
    stars, forks        over the repositories known then; ours: all that are owned and not gone, forks included;
                        imported: those that the source had shown within four weeks
    repositories        how many that are
    followers           null where the source does not tell
    """
    sql = f"""
        WITH {IMPORTED_TOTALS_CTES}
        SELECT captured_at, source_id, source.name AS source, stars, forks, repositories, NULL::int AS followers
          FROM summed
          JOIN source ON source.id = source_id
         WHERE looked
         UNION ALL
        SELECT captured_at, 1, 'GitHub', stars, forks, repositories, followers
          FROM account_snapshot WHERE account_id = :account_id AND captured_at <= :until
         ORDER BY source_id, captured_at
    """  # noqa: S608
    return read_frame(sql, account_id=account_id, until=as_of_or_end_of_today(as_of), patience=FOUR_WEEKS)


def coverage_intervals(account_id: int, as_of: datetime | None) -> DataFrame:
    """Tell when the account, or any of its repositories, was looked at: one row per run of looks without a gap.

    source_id, source  who looked
    from_at, to_at     first and last look of the run
    patient_until      when twice the source's usual time between two looks had passed
    looks              how many
    """
    sql = """
        WITH looks AS (
            SELECT source_id, captured_at FROM capture
             WHERE account_id = :account_id AND captured_at <= :until
             UNION
            SELECT source_id, captured_at FROM capture
             WHERE repository_id = ANY(ARRAY(SELECT id FROM repository WHERE account_id = :account_id))
               AND captured_at <= :until
        ), paced AS (
            SELECT looks.*, source.name, 2 * CASE source_id
                       WHEN 1 THEN greatest(coalesce(tracked_account.every, planned_cadence, CAST(:every AS interval)),
                                            interval '1 day')
                       ELSE coalesce(cadence, interval '7 days') END AS patience
              FROM looks
              JOIN source ON source.id = source_id
              LEFT JOIN tracked_account ON tracked_account.account_id = :account_id
        ), counted AS (
            SELECT *, count(*) FILTER (WHERE follows IS NOT TRUE) OVER looking AS stretch
              FROM (SELECT *, captured_at - lag(captured_at) OVER looking <= patience AS follows FROM paced
                    WINDOW looking AS (PARTITION BY source_id ORDER BY captured_at)) AS pairs
            WINDOW looking AS (PARTITION BY source_id ORDER BY captured_at)
        )
        SELECT source_id, CASE source_id WHEN 1 THEN 'GitHub' ELSE min(name) END AS source,
               min(captured_at) AS from_at, max(captured_at) AS to_at,
               max(captured_at) + min(patience) AS patient_until, count(*) AS looks
          FROM counted
         GROUP BY source_id, stretch
         ORDER BY from_at
    """
    return read_frame(sql, account_id=account_id, until=as_of_or_end_of_today(as_of), every=settings().refresh_every)


def latest_capture(account_id: int, as_of: datetime | None) -> dict[str, Any]:
    """Tell of the newest look at the account or any of its repositories: captured_at, source, run_id; empty before."""
    sql = """
        WITH looks AS (
            (SELECT captured_at, source_id, run_id FROM capture
              WHERE account_id = :account_id AND captured_at <= :until ORDER BY captured_at DESC LIMIT 1)
             UNION ALL
            (SELECT captured_at, source_id, run_id FROM capture
              WHERE repository_id = ANY(ARRAY(SELECT id FROM repository WHERE account_id = :account_id))
                AND captured_at <= :until ORDER BY captured_at DESC LIMIT 1)
        )
        SELECT captured_at, CASE source_id WHEN 1 THEN 'GitHub' ELSE source.name END AS source, run_id
          FROM looks
          JOIN source ON source.id = source_id
         ORDER BY captured_at DESC LIMIT 1
    """
    return first_row(read_frame(sql, account_id=account_id, until=as_of_or_end_of_today(as_of)))


def totals(account_id: int, as_of: datetime | None) -> dict[str, Any]:
    """Tell the newest numbers and those of four weeks before, of our own looks, else of the newest import.

    source, captured_at                        who said it and when
    stars, forks, followers, repositories      as in `history`
    stars_before, …                            four weeks earlier; None where nobody looked then. Imported: compared
                                               like with like, over repositories shown at both times
    Empty when nothing was collected yet.
    """
    own = _own_totals(account_id, as_of)
    return first_row(own if not own.empty else _imported_totals(account_id, as_of))


def _own_totals(account_id: int, as_of: datetime | None) -> DataFrame:
    sql = """
        SELECT 'GitHub' AS source, newest.captured_at, newest.stars, newest.forks, newest.followers,
               newest.repositories, before.stars AS stars_before, before.forks AS forks_before,
               before.followers AS followers_before, before.repositories AS repositories_before
          FROM account_snapshot AS newest
          LEFT JOIN LATERAL (
               SELECT * FROM account_snapshot
                WHERE account_id = :account_id AND captured_at <= :before
                  -- Unchanged since is only known where somebody looked.
                  AND EXISTS (SELECT FROM capture WHERE capture.account_id = :account_id AND source_id = 1
                                 AND capture.captured_at BETWEEN CAST(:before AS timestamptz) - interval '2 days'
                                     AND :before)
                ORDER BY captured_at DESC LIMIT 1) AS before ON true
         WHERE newest.account_id = :account_id AND newest.captured_at <= :until
         ORDER BY newest.captured_at DESC LIMIT 1
    """
    until = as_of_or_end_of_today(as_of)
    return read_frame(sql, account_id=account_id, until=until, before=until - FOUR_WEEKS)


def _imported_totals(account_id: int, as_of: datetime | None) -> DataFrame:
    sql = """
        WITH mine AS (
            SELECT id FROM repository WHERE account_id = :account_id
        ), last AS (
            SELECT source_id, captured_at AS at FROM capture
             WHERE repository_id = ANY(ARRAY(SELECT id FROM mine)) AND source_id <> 1 AND captured_at <= :until
             ORDER BY captured_at DESC LIMIT 1
        ), shown AS (
            SELECT repository_id, captured_at, stars, forks,
                   captured_at <= (SELECT at FROM last) - CAST(:patience AS interval) AS is_before
              FROM repository_snapshot
             WHERE repository_id = ANY(ARRAY(SELECT id FROM mine)) AND source_id = (SELECT source_id FROM last)
               -- Each of these alone tells Postgres which months to leave out.
               AND captured_at > (SELECT at FROM last) - 2 * CAST(:patience AS interval)
               AND captured_at <= (SELECT at FROM last)
        ), newest AS (
            SELECT DISTINCT ON (repository_id, is_before) * FROM shown
             ORDER BY repository_id, is_before, captured_at DESC
        ), compared AS (
            SELECT newest.stars, newest.forks, before.stars AS stars_before, before.forks AS forks_before
              FROM newest
              LEFT JOIN newest AS before ON before.repository_id = newest.repository_id AND before.is_before
             WHERE NOT newest.is_before
        )
        SELECT min(source.name) AS source, min(last.at) AS captured_at, sum(stars)::bigint AS stars,
               sum(forks)::bigint AS forks, NULL::int AS followers, count(*) AS repositories,
               -- Like with like: what is new to the source did not grow from nothing.
               (sum(stars) - sum(stars - stars_before))::bigint AS stars_before,
               (sum(forks) - sum(forks - forks_before))::bigint AS forks_before,
               NULL::int AS followers_before,
               CASE WHEN count(stars_before) > 0 THEN count(stars_before) END AS repositories_before
          FROM compared
         CROSS JOIN last
          JOIN source ON source.id = last.source_id
        HAVING count(*) > 0
    """
    return read_frame(sql, account_id=account_id, until=as_of_or_end_of_today(as_of), patience=FOUR_WEEKS)
