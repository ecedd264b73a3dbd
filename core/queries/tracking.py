"""Tracked accounts, their refresh state, and pending tracking requests. Never cached."""

from dataclasses import dataclass
from datetime import datetime

from pandas import DataFrame

from core.db.frames import first_value, read_frame, single_record
from core.settings import settings


@dataclass(frozen=True)
class RefreshProgress:
    """How far the refresh of an account is.

    is_running      whether a worker is refreshing it
    item_state … finished_at   the last attempt; None before the first
    """

    checked_at: datetime | None
    gone_at: datetime | None
    is_tracked: bool
    paused: bool
    queued_at: datetime | None
    is_running: bool
    item_state: str | None
    error_code: str | None
    error: str | None
    finished_at: datetime | None


@dataclass(frozen=True)
class TrackingStatus:
    """Whether a login is tracked.

    account_id      our id; None while there is no such account
    requested_at    when a pending tracking request was made; None without one
    only_names      short names in lower case of the repositories that it is tracked for; None: all of them
    widened_at      when more of them were asked for
    """

    account_id: int | None
    is_tracked: bool
    requested_at: datetime | None
    only_names: str | None = None
    widened_at: datetime | None = None

    @property
    def only(self) -> frozenset[str] | None:
        return None if self.only_names is None else frozenset(self.only_names.split())


def tracked_accounts(login: str = "") -> DataFrame:
    """List tracked accounts by login, optionally the one of *login*.

    id, login, kind, name            id is GitHub's, null before the first refresh
    added_by, added_at, note         who tracked it, when, why
    only_repositories                short names of the repositories that it is tracked for; null: all
    every_seconds                    its cadence; is_default_every: it has none of its own
    priority, paused                 higher is refreshed sooner; paused is not refreshed
    due_at, queued_at, checked_at    next refresh, queued since, last refresh
    failures                         in a row
    """
    sql = """
        SELECT github_id AS id, login, kind, name, added_by, added_at, note,
               array_to_string(only_repositories, ' ') AS only_repositories,
               extract(epoch FROM coalesce(cadence, planned_cadence, CAST(:every AS interval)))::bigint
                   AS every_seconds,
               cadence IS NULL AS is_default_every, priority, paused, due_at, queued_at, checked_at, failures
          FROM tracked_account
          JOIN account ON account.id = account_id
         WHERE :login = '' OR lower(login) = lower(:login)
         ORDER BY lower(login), account.id
    """
    return read_frame(sql, fresh=True, login=login, every=settings().refresh_every)


def refresh_progress(account_id: int) -> RefreshProgress:
    """Return how far the refresh of an account is. Raises LookupError for an unknown id."""
    sql = """
        SELECT account.checked_at, gone_at, tracked_account.account_id IS NOT NULL AS is_tracked,
               coalesce(paused, false) AS paused, queued_at, coalesce(job.status = 'doing', false) AS is_running,
               item.state AS item_state, item.error_code, item.error, item.finished_at
          FROM account
          LEFT JOIN tracked_account ON tracked_account.account_id = account.id
          LEFT JOIN procrastinate_jobs AS job ON job.id = tracked_account.job_id
          LEFT JOIN LATERAL (
               SELECT state, error_code, error, finished_at FROM ingest_item
                WHERE ingest_item.account_id = account.id ORDER BY finished_at DESC LIMIT 1) AS item ON true
         WHERE account.id = :account_id
    """
    return single_record(read_frame(sql, fresh=True, account_id=account_id), RefreshProgress)


def tracking_status(login: str, repository: str = "") -> TrackingStatus:
    """Return whether *login* is tracked or requested, also for a login that is not stored.

    repository  short name of one for which a request alone counts, too; others say nothing of the account
    """
    sql = """
        SELECT found.id AS account_id, tracked_account.account_id IS NOT NULL AS is_tracked,
               (SELECT min(requested_at) FROM tracking_request
                 WHERE lower(login) = lower(:login) AND decided_at IS NULL
                   AND (repository IS NULL OR lower(repository) = lower(:repository))) AS requested_at,
               array_to_string(only_repositories, ' ') AS only_names, widened_at
          FROM (VALUES (1)) AS one
          LEFT JOIN LATERAL (
               SELECT id FROM account WHERE lower(login) = lower(:login)
                ORDER BY gone_at IS NULL DESC, github_id IS NULL, checked_at DESC NULLS LAST LIMIT 1) AS found ON true
          LEFT JOIN tracked_account ON tracked_account.account_id = found.id
    """
    return single_record(read_frame(sql, fresh=True, login=login, repository=repository), TrackingStatus)


def due_account_ids(now: datetime) -> list[int]:
    """List our ids of tracked accounts that are due and not queued, highest priority first."""
    sql = """
        SELECT account_id FROM tracked_account
         WHERE due_at <= :now AND queued_at IS NULL AND NOT paused
         ORDER BY priority DESC, due_at
    """
    return [int(value) for value in read_frame(sql, fresh=True, now=now)["account_id"]]


