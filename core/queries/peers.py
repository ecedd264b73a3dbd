"""Fair rank: how many of its peers a repository or an account is ahead of, by stars.

Peers of a repository are the others with the same primary language and of the same age class; forks and unavailable
ones are left out. An account's language is the one with most stars over its repositories, forks left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pandas import DataFrame

from core.db.frames import read_frame
from core.queries.as_of import as_of_or_end_of_today
from core.queries.attributes import account_attributes
from core.queries.repository_base import GROWTH_COLUMNS, as_of_values, counts_ctes, grown_ctes

MIN_PEERS = 20
NEAREST = 10
AGE_CLASSES = {1: "younger than a year", 3: "1 to 3 years", 5: "3 to 5 years", 10: "5 to 10 years"}
"""Names by the age in years at which the next class begins; the last one is OLDEST."""
OLDEST = "10 years and older"
DEFINITION = (
    "Peers have the same primary language and are of the same age class: "
    + ", ".join((*AGE_CLASSES.values(), OLDEST))
    + ". Of an account it is the language with most stars over its repositories, forks left out, and the account's own "
    "age. Forks, and what was deleted or made private, are no peers. The rank is the share of the peers with fewer "
    "stars; those with as many count half. With 30 peers, of which 20 have fewer stars and 2 as many, it is "
    "(20 + 1) / 30 = 70\N{NO-BREAK SPACE}%. "
    f"Below {MIN_PEERS} peers it says little and is not shown."
)

_CASES = "\n                        ".join(
    f"WHEN created_at > CAST(:until AS timestamptz) - interval '{years} years' THEN '{name}'"
    for years, name in AGE_CLASSES.items()
)
AGE_CLASS = f"""CASE WHEN created_at > :until THEN NULL
                        {_CASES}
                        WHEN created_at IS NOT NULL THEN '{OLDEST}' END"""
"""SQL: the age class at `:until` of what was `created_at`; null where that is unknown or later."""

REPOSITORY_CLASSES = f"""classed AS (
            SELECT repository_id AS id, stars, language, {AGE_CLASS} AS age_class,
                   CASE WHEN is_fork THEN 'fork' WHEN created_at IS NULL THEN 'age unknown'
                        WHEN language IS NULL THEN 'no language' END AS unranked
              FROM stored
             WHERE NOT is_gone AND stars IS NOT NULL
        )"""  # noqa: S608
ACCOUNT_CLASSES = f"""owned AS (
            SELECT account_id, sum(stars)::bigint AS stars, count(*) AS repositories
              FROM available WHERE stars IS NOT NULL
             GROUP BY account_id
        ), main AS (
            SELECT DISTINCT ON (account_id) account_id, language
              FROM available WHERE is_fork IS NOT TRUE AND language IS NOT NULL
             GROUP BY account_id, language
             ORDER BY account_id, sum(stars) DESC NULLS LAST, language
        ), classed AS (
            SELECT account_id AS id, login, kind, stars, repositories, language, {AGE_CLASS} AS age_class,
                   CASE WHEN created_at IS NULL THEN 'age unknown' WHEN language IS NULL THEN 'no language'
                   END AS unranked
              FROM account_attributes
              JOIN owned USING (account_id)
              LEFT JOIN main USING (account_id)
             WHERE gone_at IS NULL
        )"""  # noqa: S608
RANKS = f"""
        SELECT subject.id, subject.language, subject.age_class, subject.unranked, count(peer.id) AS peers,
               CASE WHEN count(peer.id) >= {MIN_PEERS} THEN
                   (count(*) FILTER (WHERE peer.stars < subject.stars)
                    + count(*) FILTER (WHERE peer.stars = subject.stars) / 2.0)::float / count(peer.id) END AS rank
          FROM classed AS subject
          LEFT JOIN classed AS peer
            ON peer.language = subject.language AND peer.age_class = subject.age_class AND peer.id <> subject.id
           AND peer.unranked IS NULL AND subject.unranked IS NULL
         WHERE subject.id = ANY(CAST(:ids AS bigint[]))
         GROUP BY subject.id, subject.language, subject.age_class, subject.unranked
    """  # noqa: S608


@dataclass(frozen=True)
class Rank:
    """One row of `repository_ranks` or `account_ranks`."""

    id: int
    language: str | None
    age_class: str | None
    unranked: str | None
    peers: int
    rank: float | None


def repository_ranks(ids: list[int], as_of: datetime | None) -> DataFrame:
    """Rank repositories by stars among their peers: one row for each of *ids* that is stored and available.

    id                    our own, for other queries only
    language, age_class   text; null where unknown
    unranked              why it has no peers at all: fork, age unknown, no language; else null
    peers                 int
    rank                  float from 0 to 1: share of the peers with fewer stars, equals half; null below MIN_PEERS
    """
    sql = f"WITH {counts_ctes(as_of)}, {REPOSITORY_CLASSES} {RANKS}"
    return read_frame(sql, only_until=as_of, ids=ids, **{"until": as_of_or_end_of_today(as_of), **as_of_values(as_of)})


def account_ranks(ids: list[int], as_of: datetime | None) -> DataFrame:
    """Rank accounts by the stars of their repositories, forks included, as `repository_ranks`."""
    sql = f"WITH {_available_ctes(as_of)}, {account_attributes(as_of)}, {ACCOUNT_CLASSES} {RANKS}"
    return read_frame(sql, only_until=as_of, ids=ids, **{"until": as_of_or_end_of_today(as_of), **as_of_values(as_of)})


def nearest_accounts(account_id: int, as_of: datetime | None) -> DataFrame:
    """List the account among its peers: itself, and up to NEAREST with more stars and with fewer; most stars first.

    login, kind             text
    stars, repositories     int, over its available repositories, forks included
    stars_30d               int, stars that those gained whose growth is known; null without any
    is_self                 boolean
    language, age_class     text, the same for all

    Empty where the account has no peer group, see `account_ranks`.
    """
    sql = f"""
        WITH {_available_ctes(as_of)}, {account_attributes(as_of)}, {ACCOUNT_CLASSES}, self AS MATERIALIZED (
            -- One row: whatever Postgres expects of `classed`, it is not read again for each of its rows.
            SELECT language, age_class FROM classed WHERE id = :account_id AND unranked IS NULL
        ), numbered AS (
            SELECT peer.*, row_number() OVER (ORDER BY peer.stars DESC, lower(peer.login), peer.id) AS place
              FROM classed AS peer
              JOIN self ON self.language = peer.language AND self.age_class = peer.age_class
             WHERE peer.unranked IS NULL
        ), nearest AS MATERIALIZED (
            SELECT * FROM numbered WHERE abs(place - (SELECT place FROM numbered WHERE id = :account_id)) <= {NEAREST}
        ), {_gained_ctes(as_of, "nearest")}
        SELECT login, kind, stars, repositories, stars_30d, id = :account_id AS is_self, language, age_class
          FROM nearest
          JOIN gained USING (id)
         ORDER BY place
    """  # noqa: S608
    values = {"until": as_of_or_end_of_today(as_of), **as_of_values(as_of, (30,))}
    return read_frame(sql, only_until=as_of, account_id=account_id, **values)


def totals_of(logins: Sequence[str], as_of: datetime | None) -> DataFrame:
    """Return the totals of those of *logins* that were available then, as `nearest_accounts` has them.

    login                           text
    stars, repositories, stars_30d  int
    """
    sql = f"""
        WITH {_available_ctes(as_of)}, {account_attributes(as_of)}, {ACCOUNT_CLASSES}, named AS MATERIALIZED (
            SELECT * FROM classed WHERE lower(login) = ANY(CAST(:logins AS text[]))
        ), {_gained_ctes(as_of, "named")}
        SELECT login, stars, repositories, stars_30d FROM named JOIN gained USING (id) ORDER BY login
    """  # noqa: S608
    values = {"until": as_of_or_end_of_today(as_of), **as_of_values(as_of, (30,))}
    return read_frame(sql, only_until=as_of, logins=sorted(login.lower() for login in logins), **values)


def _available_ctes(as_of: datetime | None) -> str:
    """Return the expression `available`: what ranks of accounts need of each repository that was not deleted.

    It is read three times, and written down for that: without names and texts.
    """
    growth = "stars_30d" if as_of is None else GROWTH_COLUMNS
    return f"""{counts_ctes(as_of)}, available AS MATERIALIZED (
            SELECT repository_id, account_id, language, is_fork, stars, checked_at, {growth}
              FROM stored WHERE NOT is_gone
        )"""  # noqa: S608


def _gained_ctes(as_of: datetime | None, accounts: str) -> str:
    """Return the expression `gained`: id of each account in the expression *accounts*, and stars_30d."""
    return f"""owned_row AS (
            SELECT * FROM available
             WHERE account_id IN (SELECT id FROM {accounts}) AND stars IS NOT NULL
        ), {grown_ctes(as_of, "owned_row")}, gained AS (
            SELECT account_id AS id, sum(stars_30d)::bigint AS stars_30d FROM grown_row GROUP BY account_id
        )"""  # noqa: S608
