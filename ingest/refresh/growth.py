"""Updates the stored growth of imported counts, and what `ingest.refresh.summaries` needs to compute that of ours.

Growth is defined in `core.queries.growth`.

A repository is plain where its account's captures are its own and nobody imported history of it. Growth of an account's
plain repositories starts at the same few moments, which are asked for first: what then remains for each repository,
nodes of Citus compute side by side. The whole definition takes them a dozen steps, each of which waits for all nodes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from core.db.schema import GROWTH_DAYS
from core.db.statement import text
from core.queries.captures import IMPORT_EXISTS, PRESENCE_EXISTS
from core.queries.growth import GROWTH_CTES, account_start, growth_values
from core.queries.past_counts import month_value

GROWN_CTE = """
        grown AS (
            SELECT repository_id,
                   max(growth) FILTER (WHERE days = 1) AS stars_1d,
                   max(growth) FILTER (WHERE days = 7) AS stars_7d,
                   max(growth) FILTER (WHERE days = 30) AS stars_30d,
                   max(growth) FILTER (WHERE days = 90) AS stars_90d,
                   max(growth) FILTER (WHERE days = 365) AS stars_365d
              FROM growth GROUP BY repository_id
        )"""
UPDATE_IMPORT_GROWTH = f"""
        WITH subject AS MATERIALIZED (
            SELECT repository_id, account_id, created_at, stars, last_at AS until_at,
                   CAST(NULL AS timestamptz) AS changed_at, {PRESENCE_EXISTS} AS is_special, true AS is_imported
              FROM repository_import
              JOIN repository ON repository.id = repository_id
             WHERE source_id = :source AND {{chosen}}
        ), {GROWTH_CTES}, {GROWN_CTE}
        UPDATE repository_import AS stored
           SET stars_1d = grown.stars_1d, stars_7d = grown.stars_7d, stars_30d = grown.stars_30d,
               stars_90d = grown.stars_90d, stars_365d = grown.stars_365d
          FROM grown
         WHERE grown.repository_id = stored.repository_id AND stored.source_id = :source
           AND ROW(stored.stars_1d, stored.stars_7d, stored.stars_30d, stored.stars_90d, stored.stars_365d)
               IS DISTINCT FROM
               ROW(grown.stars_1d, grown.stars_7d, grown.stars_30d, grown.stars_90d, grown.stars_365d)
"""  # noqa: S608
IS_PLAIN = f"NOT {PRESENCE_EXISTS} AND NOT {IMPORT_EXISTS}"
"""SQL: whether a `repository` is plain."""
_CHOSEN_ACCOUNTS = """(
                    SELECT id AS account_id, checked_at AS until_at
                      FROM account WHERE id = ANY(CAST(:accounts AS bigint[]))) AS ended"""
SELECT_STARTS = f"""
    SELECT account_id, days, start_at, start_month, own_at IS NOT NULL AS is_known, is_closed,
           (SELECT closed_until FROM source WHERE id = 1) AS closed_until
      FROM ({account_start(_CHOSEN_ACCOUNTS)}) AS start