STATE_SQL = """CASE WHEN paused THEN 'paused' WHEN queued_at IS NOT NULL THEN 'queued'
                    WHEN gone_at IS NOT NULL THEN 'deleted' WHEN failures > 0 THEN 'failing'
                    WHEN due_at <= :now THEN 'due' WHEN checked_at IS NULL THEN 'new' ELSE 'waiting' END"""


def tracked_table(now: datetime, search: str = "", state: str = "", limit: int = 1000) -> DataFrame:
    """List tracked accounts whose login, name, note or a former login contains *search*, highest priority first.

    account_id, login, kind, name       account_id is our own, never shown
    state                               paused, queued, deleted, failing, due, new (never refreshed) or waiting
    every_hours, planned_hours          cadence set by an admin, else null; planned cadence
    changes_a_day                       estimated by the planner; null without enough captures
    priority, paused, note, added_by, added_at
    checked_at, due_at, queued_at, failures, repositories, stars
    """
    sql = f"""
        WITH board AS (
            SELECT account_id, login, kind, name, {STATE_SQL} AS state,
                   extract(epoch FROM cadence)::float / 3600 AS every_hours,
                   extract(epoch FROM coalesce(planned_cadence, CAST(:every AS interval)))::float / 3600
                       AS planned_hours,
                   change_rate AS changes_a_day, planned_cadence IS NOT NULL AS is_planned, priority, paused, note,
                   added_by, added_at, checked_at, due_at, queued_at, failures, repositories, stars
              FROM tracked_account
              JOIN account ON account.id = account_id
             WHERE :search = '' OR strpos(lower(concat_ws(' ', login, name, note)), lower(:search)) > 0
                OR EXISTS (SELECT FROM account_version
                            WHERE account_id = account.id AND strpos(lower(login), lower(:search)) > 0)
        )
        SELECT * FROM board WHERE :state = '' OR state = :state
         ORDER BY priority DESC, lower(login), account_id LIMIT :limit
    """  # noqa: S608
    return read_frame(sql, fresh=True, now=now, search=search, state=state, limit=limit, every=settings().refresh_every)


def state_counts(now: datetime) -> dict[str, int]:
    """Count tracked accounts by state of `tracked_table`, with their sum as `all`."""
    sql = f"""
        SELECT {STATE_SQL} AS state, count(*) AS accounts
          FROM tracked_account JOIN account ON account.id = account_id GROUP BY 1
    """  # noqa: S608
    found = read_frame(sql, fresh=True, now=now)
    counts = {str(state): int(count) for state, count in zip(found["state"], found["accounts"], strict=True)}
    return {"all": sum(counts.values()), **counts}


def next_due_at() -> datetime | None:
    """Return when the next account that is neither paused nor queued is due; it can be in the past."""
    sql = "SELECT min(due_at) AS at FROM tracked_account WHERE NOT paused AND queued_at IS NULL"
    at: datetime | None = first_value(read_frame(sql, fresh=True))
    return at


def latest_plan_summary() -> str | None:
    """Return one or two sentences about the newest refresh plan; None before the scheduler made one."""
    sql = "SELECT summary FROM refresh_plan ORDER BY id DESC LIMIT 1"
    summary: str | None = first_value(read_frame(sql, fresh=True))
    return summary


def pending_requests() -> DataFrame:
    """List tracking requests without a decision, oldest first: id, login, repository, username, note, requested_at.

    The repository, a short name, is null where the whole account is asked for.
    """
    sql = """
        SELECT tracking_request.id, login, repository, username, note, requested_at
          FROM tracking_request LEFT JOIN person ON person.id = person_id
         WHERE decided_at IS NULL ORDER BY requested_at
    """
    return read_frame(sql, fresh=True)


def has_pending_request(login: str) -> bool:
    """Return whether *login* is not tracked, and a request for it, or a repository of it, has no decision yet."""
    sql = """
        SELECT id FROM tracking_request
         WHERE lower(login) = lower(:login) AND decided_at IS NULL AND NOT EXISTS (
               SELECT FROM tracked_account JOIN account ON account.id = account_id
                WHERE lower(account.login) = lower(:login))
    """
    return not read_frame(sql, fresh=True, login=login).empty


def tracked_among(logins: list[str], github_ids: list[int]) -> set[str]:
    """Return which of these accounts are tracked: logins in lower case, and GitHub ids as text."""
    sql = """
        SELECT lower(login) AS login, github_id FROM tracked_account JOIN account ON account.id = account_id
         WHERE lower(login) = ANY(CAST(:logins AS text[])) OR github_id = ANY(CAST(:ids AS bigint[]))
    """
    found = read_frame(sql, fresh=True, logins=[one.lower() for one in logins], ids=github_ids)
    return {str(one) for one in found["login"]} | {str(one) for one in found["github_id"].dropna()}
