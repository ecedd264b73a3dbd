"""Accounts: profile, totals over their repositories, history and coverage."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pandas import DataFrame

from core.db.frames import derived, first_record, read_frame, single_record
from core.queries.as_of import as_of_or_end_of_today
from core.queries.attributes import EVER_OWNED, account_attributes, as_of_values, owned_repository_ids
from core.queries.captures import (
    AFTER_UNTIL,
    CAPTURES_OF_SPAN,
    IMPORT_MAX_GAP,
    LAST_CAPTURE,
    LAST_CAPTURE_OF_ONE,
    LAST_CAPTURE_OF_ONE_AT,
)
from core.queries.past_counts import month_of

FOUR_WEEKS = timedelta(days=28)


@dataclass(frozen=True)
class FoundAccount:
    """The account that a login leads to.

    account_id      our id, for other queries only
    login           as it was then
    current_login   as it is now
    is_former       the login is neither of these: the account had it at another time
    """

    account_id: int
    login: str
    current_login: str
    is_former: bool
    created_at: datetime | None


@dataclass(frozen=True)
class Profile:
    """An account's profile, now or as of a timestamp, and how it is tracked now.

    account_id      our id, for other queries only
    login … bio     as they were then; None where GitHub reported none, and where nothing is known of that time
    is_known        False: the profile of then is unknown, because its first capture came later
    gone_at, gone_reason   when and why it became unavailable; None if only later
    checked_at      last refresh
    failures        failed refreshes in a row
    """

    account_id: int
    login: str
    current_login: str
    kind: str | None
    name: str | None
    company: str | None
    location: str | None
    website: str | None
    bio: str | None
    created_at: datetime | None
    gone_at: datetime | None
    gone_reason: str | None
    checked_at: datetime | None
    is_known: bool
    is_tracked: bool
    paused: bool
    failures: int


@dataclass(frozen=True)
class AccountSummary:
    """An account and its counts, now or as of a timestamp.

    account_id      our id, for other queries only
    id              GitHub's
    login … gone_reason   as they were then, None where unknown; created_at never changes
    current_login   as it is now
    followers … captured_at   from our newest snapshot by then; None before the first
    checked_at      our last refresh by then
    is_tracked      now
    """

    account_id: int
    id: int | None
    login: str
    current_login: str
    kind: str | None
    name: str | None
    company: str | None
    location: str | None
    website: str | None
    bio: str | None
    created_at: datetime | None
    gone_at: datetime | None
    gone_reason: str | None
    followers: int | None
    following: int | None
    public_repositories: int | None
    public_gists: int | None
    stars: int | None
    forks: int | None
    repositories: int | None
    captured_at: datetime | None
    checked_at: datetime | None
    is_tracked: bool


@dataclass(frozen=True)
class LatestCapture:
    """The newest capture of an account or any of its repositories."""

    captured_at: datetime
    source: str
    run_id: int | None


@dataclass(frozen=True)
class Totals:
    """The newest totals of an account and those of four weeks before, from one source.

    Own totals are of the newest snapshot. Imported ones compare only repositories reported at both times.
    `…_before` is None where that source has no capture then.
    """

    source: str
    captured_at: datetime
    stars: int | None
    forks: int | None
    followers: int | None
    repositories: int | None
    stars_before: int | None
    forks_before: int | None
    followers_before: int | None
    repositories_before: int | None


def suggestions(limit: int = 2_000) -> DataFrame:
    """List logins to choose from: tracked ones first, then by stars.

    login   text
    stars   int, over its stored repositories; null without any
    """
    sql = """
        SELECT login, account_summary.stars
          FROM account
          LEFT JOIN account_summary ON account_summary.account_id = account.id
          LEFT JOIN tracked_account ON tracked_account.account_id = account.id
         WHERE gone_at IS NULL
         ORDER BY tracked_account.account_id IS NULL, stars DESC NULLS LAST, lower(login)
         LIMIT :limit
    """
    return read_frame(sql, limit=limit)


def find(login: str, as_of: datetime | None) -> FoundAccount | None:
    """Find the account that had *login* then, else the one that has it now, else the last one that ever had it.

    Not cached: tracking adds accounts without a new data version. The account may be younger than *as_of*.
    """
    sql = f"""
        WITH {account_attributes(as_of)}
        SELECT present.id AS account_id, past.login, present.login AS current_login, present.created_at,
               lower(:login) NOT IN (lower(past.login), lower(present.login)) AS is_former
          FROM account_attributes AS past
          JOIN account AS present ON present.id = past.account_id
         WHERE present.id IN (SELECT id FROM account WHERE lower(login) = lower(:login)
                               UNION SELECT account_id FROM account_version WHERE lower(login) = lower(:login))
         ORDER BY lower(past.login) = lower(:login) AND coalesce(present.created_at <= :until, true) DESC,
                  lower(present.login) = lower(:login) DESC,
                  coalesce(present.first_captured_at <= :until, true) DESC,
                  past.gone_at IS NOT NULL, present.github_id IS NULL,
                  (SELECT max(until) FROM account_version
                    WHERE account_id = present.id AND lower(login) = lower(:login)) DESC NULLS LAST,
                  present.checked_at DESC NULLS LAST
         LIMIT 1
    """  # noqa: S608
    values = {"login": login, "until": as_of_or_end_of_today(as_of), **as_of_values(as_of)}
    return first_record(read_frame(sql, fresh=True, **values), FoundAccount)


def profile(account_id: int, as_of: datetime | None) -> Profile:
    """Read the profile of a stored account. Not cached: it holds tracking state."""
    sql = f"""
        WITH {account_attributes(as_of)}
        SELECT past.account_id, past.login, account.login AS current_login, past.kind, past.name, past.company,
               past.location, past.website, past.bio, past.created_at, past.gone_at, past.gone_reason,
               account.checked_at, coalesce(account.first_captured_at <= :until, true) AS is_known,
               tracked_account.account_id IS NOT NULL AS is_tracked,
               coalesce(paused, false) AS paused, coalesce(failures, 0) AS failures
          FROM account_attributes AS past
          JOIN account ON account.id = past.account_id
          LEFT JOIN tracked_account ON tracked_account.account_id = account.id
         WHERE account.id = :account_id
    """  # noqa: S608
    values = {"account_id": account_id, "until": as_of_or_end_of_today(as_of), **as_of_values(as_of)}
    return single_record(read_frame(sql, fresh=True, **values), Profile)


def summary(account_id: int, as_of: datetime | None) -> AccountSummary:
    """Read a stored account with its counts by *as_of*. Not cached: it holds tracking state."""
    sql = f"""
        WITH {account_attributes(as_of)}
        SELECT account.id AS account_id, account.github_id AS id, past.login, account.login AS current_login, past.kind,
               past.name, past.company, past.location, past.website, past.bio, past.created_at, past.gone_at,
               past.gone_reason, last.followers, last.following, last.public_repositories, last.public_gists,
               last.stars, last.forks, last.repositories, last.captured_at,
               greatest(last.captured_at, last_capture.captured_at) AS checked_at,
               tracked_account.account_id IS NOT NULL AS is_tracked
          FROM account_attributes AS past
          JOIN account ON account.id = past.account_id
          LEFT JOIN tracked_account ON tracked_account.account_id = account.id
          LEFT JOIN LATERAL (
               SELECT * FROM account_snapshot WHERE account_id = account.id AND captured_at <= :until
                ORDER BY captured_at DESC LIMIT 1) AS last ON true
          LEFT JOIN LATERAL ({LAST_CAPTURE}) AS last_capture ON true
         WHERE account.id = :account_id
    """  # noqa: S608
    values = {"account_id": account_id, "until": as_of_or_end_of_today(as_of), **as_of_values(as_of)}
    return single_record(read_frame(sql, fresh=True, **values), AccountSummary)


# Imported totals of an account are sums over the repositories that it owned then. A number rests until the source's
# next one, but not beyond a gap of the source (it may be deleted, private, or no longer covered) or a transfer, with
# which it moves from one account to the other.
# An account has few repositories: as an array Postgres uses the index; as a join it may read whole partitions.
IMPORTED_TOTALS_CTES = f"""owned AS MATERIALIZED (
            SELECT repository_id, from_at, to_at FROM repository_presence
             WHERE account_id = :account_id
               AND repository_id = ANY(ARRAY(SELECT repository_id FROM repository_import
                                              WHERE repository_id IN {EVER_OWNED}))
        ), imported AS (
            SELECT repository_id, source_id, captured_at, stars, forks,
                   least(captured_at + max_gap, lead(captured_at) OVER captures) AS rests_until
              FROM repository_snapshot AS snapshot
              JOIN (SELECT id, {IMPORT_MAX_GAP} AS max_gap FROM source) AS source ON source.id = source_id
             WHERE repository_id = ANY(ARRAY(SELECT repository_id FROM owned)) AND source_id <> 1
               AND captured_at <= :until
            WINDOW captures AS (PARTITION BY repository_id, source_id ORDER BY captured_at)
        ), steps AS (
            SELECT source_id, CASE WHEN is_first THEN greatest(captured_at, from_at)
                                   ELSE least(rests_until, to_at) END AS at,
                   bool_or(is_first OR to_at < rests_until) AS is_shown,
                   sum(sign) AS repositories, sum(sign * stars) AS stars, sum(sign * forks) AS forks
              FROM imported
              JOIN owned USING (repository_id)
             CROSS JOIN (VALUES (true, 1), (false, -1)) AS step (is_first, sign)
             WHERE captured_at < to_at AND rests_until > from_at
             GROUP BY source_id, 2
        ), summed AS (
            SELECT source_id, at AS captured_at, is_shown, (sum(repositories) OVER days)::int AS repositories,
                   (sum(stars) OVER days)::bigint AS stars, (sum(forks) OVER days)::bigint AS forks
              FROM steps WINDOW days AS (PARTITION BY source_id ORDER BY at)
        )"""  # noqa: S608


def history(account_id: int, as_of: datetime | None) -> DataFrame:
    """Return the account's totals and followers: one row per change, ordered by source and time.

    captured_at         timestamp
    source_id, source   1 is this installation, others are imports
    stars, forks        ours: over all owned repositories that are available, forks included;
                        imported: over those that the source reported by then, unless in a gap
    repositories        number of these repositories
    followers           null where the source does not report them
    """
    sql = f"""
        WITH {IMPORTED_TOTALS_CTES}
        SELECT captured_at, source_id, source.name AS source, stars, forks, repositories, NULL::int AS followers
          FROM summed
          JOIN source ON source.id = source_id
         WHERE is_shown AND repositories > 0 AND captured_at <= :until
         UNION ALL
        SELECT captured_at, 1, 'GitHub', stars, forks, repositories, followers
          FROM account_snapshot WHERE account_id = :account_id AND captured_at <= :until
         ORDER BY source_id, captured_at
    """  # noqa: S608
    return read_frame(sql, account_id=account_id, until=as_of_or_end_of_today(as_of))


def with_followers(history: DataFrame) -> DataFrame:
    """Keep the rows of *history* with followers: imported history has none."""
    return derived(history.dropna(subset=["followers"]), history)


def coverage_intervals(account_id: int, as_of: datetime | None) -> DataFrame:
    """Return when the account or any of its repositories was captured: one row per run of captures without a gap.

    source_id, source  1 is this installation, others are imports
    from_at, to_at     first and last capture of the run
    overdue_at         last capture plus twice the cadence of then
    captures           number of captures
    """
    sql = f"""
        WITH captures AS (
            SELECT 1 AS source_id, captured_at, max_gap AS own_max_gap
              FROM (SELECT CAST(:account_id AS bigint) AS account_id, timestamptz '-infinity' AS from_at,
                           {AFTER_UNTIL} AS to_at) AS span
             CROSS JOIN LATERAL ({CAPTURES_OF_SPAN}) AS own
             UNION
            SELECT source_id, captured_at, NULL FROM capture_open
             WHERE repository_id = ANY(CAST(:ids AS bigint[])) AND captured_at <= :until
        ), with_max_gap AS (
            SELECT captures.*, source.name,
                   CASE source_id WHEN 1 THEN own_max_gap ELSE {IMPORT_MAX_GAP} END AS max_gap
              FROM captures
              JOIN source ON source.id = source_id
        ), counted AS (
            SELECT *, count(*) FILTER (WHERE follows IS NOT TRUE) OVER in_order AS interval_number
              FROM (SELECT *, captured_at - lag(captured_at) OVER in_order <= lag(max_gap) OVER in_order AS follows
                      FROM with_max_gap
                    WINDOW in_order AS (PARTITION BY source_id ORDER BY captured_at)) AS pairs
            WINDOW in_order AS (PARTITION BY source_id ORDER BY captured_at)
        )
        SELECT source_id, CASE source_id WHEN 1 THEN 'GitHub' ELSE min(name) END AS source,
               min(captured_at) AS from_at, max(captured_at) AS to_at,
               max(captured_at) + (array_agg(max_gap ORDER BY captured_at DESC))[1] AS overdue_at, count(*) AS captures
          FROM counted
         GROUP BY source_id, interval_number
         ORDER BY from_at
    """  # noqa: S608
    ids = owned_repository_ids(account_id, as_of)
    return read_frame(sql, account_id=account_id, ids=ids, until=as_of_or_end_of_today(as_of))


def latest_capture(account_id: int, as_of: datetime | None) -> LatestCapture | None:
    """Return the newest capture of the account or any of its repositories; None before the first."""
    sql = f"""
        WITH captures AS (
            SELECT captured_at, 1 AS source_id, run_id FROM ({LAST_CAPTURE_OF_ONE}) AS own
             UNION ALL
            (SELECT captured_at, source_id, run_id FROM capture_open
              WHERE repository_id = ANY(CAST(:ids AS bigint[])) AND captured_at <= :until
              ORDER BY captured_at DESC LIMIT 1)
        )
        SELECT captured_at, CASE source_id WHEN 1 THEN 'GitHub' ELSE source.name END AS source, run_id
          FROM captures
          JOIN source ON source.id = source_id
         ORDER BY captured_at DESC LIMIT 1
    """  # noqa: S608
    ids = owned_repository_ids(account_id, as_of)
    found = read_frame(sql, account_id=account_id, ids=ids, until=as_of_or_end_of_today(as_of))
    return first_record(found, LatestCapture)


def totals(account_id: int, as_of: datetime | None) -> Totals | None:
    """Return the newest totals and those of four weeks before: our own, else the newest import's; None without any."""
    own = _own_totals(account_id, as_of)
    return first_record(own if not own.empty else _imported_totals(account_id, as_of), Totals)


