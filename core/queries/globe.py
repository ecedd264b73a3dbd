"""Accounts located by their free-text location and added up by place, for the globe."""

from dataclasses import dataclass
from datetime import datetime

import pandas as pd
from pandas import DataFrame

from core.db.frames import read_frame
from core.geo.geocoder import default_geocoder
from core.queries.as_of import as_of_or_end_of_today
from core.queries.attributes import account_attributes
from core.queries.repository_base import as_of_values, counts_ctes

COLUMNS = ["place", "country", "exact", "latitude", "longitude", "accounts", "repositories", "stars", "followers"]
SUMMED_COLUMNS = ["accounts", "repositories", "stars", "followers"]


@dataclass(frozen=True)
class Globe:
    """Accounts by place, and how many accounts are located, have no location, or have one that cannot be geocoded."""

    places: DataFrame
    located: int
    without_location: int
    not_found: int


def account_locations(as_of: datetime | None) -> DataFrame:
    """Add up accounts by location text: one row per text, the empty text for accounts without one.

    location              text, as it was then
    accounts              int, available accounts with stored repositories
    repositories, stars   int, of these accounts
    followers             int, of the accounts that we refreshed by then; null without any
    """
    sql = f"""
        WITH {counts_ctes(as_of)}, {account_attributes(as_of)}, owned AS (
            SELECT account_id, count(*) AS repositories, sum(stars)::bigint AS stars
              FROM stored
             WHERE NOT is_gone
             GROUP BY account_id
        )
        SELECT btrim(coalesce(location, '')) AS location, count(*) AS accounts,
               sum(owned.repositories)::bigint AS repositories, coalesce(sum(owned.stars), 0)::bigint AS stars,
               sum(newest.followers)::bigint AS followers
          FROM owned
          JOIN account_attributes AS account ON account.account_id = owned.account_id
          LEFT JOIN LATERAL (
               SELECT followers FROM account_snapshot
                WHERE account_snapshot.account_id = account.account_id AND captured_at <= :until
                ORDER BY captured_at DESC LIMIT 1) AS newest ON true
         WHERE account.gone_at IS NULL
         GROUP BY 1
         ORDER BY 1
    """  # noqa: S608
    return read_frame(sql, only_until=as_of, **{"until": as_of_or_end_of_today(as_of), **as_of_values(as_of)})


def locate_accounts(as_of: datetime | None) -> Globe:
    """Geocode the accounts: one row per place, most stars first. Texts that cannot be geocoded are only counted.

    place, country        names; exact is `city`, or `country` when only that is known: shown at its capital
    latitude, longitude   degrees
    accounts, repositories, stars, followers   as in `account_locations`
    """
    locations = account_locations(as_of)
    found = default_geocoder().locate(text for text in locations["location"] if text)
    matches = [found.get(text) for text in locations["location"]]
    is_located = pd.Series([place is not None for place in matches], dtype=bool)
    has_location = locations["location"] != ""
    rows = DataFrame(
        [(place.name, place.country, place.precision, place.latitude, place.longitude) for place in matches if place],
        columns=COLUMNS[:5],
    )
    rows = pd.concat(
        [rows, locations.loc[is_located.to_numpy(), SUMMED_COLUMNS].reset_index(drop=True)], axis="columns"
    )
    places = rows.groupby(COLUMNS[:5], as_index=False, sort=False)[SUMMED_COLUMNS].sum(min_count=1)
    counts = locations["accounts"]
    return Globe(
        places.sort_values(["stars", "place", "country"], ascending=[False, True, True], ignore_index=True),
        located=int(counts[is_located.to_numpy()].sum()),
        without_location=int(counts[~has_location].sum()),
        not_found=int(counts[has_location & ~is_located.to_numpy()].sum()),
    )
