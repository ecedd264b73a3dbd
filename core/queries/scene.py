"""The most starred owners and their repositories, for the city and its details."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pandas import DataFrame

from core.db.frames import read_frame
from core.queries.compared_counts import beside_counts_at
from core.queries.repository_base import GROWTH_COLUMNS, as_of_values, counts_ctes, grown_ctes
from core.whole_numbers import MAX_INT32

MAX_TOWERS = 5_000
_MATCHES = """NOT is_gone AND stars >= :min_stars
               AND (CAST(:languages AS text[]) = '{}' OR language = ANY(CAST(:languages AS text[])))"""
# Few columns: Postgres writes these rows down, to disk where all are eligible.
_TALLEST_OF_PAST_CTES = f"""eligible AS (
            SELECT repository_id, full_name, owner, lower(owner) AS district, language, stars, checked_at,
                   {GROWTH_COLUMNS}
              FROM stored
             WHERE {_MATCHES} AND (:account = '' OR lower(owner) = lower(:account))
        ), chosen AS (
            SELECT district, sum(stars) AS district_stars
              FROM eligible GROUP BY district ORDER BY sum(stars) DESC, district LIMIT :owners
        ), tallest AS (
            SELECT * FROM eligible JOIN chosen USING (district) ORDER BY stars DESC, full_name LIMIT :limit
        )"""  # noqa: S608
# Grouped by account first, without a name for each repository; only those that are shown are read whole.
_TALLEST_NOW_CTES = f"""account_stars AS (
            SELECT account_id, sum(stars) AS stars
              FROM repository_latest
             WHERE {_MATCHES}
             GROUP BY account_id
        ), chosen AS MATERIALIZED (
            SELECT lower(login) AS district, sum(stars) AS district_stars, array_agg(account_id) AS account_ids
              FROM account_stars
              JOIN account ON account.id = account_id
             WHERE :account = '' OR lower(login) = lower(:account)
             GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT :owners
        ), chosen_account AS MATERIALIZED (
            SELECT district, district_stars, unnest(account_ids) AS account_id FROM chosen
        ), tallest_id AS MATERIALIZED (
            SELECT repository_id, district, district_stars
              FROM repository_latest
              JOIN chosen_account USING (account_id)
             -- Lets Postgres look up these accounts instead of reading all.
             WHERE {_MATCHES} AND account_id = ANY(ARRAY(SELECT account_id FROM chosen_account))
             ORDER BY stars DESC, full_name LIMIT :limit
        ), tallest AS (
            SELECT repository_id, full_name, owner, district, district_stars, language, stars, checked_at, stars_30d
              FROM tallest_id
              JOIN repository_latest USING (repository_id)
        )"""  # noqa: S608


@dataclass(frozen=True)
class CityFilters:
    """Conditions on the city: number of owners, languages (empty: all), least stars, one owner alone (empty: all).

    vs  an earlier time to compare the stars with
    """

    owners: int = 60
    languages: tuple[str, ...] = ()
    min_stars: int = 0
    as_of: datetime | None = None
    account: str = ""
    vs: datetime | None = None

    @property
    def values(self) -> dict[str, Any]:
        return {
            "languages": list(self.languages),
            "account": self.account,
            "min_stars": min(self.min_stars, MAX_INT32),
            **as_of_values(self.as_of, (30,)),
        }


def city_repositories(filters: CityFilters) -> DataFrame:
    """Read the repositories of the most starred owners, owner by owner, at most MAX_TOWERS, the most starred of them.

    full_name, owner, language  text; language is null where GitHub detects none
    stars                       at the last capture
    stars_30d                   growth in the 30 days before it; null without a snapshot then
    checked_at                  timestamp of the last capture
    stars_vs, stars_difference, stars_percent   only with `vs`: see `with_differences`
    """
    tallest = _TALLEST_NOW_CTES if filters.as_of is None else f"{counts_ctes(filters.as_of)}, {_TALLEST_OF_PAST_CTES}"
    sql = f"""
        WITH {tallest}, {grown_ctes(filters.as_of, "tallest")}
        SELECT {"repository_id, " if filters.vs else ""}full_name, owner, language, stars, stars_30d, checked_at
          FROM grown_row
         ORDER BY district_stars DESC, district, stars DESC, full_name
    """  # noqa: S608
    found = read_frame(sql, only_until=filters.as_of, **filters.values, owners=filters.owners, limit=MAX_TOWERS)
    if filters.vs is None:
        return found
    ids = [int(one) for one in found["repository_id"]]
    return beside_counts_at(found, ids, filters.vs, ("stars",), changed_first=False)


def count_eligible(filters: CityFilters) -> tuple[int, int]:
    """Count the repositories and owners that match, before the limits on owners and towers."""
    # Fewer groups and names than repositories; of the past, one account's repositories may have several owners' names.
    group = "account_id" if filters.as_of is None else "lower(owner)"
    sql = f"""
        WITH {counts_ctes(filters.as_of)}
        SELECT coalesce(sum(repositories), 0)::bigint AS repositories, count(DISTINCT lower(owner)) AS owners
          FROM (SELECT {group}, min(owner) AS owner, count(*) AS repositories
                  FROM stored
                 WHERE {_MATCHES} AND (:account = '' OR lower(owner) = lower(:account))
                 GROUP BY {group}) AS matching
    """  # noqa: S608
    row = read_frame(sql, only_until=filters.as_of, **filters.values).iloc[0]
    return int(row["repositories"]), int(row["owners"])
