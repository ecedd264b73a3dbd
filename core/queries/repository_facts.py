"""Facts collected about one repository: stars per day, releases, contributors, commits, traffic, pushes.

Of a day that was read several times, the newest answer by the time asked for counts.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pandas as pd
from pandas import DataFrame

from core.analysis import bursts
from core.analysis.contributor_activity import QUIET
from core.db.frames import derived, first_record, first_value, read_frame
from core.queries.as_of import as_of_or_end_of_today
from core.queries.attributes import as_of_values, repository_attributes
from core.queries.changes import LABELS

UNREAD_STAR_DAYS = """
            SELECT FROM star_backfill
             WHERE repository_id = :repository_id
               AND (completed_at IS NULL
                    OR (SELECT min(day) FROM star_day WHERE repository_id = :repository_id AND captured_at <= :until)
                       > (SELECT min(day) FROM star_day WHERE repository_id = :repository_id))"""
"""SQL: a row where the star history had not been read back to the first star by then, or is read again after a gap."""


@dataclass(frozen=True)
class ContributorSummary:
    """The newest summary of a repository's contributors; bots count only in *bots*.

    absence_factor  fewest people who made half of the commits (CHAOSS Contributor Absence Factor)
    is_complete     whether GitHub listed all of them
    """

    captured_at: datetime
    contributors: int
    bots: int
    commits: int
    absence_factor: int
    is_complete: bool


def stars_given(repository_id: int, as_of: datetime | None) -> DataFrame:
    """Return the stars given on each day, from the first one with a star to the last complete one.

    day      timestamp, midnight (UTC) of a day of America/Los_Angeles
    stars    int, given on that day and not withdrawn when last read; 0 on days without any
    mean_7d  float, average of the seven days up to that one; null on the first six
    """
    sql = """
        WITH newest AS (
            SELECT DISTINCT ON (day) day, stars, captured_at FROM star_day
             WHERE repository_id = :repository_id AND captured_at <= :until
             ORDER BY day, captured_at DESC
        ), read AS (
            SELECT max(at) AS at
              FROM (SELECT max(captured_at) AS at FROM newest
                     UNION ALL
                    SELECT captured_at FROM enrichment
                     WHERE repository_id = :repository_id AND kind = 'star_history' AND captured_at <= :until) AS times
        ), bounds AS (
            SELECT (SELECT CASE WHEN incomplete.first_day IS NULL THEN min(newest.day)
                                ELSE greatest(min(newest.day), incomplete.first_day) END
                      FROM newest
                      LEFT JOIN star_backfill AS incomplete
                        ON incomplete.repository_id = :repository_id AND completed_at IS NULL
                     GROUP BY incomplete.first_day) AS first_day,
                   (at AT TIME ZONE 'America/Los_Angeles')::date - 1 AS last_day
              FROM read
        )
        SELECT day, coalesce(stars, 0) AS stars,
               (CASE WHEN count(*) OVER week = 7 THEN avg(coalesce(stars, 0)) OVER week END)::float AS mean_7d
          FROM (SELECT generated AT TIME ZONE 'UTC' AS day, newest.stars
                  FROM bounds
                 CROSS JOIN generate_series(first_day::timestamp, last_day::timestamp, interval '1 day') AS generated
                  LEFT JOIN newest ON newest.day = generated::date) AS days
        WINDOW week AS (ORDER BY day ROWS BETWEEN 6 PRECEDING AND CURRENT ROW)
         ORDER BY day
    """
    return _read(sql, repository_id, as_of)


def has_all_star_days(repository_id: int, as_of: datetime | None) -> bool:
    """Return whether the star history had been read back to the first star by then; True too where none was."""
    sql = f"SELECT NOT EXISTS ({UNREAD_STAR_DAYS}) AS has_all"
    return bool(first_value(_read(sql, repository_id, as_of)))


def running_total(days: DataFrame) -> DataFrame:
    """Return *days*, a frame of `stars_given`, with `stars` as the sum of all days up to each one."""
    return derived(days.assign(stars=days["stars"].cumsum()).drop(columns="mean_7d"), days)


def star_bursts(days: DataFrame, releases: DataFrame, changes: DataFrame) -> DataFrame:
    """Find the bursts in *days*, a frame of `stars_given`, newest first; see `core.analysis.bursts.DEFINITION`.

    releases, changes   frames of `releases` and of `core.queries.changes.list_changes`
    first_day, last_day timestamps as in `stars_given`
    stars, peak         int: on all its days, on the highest one
    usual               float, the median of the days before
    nearby              text: the nearest release or change, or that there is none
    """
    events = [
        bursts.Event(_pacific_day(at), f"release {tag}")
        for at, tag in zip(releases["published_at"], releases["tag"], strict=True)
    ] + [
        bursts.Event(_pacific_day(at), LABELS.get(kind, kind))
        for at, kind in zip(changes["detected_at"], changes["kind"], strict=True)
    ]
    found = []
    for burst in bursts.find_bursts([int(count) for count in days["stars"]]):
        first_at, last_at = days["day"].iloc[burst.first], days["day"].iloc[burst.last]
        first, last = first_at.date(), last_at.date()
        nearby = bursts.explanation(first, last, bursts.nearest_event(first, last, events))
        found.append((first_at, last_at, burst.stars, burst.peak, burst.usual, nearby))
    columns = ["first_day", "last_day", "stars", "peak", "usual", "nearby"]
    frame = DataFrame(found[::-1], columns=columns)
    if not found:
        times = {name: pd.Series(dtype="datetime64[us, UTC]") for name in columns[:2]}
        frame = DataFrame({**times, **{name: pd.Series(dtype="Int64") for name in columns[2:4]}})
        frame = frame.assign(usual=pd.Series(dtype="Float64"), nearby=pd.Series(dtype="string"))
    return derived(frame, days)


def releases_of(repository_ids: list[int], as_of: datetime | None, limit: int = 1_000) -> DataFrame:
    """List the newest `releases` of several repositories, newest first.

    repository         its name at that time
    tag, published_at  as in `releases`
    """
    sql = f"""
        WITH {repository_attributes(as_of)}
        SELECT full_name AS repository, tag, coalesce(release.published_at, release.created_at) AS published_at
          FROM release
          JOIN attributes USING (repository_id)
         WHERE release.repository_id = ANY(CAST(:ids AS bigint[]))
           AND coalesce(release.published_at, release.created_at) <= :until
           AND (release.gone_at IS NULL OR release.gone_at > :until)
         ORDER BY published_at DESC, release.github_id DESC
         LIMIT :limit
    """  # noqa: S608
    return read_frame(sql, ids=repository_ids, until=as_of_or_end_of_today(as_of), limit=limit, **as_of_values(as_of))


def events(releases: DataFrame, changes: DataFrame, *, named: bool = False) -> DataFrame:
    """Combine frames of `releases` and `core.queries.changes.list_changes` for marks on charts, oldest first.

    at    timestamp
    what  text: `release v1.0`, `renamed`; with *named* after the name, for releases of `releases_of`
    kind  release or change
    """
    tags = "release " + releases["tag"].astype(str)
    what = pd.Series([LABELS.get(kind, kind) for kind in changes["kind"]], index=changes.index, dtype="string")
    if named:
        tags = releases["repository"].astype(str) + ": " + tags
        what = changes["repository"].astype("string").fillna(changes["account"].astype("string")) + " " + what
    released = DataFrame({"at": releases["published_at"], "what": tags})
    changed = DataFrame({"at": changes["detected_at"], "what": what})
    parts = (released.assign(kind="release"), changed.assign(kind="change"))
    found = pd.concat([part.astype({"at": "datetime64[us, UTC]", "what": "string"}) for part in parts])
    return found.sort_values("at", ignore_index=True)


def held_until(languages: DataFrame, until: datetime) -> DataFrame:
    """Return a frame of `languages_over_time` with its last set repeated at *until*, up to which it held."""
    last = languages[languages["at"] == languages["at"].max()]
    if last.empty or last["at"].iloc[0] >= until:
        return languages
    return derived(pd.concat([languages, last.assign(at=pd.Timestamp(until))], ignore_index=True), languages)


def releases(repository_id: int, as_of: datetime | None) -> DataFrame:
    """List the releases published by then and not deleted, newest first.

    tag, name      text; name null where it has none
    is_prerelease  boolean
    published_at   timestamp
    downloads      int, of all its files, when last read; null as of a time before that
    """
    sql = """
        SELECT tag, name, is_prerelease, coalesce(published_at, created_at) AS published_at,
               CASE WHEN read.captured_at <= :until THEN downloads END AS downloads
          FROM release
          LEFT JOIN enrichment AS read ON read.repository_id = release.repository_id AND read.kind = 'releases'
         WHERE release.repository_id = :repository_id AND coalesce(published_at, created_at) <= :until
           AND (gone_at IS NULL OR gone_at > :until)
         ORDER BY published_at DESC, github_id DESC
    """
    return _read(sql, repository_id, as_of)


def contributor_summary(repository_id: int, as_of: datetime | None) -> ContributorSummary | None:
    """Read the newest summary of contributors by then; None before the first."""
    sql = """
        SELECT captured_at, contributors, bots, commits, absence_factor, is_complete FROM contributor_snapshot
         WHERE repository_id = :repository_id AND captured_at <= :until
         ORDER BY captured_at DESC LIMIT 1
    """
    return first_record(_read(sql, repository_id, as_of), ContributorSummary)


def contributors(repository_id: int, as_of: datetime | None) -> DataFrame:
    """List the hundred contributors with most commits as last read, or none as of a time before that.

    login    text
    is_bot   boolean
    commits  int
    share    float from 0 to 1, of the commits by people; null for bots
    activity new, returning, active or inactive, see `core.analysis.contributor_activity`; null where not known yet
    """
    sql = """
        SELECT login, is_bot, contributor.commits,
               CASE WHEN NOT is_bot THEN contributor.commits::float / nullif(summary.commits, 0) END AS share,
               CASE WHEN first_seen_at > first_read.at AND first_seen_at > read.captured_at - :quiet THEN 'new'
                    WHEN returned_at > read.captured_at - :quiet THEN 'returning'
                    WHEN active_at > read.captured_at - :quiet THEN 'active'
                    WHEN coalesce(active_at, first_seen_at) <= read.captured_at - :quiet THEN 'inactive'
               END AS activity
          FROM repository_contributor AS contributor
          JOIN enrichment AS read ON read.repository_id = contributor.repository_id AND read.kind = 'contributors'
          LEFT JOIN LATERAL (
               SELECT commits FROM contributor_snapshot
                WHERE repository_id = :repository_id AND captured_at <= :until
                ORDER BY captured_at DESC LIMIT 1) AS summary ON true
         CROSS JOIN (SELECT min(captured_at) AS at FROM contributor_snapshot
                      WHERE repository_id = :repository_id) AS first_read
         WHERE contributor.repository_id = :repository_id AND read.captured_at <= :until
         ORDER BY contributor.commits DESC, lower(login), github_id
    """
    return _read(sql, repository_id, as_of, quiet=QUIET)


def weekly_commits(repository_id: int, as_of: datetime | None) -> DataFrame:
    """Count the commits to the default branch in each complete week that was read, oldest first.

    week     timestamp, midnight (UTC) of the Monday
    commits  int, merges excluded
    """
    sql = """
        WITH newest AS (
            SELECT DISTINCT ON (day) day, commits, captured_at FROM commit_day
             WHERE repository_id = :repository_id AND captured_at <= :until
             ORDER BY day, captured_at DESC
        ), read AS (
            SELECT max(at) AS at, min(first_day) AS first_day
              FROM (SELECT max(captured_at) AS at, min(day) AS first_day FROM newest
                     UNION ALL
                    SELECT captured_at, first_day FROM enrichment
                     WHERE repository_id = :repository_id AND kind = 'commit_activity'
                       AND captured_at <= :until) AS times
        )
        SELECT monday AT TIME ZONE 'UTC' AS week, coalesce(sum(commits), 0)::bigint AS commits
          FROM read
         CROSS JOIN generate_series(date_trunc('week', first_day::timestamp + interval '6 days'),
                                    date_trunc('week', at AT TIME ZONE 'UTC') - interval '7 days',
                                    interval '7 days') AS monday
          LEFT JOIN newest ON newest.day >= monday::date AND newest.day < monday::date + 7
         GROUP BY monday ORDER BY monday
    """
    return _read(sql, repository_id, as_of)


def languages_over_time(repository_id: int, as_of: datetime | None) -> DataFrame:
    """Return the languages whenever they differed from the response before, oldest first; unchanged ones leave no row.

    at        timestamp of the response; none where it had no language
    language  text
    bytes     int
    """
    sql = """
        SELECT captured_at AS at, present_language(language) AS language, sum(bytes)::bigint AS bytes
          FROM repository_language
         WHERE repository_id = :repository_id AND captured_at <= :until AND language <> ''
         GROUP BY 1, 2 ORDER BY at, bytes DESC, language
    """
    return _read(sql, repository_id, as_of)


def last_languages(repository_id: int, as_of: datetime | None) -> DataFrame:
    """Return the last set of `languages_over_time`: a language that is not in it is not in the code any more."""
    sets = languages_over_time(repository_id, as_of)
    return derived(sets[sets["at"] == sets["at"].max()], sets)


def traffic(repository_id: int, as_of: datetime | None) -> DataFrame:
    """Return views and clones of each day that was read, oldest first.

    day                                            timestamp, midnight (UTC)
    views, unique_views, clones, unique_clones     int, null where not reported; unique counts cannot be summed
    """
    sql = """
        SELECT DISTINCT ON (day) day::timestamp AT TIME ZONE 'UTC' AS day, views, unique_views, clones, unique_clones
          FROM traffic_day
         WHERE repository_id = :repository_id AND captured_at <= :until
         ORDER BY day, captured_at DESC
    """
    return _read(sql, repository_id, as_of)


def pushes(repository_id: int, as_of: datetime | None) -> DataFrame:
    """List the times of pushes that our refreshes have seen by then, oldest first: pushed_at."""
    sql = f"""
        WITH {repository_attributes(as_of)}
        SELECT pushed_at FROM attributes WHERE repository_id = :repository_id AND pushed_at IS NOT NULL
         UNION
        SELECT pushed_at FROM repository_push
         WHERE repository_id = :repository_id AND since <= :until AND pushed_at IS NOT NULL
         ORDER BY pushed_at
    """  # noqa: S608
    return _read(sql, repository_id, as_of, **as_of_values(as_of))


def was_collected(repository_id: int, kind: str, as_of: datetime | None) -> bool:
    """Return whether a *kind* of fact was stored by then; of the past only if its last capture is not later."""
    return collected_at(repository_id, kind, as_of) is not None


def collected_at(repository_id: int, kind: str, as_of: datetime | None) -> datetime | None:
    """Return when a *kind* of fact was last stored; None if never, and as of a time before that."""
    sql = """
        SELECT captured_at FROM enrichment
         WHERE repository_id = :repository_id AND kind = :kind AND captured_at <= :until
    """
    at: datetime | None = first_value(_read(sql, repository_id, as_of, kind=kind))
    return at


def extras_read_at(extras: DataFrame, repository_id: int, as_of: datetime | None) -> datetime | None:
    """Return when watchers and open issues in *extras*, a frame of `extra_series`, were last read, if that is stored.

    Of the past only the last change may be known: an unchanged answer leaves no row.
    """
    times = [collected_at(repository_id, "extras", as_of), *extras["captured_at"].tail(1)]
    return max((at for at in times if at is not None), default=None)


def _read(sql: str, repository_id: int, as_of: datetime | None, /, **values: Any) -> DataFrame:
    return read_frame(sql, repository_id=repository_id, until=as_of_or_end_of_today(as_of), **values)


def _pacific_day(at: datetime) -> date:
    return pd.Timestamp(at).tz_convert("America/Los_Angeles").date()
