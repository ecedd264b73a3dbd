"""Languages of one account and of all repositories, by bytes, repositories and stars."""

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from pandas import DataFrame, Series

from core.analysis.difference import with_differences
from core.db.frames import derived, read_frame
from core.linguist import UnknownLanguage, find_language
from core.queries.as_of import as_of_or_end_of_today
from core.queries.attributes import EVER_OWNED, as_of_values, owned_repository_ids, repository_attributes
from core.queries.captures import (
    LAST_CAPTURE_OF_ONE_AT,
    LAST_PRESENT_CAPTURE,
    LAST_ROLLUP_DAY,
    PRESENCE_EXISTS,
    ROLLUP_MAX_GAP,
)
from core.queries.repository_list import language_counts
from core.settings import settings

MEASURES = ("stars", "repositories", "bytes")
TREND_SPAN = timedelta(days=62)
"""Rollups by month make a trend from then on: at least two whole months."""


def find(name: str) -> str:
    """Return the present name of a language in any spelling, or of one that only stored repositories have.

    Raises UnknownLanguage, which names the nearest ones.
    """
    try:
        return find_language(name)
    except UnknownLanguage:
        return find_language(name, language_counts()["language"].tolist())


def account_languages(account_id: int, as_of: datetime | None, *, forks: bool = False) -> DataFrame:
    """Add up the languages of the account's own repositories: one row per language, most bytes first.

    language      text
    bytes         int, of code as GitHub counts it; unavailable repositories, and forks unless asked for, are left out
    repositories  int, with any bytes of it
    share         float from 0 to 1, of all bytes
    """
    sql = f"""
        WITH {repository_attributes(as_of)}
        SELECT present_language(language) AS language, sum(bytes)::bigint AS bytes,
               count(DISTINCT stored.repository_id) AS repositories,
               (sum(bytes) / nullif(sum(sum(bytes)) OVER (), 0))::float AS share
          FROM attributes
          JOIN LATERAL (
               SELECT max(captured_at) AS captured_at FROM repository_language
                WHERE repository_id = attributes.repository_id AND captured_at <= :until) AS newest ON true
          JOIN repository_language AS stored
            ON stored.repository_id = attributes.repository_id AND stored.captured_at = newest.captured_at
         WHERE attributes.repository_id = ANY(CAST(:ids AS bigint[])) AND (:forks OR is_fork IS NOT TRUE)
           AND NOT is_gone AND language <> ''
         GROUP BY 1
         ORDER BY bytes DESC, 1
    """  # noqa: S608
    return read_frame(
        sql,
        ids=owned_repository_ids(account_id, as_of),
        forks=forks,
        until=as_of_or_end_of_today(as_of),
        **as_of_values(as_of),
    )


