"""Repositories ranked by stars gained or lost in a number of days, as `core.queries.growth` defines growth."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from pandas import DataFrame, Series

from core.db.frames import derived, read_frame
from core.db.schema import GROWTH_DAYS
from core.queries import accounts, collections
from core.queries.as_of import as_of_or_end_of_today
from core.queries.attributes import repository_attributes
from core.queries.captures import IMPORT_EXISTS, PRESENCE_EXISTS, newest_capture_at
from core.queries.growth import NO_PLAIN_GROWTH, OWN_START_CTE, growth_values, with_plain_growth
from core.queries.repository_base import ACCOUNT_LAST_CTE, GROWTH_COLUMNS, counts_ctes, growth_of_ctes

MAX_LAG = timedelta(days=7)
"""Growth that ended longer than this before the newest capture of all is not compared with the newest."""
MAX_ROWS = 10_000
MIN_STARS_FOR_SHARE = 50
"""Growth relative to fewer stars says little: such repositories are not ranked by share."""
Ranking = Literal["gained", "lost", "share"]
# Condition and order of the rows by ranking; the numbers compared and left out do not depend on it. Nulls are placed as
# in the index on stored growth.
RANKINGS: dict[Ranking, tuple[str, str]] = {
    "gained": ("true", "growth DESC NULLS LAST"),
    "lost": ("growth < 0", "growth NULLS FIRST"),
    "share": (f"stars - growth >= {MIN_STARS_FOR_SHARE}", "growth::float / (stars - growth) DESC"),
}
COLUMNS = [
    "id", "full_name", "owner", "description", "language", "created_at", "stars", "growth", "share",
    "until_at", "source",
]  # fmt: skip
COMPARED_COLUMNS = ("growth", "stars")
"""Numbers of a mover that are compared with another time."""
IS_RECENT = "{at} > CAST(:reference AS timestamptz) - CAST(:max_lag AS interval)"
_IS_CHOSEN = """NOT is_gone AND (:language = '' OR language = :language)
               AND (CAST(:created_after AS timestamptz) IS NULL OR created_at > :created_after)
               AND (:login = '' OR lower(owner) = lower(:login))"""
# Only where it is asked for: Citus would look members up before all else.
_IS_CHOSEN_OF_COLLECTION = f"{_IS_CHOSEN} AND {collections.IS_MEMBER}"
COUNT_CANDIDATES = """SELECT count(*) FILTER (WHERE is_recent AND growth IS NOT NULL) AS compared,
                   count(*) FILTER (WHERE NOT is_recent) AS not_captured,
                   count(*) FILTER (WHERE is_recent AND growth IS NULL) AS unknown_at_start
              FROM candidate"""
# What `counts_ctes` has as of a timestamp.
_LATEST = f"""
            SELECT latest.*, latest.account_id AS present_account_id,
                   CASE source_id WHEN 1 THEN latest.captured_at END AS changed_at, {PRESENCE_EXISTS} AS is_special,
                   {IMPORT_EXISTS} AS is_imported
              FROM repository_latest AS latest
              JOIN repository ON repository.id = latest.repository_id"""  # noqa: S608
_LATEST_CTES = {
    False: f"stored AS (SELECT latest.*, {NO_PLAIN_GROWTH} FROM ({_LATEST}) AS latest)",  # noqa: S608
    True: f"""{ACCOUNT_LAST_CTE.format(accounts="true")}, {OWN_START_CTE},
        stored AS ({with_plain_growth(_LATEST)}
        )""",
}
"""By whether growth of most repositories is asked for."""


@dataclass(frozen=True)
class Movers:
    """The repositories with most growth, and how many were compared and left out; unavailable ones are neither.

    rows              one row per repository, most growth first:
        id, full_name, owner, description, language   id is GitHub's; null for an imported repository without one
        created_at                                    timestamp; null where it is unknown
        stars, growth                                 int, at until_at; gained in the days before
        share                                         float, growth relative to the stars before
        until_at                                      timestamp of the last capture
        source                                        name of the source of these counts
    compared          repositories with known growth
    not_captured      left out: not captured in the week before *newest_at*
    unknown_at_start  left out: captured then, but not near the start of the period
    newest_at         newest capture of any source; None before the first
    """

    rows: DataFrame
    compared: int
    not_captured: int
    unknown_at_start: int
    newest_at: datetime | None


def movers(
    as_of: datetime | None,
    days: int,
    language: str = "",
    limit: int = MAX_ROWS,
    *,
    ranking: Ranking = "gained",
    max_age: timedelta | None = None,
    login: str = "",
    collection: str = "",
) -> Movers:
    """Rank repositories by stars gained in the *days* before their last capture by *as_of*.

    Only repositories with the primary *language* if given, not created longer than *max_age* before *as_of*, of the
    account called *login* and of the *collection*, itself or by its account. Ranked
    by stars gained, by stars lost (only those that lost some), or by stars gained as a share of those before.
    """
    condition, order = RANKINGS[ranking]
    until = as_of_or_end_of_today(as_of)
    newest_at = newest_capture_at(until)
    is_stored = as_of is None and days in GROWTH_DAYS
    is_unfiltered = not language and not max_age and not login and not collection
    if login and (account := accounts.find(login, as_of)):
        login = account.login
    chosen = _IS_CHOSEN_OF_COLLECTION if collection else _IS_CHOSEN
    most = not (login or collection)
    ctes = f"""
        WITH {_stored_candidates(days, chosen) if is_stored else _computed_candidates(as_of, chosen, most=most)},
             counted AS (
            {_sum_counts(days) if is_stored and is_unfiltered else COUNT_CANDIDATES}
        )"""
    sql = f"""{ctes}, ranked AS (
            SELECT * FROM candidate
             WHERE is_recent AND growth IS NOT NULL AND {condition}
             ORDER BY {order}, full_name
             LIMIT :limit
        ){"" if is_stored else f", {repository_attributes(as_of, 'described')}"}
        SELECT github_id AS id, ranked.full_name, split_part(ranked.full_name, '/', 1) AS owner, description,
               {"language" if is_stored else "present_language(primary_language) AS language"}, ranked.created_at,
               stars, growth, growth::float / nullif(stars - growth, 0) AS share, until_at,
               CASE source_id WHEN 1 THEN 'GitHub' ELSE source.name END AS source,
               (SELECT compared FROM counted) AS compared, (SELECT not_captured FROM counted) AS not_captured,
               (SELECT unknown_at_start FROM counted) AS unknown_at_start
          FROM ranked
          JOIN source ON source.id = source_id
          {"" if is_stored else "JOIN described USING (repository_id)"}
         ORDER BY {order}, ranked.full_name
    """  # noqa: S608
    values: dict[str, Any] = {"reference": newest_at, "max_lag": MAX_LAG, "language": language, "limit": limit}
    values |= {"login": login, "collection": collection}
    values |= {"created_after": until - max_age if max_age else None}
    if not is_stored:
        values |= {"as_of": as_of, "until": until, **growth_values([days])}
    # Who is in a collection is known of now alone.
    only_until = None if collection else as_of
    found = read_frame(sql, only_until=only_until, **values)
    counted = f"{ctes} SELECT * FROM counted"  # noqa: S608
    counts = (read_frame(counted, only_until=only_until, **values) if found.empty else found).iloc[0]
    return Movers(
        rows=derived(found[COLUMNS], found),
        compared=int(counts["compared"]),
        not_captured=int(counts["not_captured"]),
        unknown_at_start=int(counts["unknown_at_start"]),
        newest_at=newest_at,
    )


def ranked_movers(as_of: datetime | None, days: int, language: str = "", **chosen: Any) -> Movers:
    """Return `movers` of the same arguments with `with_rank_movement` against the span before."""
    found = movers(as_of, days, language, **chosen)
    before = movers(found.newest_at - timedelta(days=days), days, language, **chosen) if found.newest_at else found
    return replace(found, rows=with_rank_movement(found.rows, before.rows))


def with_rank_movement(rows: DataFrame, before: DataFrame) -> DataFrame:
    """Add to *rows* of `Movers` their rank, that in *before*, and by how many places they rose.

    rank         from 1, in the order of the rows
    rank_before  the same in *before*; null for those that were not ranked then
    rank_change  places gained, negative for places lost; null likewise
    """
    keys = [frame["id"].astype("string").fillna(frame["full_name"]).tolist() for frame in (rows, before)]
    old = {key: rank for rank, key in enumerate(keys[1], start=1)}
    ranks = Series(range(1, len(rows) + 1), index=rows.index, dtype="Int64")
    ranks_before = Series([old.get(key) for key in keys[0]], index=rows.index, dtype="Int64")
    return derived(rows.assign(rank=ranks, rank_before=ranks_before, rank_change=ranks_before - ranks), rows)


def _stored_candidates(days: int, chosen: str) -> str:
    """Return the CTE `candidate` of *chosen* repositories with the growth that is stored of one of GROWTH_DAYS."""
    return f"""candidate AS (
            SELECT github_id, full_name, description, language, created_at, stars, stars_{days}d AS growth,
                   checked_at AS until_at, source_id, {IS_RECENT.format(at="checked_at")} AS is_recent
              FROM repository_latest
             WHERE {chosen}
        )"""  # noqa: S608


def _computed_candidates(as_of: datetime | None, chosen: str, *, most: bool) -> str:
    """Return the CTE `candidate` after those that compute growth over any days, as of any moment.

    Few columns: Postgres writes these rows down, to disk where all are candidates.

    chosen  condition on the columns of `counts_ctes`
    most    whether most repositories may be candidates
    """
    columns = f"""repository_id, full_name, stars, source_id, checked_at, {GROWTH_COLUMNS},
                   {IS_RECENT.format(at="checked_at")} AS is_recent"""
    # FULL is the same as LEFT, as only chosen repositories have a row of growth, but always by hash.
    return f"""{_LATEST_CTES[most] if as_of is None else counts_ctes(as_of, grows=most)}, chosen AS MATERIALIZED (
            SELECT {columns}
              FROM stored WHERE {chosen}
        ), recent AS (
            SELECT * FROM chosen WHERE is_recent
        ), {growth_of_ctes("recent")}, candidate AS MATERIALIZED (
            SELECT repository_id, full_name, created_at, stars, coalesce(growth, plain_growth[1]) AS growth,
                   checked_at AS until_at, source_id, is_recent
              FROM chosen
              FULL JOIN growth USING (repository_id)
        )"""  # noqa: S608


def _sum_counts(days: int) -> str:
    """Return SQL that counts the candidates from the totals by account, and those with captures of their own.

    Each is added up first, in an expression of one row: nodes of Citus then send sums, and it takes one step fewer.
    """
    of_account, of_own = IS_RECENT.format(at="checked_at"), IS_RECENT.format(at="own_checked_at")
    return f"""SELECT coalesce(of_accounts.known, 0)::bigint + alone.known AS compared,
                   coalesce(of_accounts.late, 0)::bigint + alone.late AS not_captured,
                   coalesce(of_accounts.unknown, 0)::bigint + alone.unknown AS unknown_at_start
              FROM (SELECT sum(known_{days}d) FILTER (WHERE {of_account}) AS known,
                           sum(compared) FILTER (WHERE NOT {of_account}) AS late,
                           sum(compared - known_{days}d) FILTER (WHERE {of_account}) AS unknown
                      FROM account_summary
                      JOIN account ON account.id = account_id) AS of_accounts
             CROSS JOIN (
                    SELECT count(stars_{days}d) FILTER (WHERE {of_own}) AS known,
                           count(*) FILTER (WHERE NOT {of_own}) AS late,
                           count(*) FILTER (WHERE {of_own} AND stars_{days}d IS NULL) AS unknown
                      FROM repository_summary WHERE own_checked_at IS NOT NULL AND NOT is_gone) AS alone"""  # noqa: S608
