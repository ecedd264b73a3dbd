"""Every repository that is held with its counts, now or as of a moment: what other queries select from.

Two common table expressions, to stand behind `WITH`:

held    one row per repository: repository_id, owner, full_name, description, license, topics, language, is_fork,
        is_archived, is_gone, created_at, pushed_at, stars, forks, size_kb, stars_7d, stars_30d, checked_at, source_id
extras  one row per repository whose watchers or issues are known: repository_id, watchers, open_issues
"""

from datetime import datetime
from typing import Any

NOW = """
        held AS (
            SELECT repository.id AS repository_id, split_part(full_name, '/', 1) AS owner, full_name, description,
                   license, topics, primary_language AS language, is_fork, is_archived, gone_at IS NOT NULL AS is_gone,
                   created_at, pushed_at, stars, forks, size_kb, stars_7d, stars_30d, checked_at, source_id
              FROM repository
              JOIN repository_latest AS latest ON latest.repository_id = repository.id
        ), extras AS (
            SELECT repository_id, watchers, open_issues FROM repository_latest
        )"""

# A name, licence, language or state that changed since is read back from the ledger: the first change after the moment
# says what was before it. Description, topics and the last push are kept as they are now.
AS_OF = """
        looks AS (
            SELECT repository_id, source_id, max(captured_at) AS captured_at
              FROM repository_snapshot WHERE captured_at <= :as_of
             GROUP BY repository_id, source_id
        ), account_look AS (
            SELECT account_id, max(captured_at) AS captured_at
              FROM capture WHERE source_id = 1 AND account_id IS NOT NULL AND captured_at <= :as_of
             GROUP BY account_id
        ), newest AS (
            SELECT DISTINCT ON (looks.repository_id) looks.repository_id, looks.source_id, looks.captured_at,
                   CASE looks.source_id WHEN 1 THEN greatest(looks.captured_at, account_look.captured_at)
                                        ELSE looks.captured_at END AS checked_at
              FROM looks
              JOIN repository ON repository.id = looks.repository_id
              LEFT JOIN account_look ON account_look.account_id = repository.account_id
             ORDER BY looks.repository_id, looks.source_id = 1 DESC, looks.captured_at DESC
        ), earlier AS (
            SELECT repository_id, source_id, max(snapshot.captured_at) AS week_before,
                   max(snapshot.captured_at)
                       FILTER (WHERE snapshot.captured_at <= checked_at - interval '30 days') AS month_before
              FROM newest
              JOIN repository_snapshot AS snapshot USING (repository_id, source_id)
             WHERE snapshot.captured_at <= checked_at - interval '7 days'
             GROUP BY repository_id, source_id
        ), first_change AS (
            SELECT DISTINCT ON (repository_id, about) *
              FROM (SELECT repository_id, id, noticed_at, kind, before,
                           CASE kind WHEN 'transferred' THEN 'renamed' WHEN 'restored' THEN 'archived'
                                     WHEN 'back' THEN 'gone' ELSE kind END AS about
                      FROM change WHERE repository_id IS NOT NULL AND noticed_at > :as_of) AS later
             ORDER BY repository_id, about, noticed_at, id
        ), past AS (
            SELECT repository_id,
                   max(before) FILTER (WHERE about = 'renamed') AS full_name,
                   max(before) FILTER (WHERE about = 'relicensed') AS license,
                   max(before) FILTER (WHERE about = 'primary_language') AS language,
                   bool_or(kind = 'restored') FILTER (WHERE about = 'archived') AS is_archived,
                   bool_or(kind = 'back') FILTER (WHERE about = 'gone') AS is_gone,
                   count(*) FILTER (WHERE about = 'relicensed') > 0 AS relicensed,
                   count(*) FILTER (WHERE about = 'primary_language') > 0 AS language_changed
              FROM first_change GROUP BY repository_id
        ), held AS (
            SELECT newest.repository_id,
                   split_part(coalesce(past.full_name, repository.full_name), '/', 1) AS owner,
                   coalesce(past.full_name, repository.full_name) AS full_name, description,
                   CASE WHEN past.relicensed THEN past.license ELSE repository.license END AS license, topics,
                   CASE WHEN past.language_changed THEN past.language ELSE primary_language END AS language,
                   is_fork, coalesce(past.is_archived, repository.is_archived) AS is_archived,
                   coalesce(past.is_gone, coalesce(gone_at <= :as_of, false)) AS is_gone, created_at, pushed_at,
                   seen.stars, seen.forks, seen.size_kb, seen.stars - week.stars AS stars_7d,
                   seen.stars - month.stars AS stars_30d, newest.checked_at, newest.source_id
              FROM newest
              JOIN repository ON repository.id = newest.repository_id
              JOIN repository_snapshot AS seen USING (repository_id, captured_at, source_id)
              LEFT JOIN earlier USING (repository_id, source_id)
              LEFT JOIN repository_snapshot AS week ON week.repository_id = newest.repository_id
                    AND week.captured_at = earlier.week_before AND week.source_id = newest.source_id
              LEFT JOIN repository_snapshot AS month ON month.repository_id = newest.repository_id
                    AND month.captured_at = earlier.month_before AND month.source_id = newest.source_id
              LEFT JOIN past ON past.repository_id = newest.repository_id
        ), extras AS (
            SELECT DISTINCT ON (repository_id) repository_id, watchers, open_issues
              FROM newest
              JOIN repository_extra_snapshot AS extra USING (repository_id, source_id)
             WHERE extra.captured_at <= :as_of
             ORDER BY repository_id, extra.captured_at DESC
        )"""


def held(as_of: datetime | None) -> str:
    """The expressions to select from; with a moment they want `as_of` among the values."""
    return NOW if as_of is None else AS_OF


def values_of(as_of: datetime | None) -> dict[str, Any]:
    return {} if as_of is None else {"as_of": as_of}