def account_language_history(account_id: int, as_of: datetime | None) -> DataFrame:
    """Add up the account's stars by primary language at the end of each quarter, oldest first.

    at            midnight (UTC) of a quarter's last day, or of the day of *as_of*
    language      text, as it was then; 'No language' where GitHub detects none
    stars         int, of repositories that it owned then, captured within the three months before, changed or not;
                  forks left out
    repositories  int
    """
    sql = f"""
        WITH ends AS (
            SELECT least(start + interval '3 months' - interval '1 second', CAST(:until AS timestamptz)) AS at
              FROM generate_series(date_trunc('quarter', CAST(:until AS timestamptz)) - interval '8 years',
                                   :until, interval '3 months') AS start
        ), account_repositories AS MATERIALIZED (
            SELECT id, {PRESENCE_EXISTS} AS is_special FROM repository WHERE id = ANY(ARRAY({EVER_OWNED}))
        ), account_end AS (
            SELECT at, own.captured_at AS own_at
              FROM ends
              LEFT JOIN LATERAL ({LAST_CAPTURE_OF_ONE_AT}) AS own
                ON own.captured_at > at - interval '3 months'
        ), quarterly AS MATERIALIZED (
            SELECT DISTINCT ON (repository_id, quarter) repository_id,
                   date_trunc('quarter', captured_at) AS quarter, stars
              FROM repository_snapshot
             WHERE repository_id = ANY(ARRAY(SELECT id FROM account_repositories)) AND source_id = 1
               AND captured_at <= :until
             ORDER BY repository_id, quarter, captured_at DESC
        ), own_grid AS (
            SELECT at, account_repositories.id, is_special, quarterly.stars,
                   count(quarterly.stars) OVER (PARTITION BY account_repositories.id ORDER BY at) AS value_group
              FROM ends CROSS JOIN account_repositories
              LEFT JOIN quarterly
                ON repository_id = account_repositories.id AND quarterly.quarter = date_trunc('quarter', at)
        ), own AS MATERIALIZED (
            SELECT at, id, is_special, first_value(stars) OVER (PARTITION BY id, value_group ORDER BY at) AS stars
              FROM own_grid
        ), imported AS MATERIALIZED (
            SELECT DISTINCT ON (repository_id, at) repository_id AS id, at, captured_at, stars
              FROM repository_snapshot
              JOIN ends ON captured_at <= at AND captured_at > at - interval '3 months'
             WHERE repository_id = ANY(ARRAY(SELECT id FROM account_repositories)) AND source_id <> 1
             ORDER BY repository_id, at, captured_at DESC, source_id DESC
        ), presence AS MATERIALIZED (
            SELECT repository_id, account_id, from_at, to_at
              FROM repository_presence
             WHERE repository_id = ANY(ARRAY(SELECT id FROM account_repositories WHERE is_special))
        ), special AS MATERIALIZED (
            SELECT repository_id AS id, at, max(captured_at) AS own_at
              FROM presence
             CROSS JOIN ends
             CROSS JOIN LATERAL ({LAST_PRESENT_CAPTURE}) AS last
             WHERE captured_at > at - interval '3 months'
             GROUP BY repository_id, at
        ), described AS MATERIALIZED (
            SELECT own.at, own.id, own.is_special, own.stars,
                   CASE WHEN past.since IS NULL THEN repository.account_id ELSE past.account_id END AS account_id,
                   CASE WHEN past.since IS NULL THEN repository.is_fork ELSE past.is_fork END AS is_fork,
                   CASE WHEN past.since IS NULL THEN repository.primary_language
                        ELSE past.primary_language END AS primary_language
              FROM own
              JOIN repository ON repository.id = own.id
              LEFT JOIN repository_version AS past
                ON past.repository_id = repository.id AND past.since <= own.at AND past.until > own.at
        ), counted AS (
            SELECT at, coalesce(present_language(primary_language), '') AS language, CASE
                       WHEN last.own_at IS NULL OR last.own_at < imported.captured_at THEN imported.stars
                       ELSE coalesce(described.stars, imported.stars) END AS stars
              FROM described
              JOIN account_end USING (at)
              LEFT JOIN special USING (id, at)
              LEFT JOIN imported USING (id, at)
             CROSS JOIN LATERAL (
                   SELECT CASE WHEN is_special THEN special.own_at ELSE account_end.own_at END AS own_at) AS last
             WHERE account_id = :account_id AND is_fork IS NOT TRUE
        )
        SELECT date_trunc('day', at) AS at, coalesce(nullif(language, ''), 'No language') AS language,
               sum(stars)::bigint AS stars, count(*) AS repositories
          FROM counted
         WHERE stars IS NOT NULL
         GROUP BY 1, 2
         ORDER BY 1, stars DESC
    """  # noqa: S608
    return read_frame(
        sql,
        account_id=account_id,
        until=as_of_or_end_of_today(as_of),
    )


def rollup_sources(as_of: datetime | None) -> DataFrame:
    """List sources with language rollups by *as_of*, ours first.

    source_id, source  1 is this installation, others are imports
    oldest, newest     midnight, UTC, of its first and last rollup
    """
    sql = f"""
        SELECT source.id AS source_id, CASE source.id WHEN 1 THEN 'GitHub' ELSE source.name END AS source,
               oldest::timestamptz AS oldest, newest::timestamptz AS newest
          FROM source
         CROSS JOIN LATERAL (
               SELECT min(day) AS oldest, max(day) AS newest FROM language_day
                WHERE source_id = source.id AND day <= {LAST_ROLLUP_DAY}) AS found
         WHERE newest IS NOT NULL
         ORDER BY source.id = 1 DESC, newest DESC
    """  # noqa: S608
    return read_frame(sql, until=as_of_or_end_of_today(as_of))