"""  # noqa: S608 - our own names
_STARTS = """unnest(CAST(:start_accounts AS bigint[]), CAST(:start_days AS int[]),
                          CAST(:start_times AS timestamptz[]), CAST(:start_months AS date[]))
                     AS start (account_id, days, start_at, start_month)"""
_CHANGED = """unnest(CAST(:changed_ids AS bigint[]), CAST(:changed_accounts AS bigint[]))
                     AS changed (repository_id, account_id)"""
_PLACE = "width_bucket(start_at, month.captured_at)"
# Joined with lists whose length Postgres knows. With the list as a further condition it would expect a few rows instead
# of thousands, and compare each repository with each.
_FROM_MONTHS = f"""
              SELECT month.repository_id, days, {month_value("captured_at", _PLACE)} AS at,
                     {month_value("stars", _PLACE)} AS stars
                FROM repository_month AS month
                JOIN {_CHANGED} ON changed.repository_id = month.repository_id
                JOIN {_STARTS} ON start.account_id = changed.account_id AND start_month = month.month
               WHERE source_id = 1"""  # noqa: S608
_FROM_OPEN = f"""
               UNION ALL
              SELECT open.repository_id, days, captured_at[place], stars[place]
                FROM (SELECT repository_id, array_agg(captured_at ORDER BY captured_at) AS captured_at,
                             array_agg(stars ORDER BY captured_at) AS stars
                        FROM repository_snapshot_open
                       WHERE repository_id = ANY(CAST(:changed_ids AS bigint[])) AND source_id = 1
                         AND captured_at >= CAST(:open_from AS timestamptz)
                         AND captured_at <= CAST(:open_to AS timestamptz)
                       GROUP BY repository_id) AS open
                JOIN {_CHANGED} ON changed.repository_id = open.repository_id
                JOIN {_STARTS} ON start.account_id = changed.account_id
               CROSS JOIN LATERAL (SELECT width_bucket(start_at, open.captured_at) AS place) AS found
               WHERE place > 0"""  # noqa: S608
_BEFORE = f"""
      LEFT JOIN (
            SELECT repository_id, {
    ", ".join(
        f"(array_agg(stars ORDER BY at DESC NULLS LAST) FILTER (WHERE days = {days}))[1] AS stars_before_{days}d"
        for days in GROWTH_DAYS
    )
}
              FROM ({_FROM_MONTHS}{{from_open}}) AS found
             GROUP BY repository_id) AS before ON before.repository_id = repository.id"""  # noqa: S608
_SPAN = f"""
      JOIN unnest(CAST(:accounts AS bigint[]), {
    ", ".join(f"CAST(:start_{days} AS timestamptz[]), CAST(:is_known_{days} AS boolean[])" for days in GROWTH_DAYS)
})
        AS span (account_id, {", ".join(f"start_{days}, is_known_{days}" for days in GROWTH_DAYS)})
        ON span.account_id = chosen.account_id"""
_GROWTH = """CASE WHEN repository.created_at > start_{days} THEN stars WHEN is_known_{days} THEN
                  stars - CASE WHEN own.captured_at <= start_{days} THEN stars ELSE {before} END END"""


@dataclass(frozen=True)
class PlainGrowth:
    """SQL for the growth of plain repositories, by its column's name, and the values to bind.

    columns  need a `repository` and `own`, its counts, and what *joined* joins to them and to `chosen`: repository_id,
             account_id
    """

    columns: dict[str, str]
    joined: str
    values: dict[str, Any]


def plain_growth(connection: Connection, changed_at: Mapping[int, Mapping[int, datetime | None]]) -> PlainGrowth:
    """Ask when growth of accounts starts.

    changed_at  when the present counts of their plain repositories began, by account and repository
    """
    starts = connection.execute(text(SELECT_STARTS), {"accounts": list(changed_at), "days": list(GROWTH_DAYS)}).all()
    by_span = {(row.account_id, row.days): row for row in starts}
    values: dict[str, Any] = {"accounts": list(changed_at)}
    for days in GROWTH_DAYS:
        values[f"start_{days}"] = [by_span[account_id, days].start_at for account_id in changed_at]
        values[f"is_known_{days}"] = [by_span[account_id, days].is_known for account_id in changed_at]
    known = [row for row in starts if row.is_known]
    first: dict[int, datetime] = {}
    for row in known:
        first[row.account_id] = min(row.start_at, first.get(row.account_id, row.start_at))
    changed = [
        (id_, account_id)
        for account_id, repositories in changed_at.items()
        for id_, at in repositories.items()
        if account_id in first and at is not None and at > first[account_id]
    ]
    if not changed:
        return PlainGrowth(_growth_columns("NULL"), _SPAN, values)
    values |= {"changed_ids": [id_ for id_, _ in changed], "changed_accounts": [account for _, account in changed]}
    values |= {"start_accounts": [row.account_id for row in known], "start_days": [row.days for row in known]}
    values |= {"start_times": [row.start_at for row in known], "start_months": [row.start_month for row in known]}
    from_open = ""
    if open_starts := [row.start_at for row in known if not row.is_closed]:
        from_open = _FROM_OPEN
        values |= {"open_from": known[0].closed_until or datetime.min.replace(tzinfo=UTC), "open_to": max(open_starts)}
    return PlainGrowth(_growth_columns("stars_before_{days}d"), _SPAN + _BEFORE.format(from_open=from_open), values)


def _growth_columns(before: str) -> dict[str, str]:
    return {f"stars_{days}d": _GROWTH.format(days=days, before=before.format(days=days)) for days in GROWTH_DAYS}


ALL = "true"
BY_ID = "repository.id = ANY(CAST(:ids AS bigint[]))"


def update_import_growth(connection: Connection, source_id: int, repository_ids: Sequence[int] | None = None) -> None:
    """Update the growth of an imported source's latest counts, up to their days."""
    chosen, values = _chosen(repository_ids)
    connection.execute(
        text(UPDATE_IMPORT_GROWTH.format(chosen=chosen)),
        growth_values(GROWTH_DAYS) | values | {"source": source_id},
    )


def _chosen(repository_ids: Sequence[int] | None) -> tuple[str, dict[str, object]]:
    """Return the SQL condition for these repositories, and its values."""
    return (ALL, {}) if repository_ids is None else (BY_ID, {"ids": list(repository_ids)})