def _own_totals(account_id: int, as_of: datetime | None) -> DataFrame:
    sql = f"""
        WITH start AS (
            SELECT captured_at - CAST(:span AS interval) AS at FROM ({LAST_CAPTURE_OF_ONE}) AS last
        ), confirmed AS (
            SELECT at AS start_at
              FROM start
             CROSS JOIN LATERAL ({LAST_CAPTURE_OF_ONE_AT}) AS newest
             WHERE captured_at >= at - least(max_gap, CAST(:span AS interval))
        )
        SELECT 'GitHub' AS source, newest.captured_at, newest.stars, newest.forks, newest.followers,
               newest.repositories, before.stars AS stars_before, before.forks AS forks_before,
               before.followers AS followers_before, before.repositories AS repositories_before
          FROM account_snapshot AS newest
          -- An older snapshot counts only if a capture confirms it, as for the growth of a repository.
          LEFT JOIN confirmed ON true
          LEFT JOIN LATERAL (
               SELECT * FROM account_snapshot
                WHERE account_id = :account_id AND captured_at <= start_at
                ORDER BY captured_at DESC LIMIT 1) AS before ON true
         WHERE newest.account_id = :account_id AND newest.captured_at <= :until
         ORDER BY newest.captured_at DESC LIMIT 1
    """  # noqa: S608
    until = as_of_or_end_of_today(as_of)
    return read_frame(sql, account_id=account_id, until=until, span=FOUR_WEEKS)


