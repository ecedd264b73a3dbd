"""An account's repositories as a whole: shape, languages, dependence on single people; its contribution calendar."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import pandas as pd
from pandas import DataFrame

from core.analysis import portfolio as shape
from core.db.frames import derived, read_frame
from core.queries import account_repositories, languages
from core.queries.as_of import as_of_or_end_of_today
from core.queries.attributes import as_of_values, owned_repository_ids, repository_attributes

LanguageMeasure = Literal["bytes", "repositories", "stars"]


@dataclass(frozen=True)
class Shape:
    """Figures about a frame of `repositories`; None where no repository has a star."""

    repositories: int
    stars: int
    h_index: int
    gini: float | None


@dataclass(frozen=True)
class Exposure:
    """How much of a frame of `repositories` depends on one person each.

    known          repositories whose contributors were collected, and their stars
    on_one         those with an absence factor of 1: one person made half of the commits; and their stars
    top, top_leads  who has most commits in most of these, and in how many; None without any
    """

    known: int
    known_stars: int
    on_one: int
    on_one_stars: int
    top: str | None
    top_leads: int


def contributions(account_id: int, as_of: datetime | None) -> DataFrame:
    """Return the contributions of a user on each day that was read, up to the last complete one, oldest first.

    day            timestamp, midnight (UTC)
    contributions  int, public ones as in GitHub's contribution calendar; 0 on days without any
    """
    sql = """
        WITH newest AS (
            SELECT DISTINCT ON (day) day, contributions, captured_at FROM contribution_day
             WHERE account_id = :account_id AND captured_at <= :until
             ORDER BY day, captured_at DESC
        ), read AS (
            SELECT max(at) AS at, min(first_day) AS first_day
              FROM (SELECT max(captured_at) AS at, min(day) AS first_day FROM newest
                     UNION ALL
                    SELECT captured_at, first_day FROM enrichment
                     WHERE account_id = :account_id AND kind = 'contributions' AND captured_at <= :until) AS times
        )
        SELECT generated AT TIME ZONE 'UTC' AS day, coalesce(contributions, 0) AS contributions
          FROM read
         CROSS JOIN generate_series(first_day::timestamp, (at AT TIME ZONE 'UTC')::date::timestamp - interval '1 day',
                                    interval '1 day') AS generated
          LEFT JOIN newest ON newest.day = generated::date
         ORDER BY generated
    """
    return read_frame(sql, account_id=account_id, until=as_of_or_end_of_today(as_of))


def repositories(account_id: int, as_of: datetime | None, *, forks: bool) -> DataFrame:
    """List the available repositories whose stars are known, with the Lorenz curve: fewest stars first.

    full_name, language, source           text
    stars                                 int
    is_fork                               boolean; null where unknown, which counts as no fork
    repository_share, star_share          float: share of all repositories, and of their stars, up to this one;
                                          star_share is null where none has a star
    contributors, absence_factor          int, as last collected by then; null where they were not
    top_contributor, top_share            who has most commits, bots left out, and the share of all commits by people
    """
    listed = account_repositories.list_repositories(account_id, as_of)
    kept = listed[~listed["is_gone"].fillna(False).astype(bool) & listed["stars"].notna()]
    if not forks:
        kept = kept[~kept["is_fork"].fillna(False).astype(bool)]
    kept = kept.sort_values(["stars", "full_name"], ignore_index=True)
    shares = [share for _, share in shape.lorenz(int(stars) for stars in kept["stars"])[1:]]
    kept = kept[["full_name", "language", "source", "stars", "is_fork"]].assign(
        repository_share=pd.array([(number + 1) / len(kept) for number in range(len(kept))], dtype="Float64"),
        star_share=pd.Series(shares or None, index=kept.index, dtype="Float64"),
    )
    return derived(kept.merge(_contributors(account_id, as_of), on="full_name", how="left"), listed)


def shape_of(rows: DataFrame) -> Shape:
    """Compute the figures of a frame of `repositories`."""
    stars = [int(count) for count in rows["stars"]]
    return Shape(len(stars), sum(stars), shape.h_index(stars), shape.gini(stars))


def exposure_of(rows: DataFrame) -> Exposure:
    """Compute how much of a frame of `repositories` depends on one person each."""
    known = rows[rows["absence_factor"].notna()]
    on_one = known[known["absence_factor"] == 1]
    leads = on_one["top_contributor"].value_counts()
    top = sorted(leads[leads == leads.max()].index, key=str.lower)[0] if len(leads) else None
    return Exposure(
        len(known), int(known["stars"].sum()), len(on_one), int(on_one["stars"].sum()), top,
        int(leads.max()) if len(leads) else 0,
    )  # fmt: skip


def language_shares(account_id: int, as_of: datetime | None, by: LanguageMeasure, *, forks: bool) -> DataFrame:
    """Add up the account's languages, most first; repositories without a language are left out.

    language  text
    weight    int: bytes of code in it, or repositories with it as primary language, or the stars of these
    share     float from 0 to 1, of all
    """
    if by == "bytes":
        found = languages.account_languages(account_id, as_of, forks=forks)
        return derived(found.rename(columns={"bytes": "weight"})[["language", "weight", "share"]], found)
    rows = repositories(account_id, as_of, forks=forks).dropna(subset=["language"])
    grouped = rows.groupby("language")["stars"]
    counted = (grouped.sum() if by == "stars" else grouped.size()).rename("weight").reset_index()
    counted = counted.sort_values(["weight", "language"], ascending=[False, True], ignore_index=True)
    counted = counted.astype({"language": "string", "weight": "Int64"})
    return derived(counted.assign(share=languages.shares(counted["weight"])), rows)


def _contributors(account_id: int, as_of: datetime | None) -> DataFrame:
    sql = f"""
        WITH {repository_attributes(as_of)}, summary AS (
            SELECT DISTINCT ON (repository_id) repository_id, contributors, absence_factor, commits
              FROM contributor_snapshot
             WHERE repository_id = ANY(CAST(:ids AS bigint[])) AND captured_at <= :until
             ORDER BY repository_id, captured_at DESC
        ), top AS (
            SELECT DISTINCT ON (person.repository_id) person.repository_id, login, commits
              FROM repository_contributor AS person
              JOIN enrichment AS read ON read.repository_id = person.repository_id AND read.kind = 'contributors'
             WHERE person.repository_id = ANY(CAST(:ids AS bigint[])) AND read.captured_at <= :until AND NOT is_bot
             ORDER BY person.repository_id, commits DESC, lower(login), github_id
        )
        SELECT full_name, contributors, absence_factor, top.login AS top_contributor,
               top.commits::float / nullif(summary.commits, 0) AS top_share
          FROM summary
          JOIN attributes USING (repository_id)
          LEFT JOIN top USING (repository_id)
    """  # noqa: S608
    ids = owned_repository_ids(account_id, as_of)
    return read_frame(sql, ids=ids, until=as_of_or_end_of_today(as_of), **as_of_values(as_of))