def ranking(source: str, as_of: datetime | None) -> DataFrame:
    """Rank languages by the last rollup of *source* by *as_of*: one row per language, most stars first.

    language      text; 'No language' where GitHub detects none
    repositories  int, with it as primary language; forks left out
    stars         int, of these
    bytes         int, of code in it over all repositories; null where not collected
    stars_4w      int, growth in the four weeks before; null without a rollup then, or in a gap
    day           the rollup's day (midnight, UTC)
    """
    sql = f"""
        WITH chosen AS (
            SELECT id AS source_id, {ROLLUP_MAX_GAP} AS max_gap
              FROM source WHERE CASE id WHEN 1 THEN 'GitHub' ELSE name END = :source
        ), days AS (
            SELECT source_id, newest, (
                       SELECT max(day) FROM language_day
                        WHERE source_id = chosen.source_id AND day <= newest - 28
                          AND day >= newest - 28 - least(max_gap, interval '28 days')) AS before
              FROM chosen
             CROSS JOIN LATERAL (
                   SELECT max(day) AS newest FROM language_day
                    WHERE source_id = chosen.source_id AND day <= {LAST_ROLLUP_DAY}) AS last
        ), rollups AS (
            SELECT day, present_language(language) AS language, sum(repositories)::bigint AS repositories,
                   sum(stars)::bigint AS stars, sum(bytes)::bigint AS bytes
              FROM days
              JOIN language_day USING (source_id)
             WHERE day IN (newest, before)
             GROUP BY 1, 2
        )
        SELECT coalesce(nullif(stored.language, ''), 'No language') AS language, stored.repositories, stored.stars,
               stored.bytes, stored.stars - earlier.stars AS stars_4w, stored.day::timestamptz AS day
          FROM days
          JOIN rollups AS stored ON stored.day = newest
          LEFT JOIN rollups AS earlier ON earlier.day = before AND earlier.language = stored.language
         ORDER BY stored.stars DESC, 1
    """  # noqa: S608
    return read_frame(sql, source=source, until=as_of_or_end_of_today(as_of), every=settings().refresh_every)


def compared_ranking(source: str, as_of: datetime | None, vs: datetime) -> DataFrame:
    """Return `ranking` beside the last rollup of the same source by *vs*, those that changed most first.

    stars_vs, stars_difference, stars_percent, the same for repositories and bytes   see `with_differences`
    """
    return with_differences(ranking(source, as_of), ranking(source, vs), "language", MEASURES)


def default_source(sources: DataFrame) -> str:
    """Return the source to open with: ours, once its rollups span as long as a trend needs, else the longest one."""
    own = sources[sources["source_id"] == 1]
    spans = sources["newest"] - sources["oldest"]
    if len(own) and spans.loc[own.index].iloc[0] >= TREND_SPAN:
        return str(own["source"].iloc[0])
    return str(sources["source"].iloc[int(spans.to_numpy().argmax())])


def language_trend(source: str, as_of: datetime | None) -> DataFrame:
    """Return the last rollup of *source* in each month by *as_of*, oldest first.

    at                            midnight (UTC) of the rollup's day
    language                      text
    repositories, stars, bytes    as in `ranking`
    """
    sql = f"""
        WITH chosen AS (
            SELECT source.id AS source_id, (SELECT min(day) FROM language_day WHERE source_id = source.id) AS first,
                   {LAST_ROLLUP_DAY} AS last
              FROM source WHERE CASE id WHEN 1 THEN 'GitHub' ELSE name END = :source
        ), months AS (
            SELECT source_id, newest.day
              FROM chosen
             CROSS JOIN LATERAL generate_series(
                   date_trunc('month', first::timestamp), last::timestamp, interval '1 month') AS month
             CROSS JOIN LATERAL (
                   SELECT max(day) AS day FROM language_day
                    WHERE source_id = chosen.source_id AND day >= month AND day < month + interval '1 month'
                      AND day <= last) AS newest
             WHERE newest.day IS NOT NULL
        )
        SELECT day::timestamptz AS at, coalesce(nullif(present_language(language), ''), 'No language') AS language,
               sum(repositories)::bigint AS repositories, sum(stars)::bigint AS stars, sum(bytes)::bigint AS bytes
          FROM months
          JOIN language_day USING (source_id, day)
         GROUP BY 1, 2
         ORDER BY at, stars DESC, 2
    """  # noqa: S608
    return read_frame(sql, source=source, until=as_of_or_end_of_today(as_of))


def top_languages(ranking: DataFrame, measure: str, limit: int) -> DataFrame:
    """Keep the *limit* languages of a ranking with most of *measure*, largest first, without zeros and nulls."""
    reported = ranking.dropna(subset=[measure])
    top = reported[reported[measure] > 0].sort_values(measure, ascending=False).head(limit)
    return derived(top, ranking)


def shares(values: "Series[Any]") -> "Series[Any]":
    """Divide each value by the sum of all; null where the sum is zero."""
    numbers = values.astype("Float64")
    total = numbers.sum()
    return numbers / total if total else numbers * pd.NA