def _imported_totals(account_id: int, as_of: datetime | None) -> DataFrame:
    sql = f"""
        WITH last AS (
            SELECT capture_open.source_id, source.name, capture_open.captured_at AS at, {IMPORT_MAX_GAP} AS max_gap,
                   capture_open.captured_at - CAST(:span AS interval) AS start_at
              FROM capture_open
              JOIN source ON source.id = capture_open.source_id
             WHERE repository_id = ANY(CAST(:ids AS bigint[])) AND source_id <> 1 AND captured_at <= :until
             ORDER BY captured_at DESC, source_id DESC LIMIT 1
        ), newest AS (
            SELECT DISTINCT ON (repository_id) repository_id, stars, forks
              FROM repository_snapshot
             WHERE repository_id = ANY(CAST(:ids AS bigint[])) AND source_id = (SELECT source_id FROM last)
               -- Each of these bounds lets Postgres skip partitions and months.
               AND captured_at >= (SELECT at - max_gap FROM last) AND captured_at <= (SELECT at FROM last)
               AND month >= (SELECT {month_of("at - max_gap")} FROM last)
             ORDER BY repository_id, captured_at DESC
        ), earlier AS (
            SELECT DISTINCT ON (repository_id) repository_id, stars, forks
              FROM repository_snapshot
             WHERE repository_id = ANY(CAST(:ids AS bigint[])) AND source_id = (SELECT source_id FROM last)
               AND captured_at >= (SELECT start_at - least(max_gap, CAST(:span AS interval)) FROM last)
               AND captured_at <= (SELECT start_at FROM last)
               AND month >= (SELECT {month_of("start_at - max_gap")} FROM last)
             ORDER BY repository_id, captured_at DESC
        ), compared AS (
            SELECT newest.stars, newest.forks, earlier.repository_id IS NOT NULL AS existed,
                   CASE WHEN created_at > start_at THEN 0 ELSE earlier.stars END AS stars_before,
                   CASE WHEN created_at > start_at THEN 0 ELSE earlier.forks END AS forks_before
              FROM newest
             CROSS JOIN last
              JOIN repository ON repository.id = newest.repository_id
              LEFT JOIN earlier ON earlier.repository_id = newest.repository_id
        )
        SELECT min(last.name) AS source, min(last.at) AS captured_at, sum(stars)::bigint AS stars,
               sum(forks)::bigint AS forks, NULL::int AS followers, count(*) AS repositories,
               -- A repository new to the source adds no growth, unless it is new on GitHub.
               (sum(stars) - sum(stars - stars_before))::bigint AS stars_before,
               (sum(forks) - sum(forks - forks_before))::bigint AS forks_before,
               NULL::int AS followers_before,
               CASE WHEN count(stars_before) > 0 THEN count(*) FILTER (WHERE existed) END AS repositories_before
          FROM compared
         CROSS JOIN last
        HAVING count(*) > 0
    """  # noqa: S608
    ids = owned_repository_ids(account_id, as_of)
    return read_frame(sql, ids=ids, until=as_of_or_end_of_today(as_of), span=FOUR_WEEKS)
