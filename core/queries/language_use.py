"""Who uses which language, which occur together, and which gain or lose a share of all stars."""

from datetime import datetime, timedelta

from pandas import DataFrame

from core.db.frames import derived, read_frame
from core.queries import languages
from core.queries.as_of import as_of_or_end_of_today
from core.queries.repository_base import as_of_values, counts_ctes, grown_ctes

RISING_DEFINITION = (
    "Share of all stars that repositories with this primary language have, now minus then, in percentage points; forks "
    "left out. Both from the totals of one source. A language that only one of both days has is left out."
)
TOGETHER_DEFINITION = (
    "Two languages occur together in a repository that has bytes of both, as GitHub counted them last. **Lift** is how "
    "much more often they do than if they were independent: repositories with both × all repositories ÷ (repositories "
    "with the one × with the other). With 100 repositories, 40 with C, 20 with Make and 16 with both it is "
    "16 × 100 ÷ (40 × 20) = 2."
)
MIN_TOGETHER = 2


def rising_and_falling(source: str, as_of: datetime | None, span: timedelta) -> DataFrame:
    """Compare each language's share of stars with *span* before: one row per language, most gained first.

    language, stars    as in `languages.ranking`
    share, share_then  float from 0 to 1, of the stars of all languages
    points             percentage points gained
    then               the earlier day of totals
    """
    now = languages.ranking(source, as_of)
    then = languages.ranking(source, as_of_or_end_of_today(as_of) - span)
    shares = now.assign(share=languages.shares(now["stars"]))[["language", "stars", "share"]]
    before = then.assign(share_then=languages.shares(then["stars"]), then=then["day"])
    merged = shares.merge(before[["language", "share_then", "then"]], on="language")
    merged["points"] = (merged["share"] - merged["share_then"]) * 100
    return derived(merged.sort_values("points", ascending=False, ignore_index=True), now)


def users(language: str, as_of: datetime | None, limit: int = 100) -> DataFrame:
    """List the accounts with most stars in *language*: owner, repositories, stars; most stars first.

    Counts repositories with it as primary language; forks and unavailable ones are left out.
    """
    sql = f"""
        WITH {counts_ctes(as_of)}
        SELECT owner, count(*) AS repositories, sum(stars)::bigint AS stars
          FROM stored
         WHERE language = :language AND is_fork IS NOT TRUE AND NOT is_gone
         GROUP BY owner
         ORDER BY stars DESC NULLS LAST, owner
         LIMIT :limit
    """  # noqa: S608
    return read_frame(sql, only_until=as_of, language=language, limit=limit, **as_of_values(as_of))


def repositories(language: str, as_of: datetime | None, limit: int = 100) -> DataFrame:
    """List the repositories with *language* as primary language: full_name, stars, stars_30d; most stars first."""
    sql = f"""
        WITH {counts_ctes(as_of)}, most_starred AS (
            SELECT * FROM stored
             WHERE language = :language AND is_fork IS NOT TRUE AND NOT is_gone
             ORDER BY stars DESC NULLS LAST, full_name
             LIMIT :limit
        ), {grown_ctes(as_of, "most_starred")}
        SELECT full_name, stars, stars_30d FROM grown_row ORDER BY stars DESC NULLS LAST, full_name
    """  # noqa: S608
    return read_frame(sql, only_until=as_of, language=language, limit=limit, **as_of_values(as_of, (30,)))


def leading_users(as_of: datetime | None) -> DataFrame:
    """Return the account with most stars in each language: language, owner, stars, share of the language's stars.

    The languages with most stars first; counted as in `users`.
    """
    sql = f"""
        WITH {counts_ctes(as_of)}, per_owner AS (
            SELECT language, owner, sum(stars)::bigint AS stars, sum(sum(stars)) OVER (PARTITION BY language) AS total
              FROM stored
             WHERE language IS NOT NULL AND is_fork IS NOT TRUE AND NOT is_gone
             GROUP BY language, owner
        )
        SELECT language, owner, stars, (stars / nullif(total, 0))::float AS share
          FROM (SELECT DISTINCT ON (language) *
                  FROM per_owner ORDER BY language, stars DESC NULLS LAST, owner) AS first
         ORDER BY total DESC NULLS LAST, language
    """  # noqa: S608
    return read_frame(sql, only_until=as_of, **as_of_values(as_of))


def together(as_of: datetime | None, language: str = "", limit: int = 30) -> DataFrame:
    """Count repositories with bytes of two languages: one row per pair, most repositories first.

    language, other  text; with *language* that one and each other, else every pair once, in the order of the alphabet
    repositories     with both, at least MIN_TOGETHER
    share            of the repositories with `language`
    lift             see TOGETHER_DEFINITION
    """
    sql = """
        WITH newest AS (
            SELECT repository_id, max(captured_at) AS captured_at
              FROM repository_language WHERE captured_at <= :until GROUP BY repository_id
        ), used AS MATERIALIZED (
            SELECT DISTINCT repository_id, present_language(language) AS language
              FROM repository_language
              JOIN newest USING (repository_id, captured_at)
             WHERE language <> ''
        ), counted AS (
            SELECT language, count(*) AS repositories FROM used GROUP BY language
        ), everything AS (
            SELECT count(DISTINCT repository_id) AS repositories FROM used
        ), pairs AS (
            SELECT one.language, other.language AS other, count(*) AS repositories
              FROM used AS one
              JOIN used AS other USING (repository_id)
             WHERE CASE WHEN :language = '' THEN one.language < other.language
                        ELSE one.language = :language AND other.language <> :language END
             GROUP BY 1, 2
            HAVING count(*) >= :least
        )
        SELECT pairs.language, other, pairs.repositories,
               pairs.repositories::float / counted.repositories AS share,
               pairs.repositories::float * everything.repositories
                   / (counted.repositories * others.repositories) AS lift
          FROM pairs
          JOIN counted ON counted.language = pairs.language
          JOIN counted AS others ON others.language = other
         CROSS JOIN everything
         ORDER BY pairs.repositories DESC, pairs.language, other
         LIMIT :limit
    """
    until = as_of_or_end_of_today(as_of)
    return read_frame(sql, only_until=as_of, until=until, language=language, least=MIN_TOGETHER, limit=limit)
