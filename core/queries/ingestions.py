"""Ingestions and the outcome of each account in them, newest first. Never cached."""

from dataclasses import dataclass
from datetime import datetime

from pandas import DataFrame

from core.db.frames import first_record, read_frame
from core.queries.outcomes import OUTCOME_CTES

MAX_ID = 2**62
# Until its first run an ingestion is queued.
STATE_CTES = f"""runs AS (
            SELECT ingestion_id, count(*) AS runs, bool_or(state = 'running') AS running,
                   bool_or(state = 'stopped') AS stopped, max(finished_at) AS finished_at,
                   sum(requests)::bigint AS requests, sum(points)::bigint AS points,
                   sum(not_modified)::bigint AS not_modified, sum(rows_written)::bigint AS rows_written
              FROM ingest_run WHERE ingestion_id = ANY(CAST(:ids AS bigint[])) GROUP BY ingestion_id
        ), jobs AS (
            SELECT ingestion_id, count(*) FILTER (WHERE status = 'todo') AS waiting,
                   count(*) FILTER (WHERE status = 'doing') AS working
              FROM ingestion_job
              JOIN procrastinate_jobs AS job ON job.id = job_id
             WHERE ingestion_id = ANY(CAST(:ids AS bigint[])) GROUP BY ingestion_id
        ), {OUTCOME_CTES}"""  # noqa: S608


@dataclass(frozen=True)
class Ingestion:
    """One ingestion, with the fields that `list_ingestions` describes."""

    id: int
    state: str
    trigger: str
    requested_by: str | None
    request_id: str | None
    started_at: datetime
    finished_at: datetime | None
    accounts: int
    stored: int
    failed: int
    requests: int
    points: int
    not_modified: int
    rows_written: int


def list_ingestions(before: int = MAX_ID, limit: int = 100, login: str = "", trigger: str = "") -> DataFrame:
    """List ingestions, newest first, optionally of one account or one trigger; *before* continues the list.

    id                                       public id of the ingestion
    state                                    queued, running, done, partial, failed, stopped or cancelled
    trigger, requested_by, request_id        schedule, person, command line or import; who; in which request
    started_at, finished_at                  finished_at is null until all of its jobs are finished
    accounts, stored, failed                 numbers; unchanged accounts count as stored, unavailable ones as failed
    requests, points, not_modified, rows_written   cost and result
    """
    sql = """
        SELECT id FROM ingestion
         WHERE id < :before AND (:trigger = '' OR trigger = :trigger) AND (:login = '' OR EXISTS (
               SELECT FROM ingest_run JOIN ingest_item ON run_id = ingest_run.id
                WHERE ingestion_id = ingestion.id AND lower(login) = lower(:login)))
         ORDER BY id DESC LIMIT :limit
    """
    found = read_frame(sql, fresh=True, before=before, limit=limit, login=login, trigger=trigger)
    return _by_ids([int(value) for value in found["id"]])


def active_ingestions() -> DataFrame:
    """List queued and running ingestions, with the columns of `list_ingestions`."""
    sql = """
        SELECT ingestion_id AS id FROM ingestion_job JOIN procrastinate_jobs AS job ON job.id = job_id
         WHERE status IN ('todo', 'doing')
         UNION SELECT ingestion_id FROM ingest_run WHERE state = 'running'
    """
    return _by_ids([int(value) for value in read_frame(sql, fresh=True)["id"]])


def accounts_in_progress(ids: list[int], limit: int = 4) -> DataFrame:
    """List accounts of these ingestions that workers are refreshing: login, total (the number without *limit*)."""
    sql = """
        SELECT login, count(*) OVER () AS total
          FROM ingestion_job
          JOIN procrastinate_jobs AS job ON job.id = ingestion_job.job_id AND status = 'doing'
          JOIN tracked_account ON tracked_account.job_id = job.id
          JOIN account ON account.id = account_id
         WHERE ingestion_id = ANY(CAST(:ids AS bigint[])) AND NOT EXISTS (
               SELECT FROM ingest_item JOIN ingest_run ON ingest_run.id = run_id
                WHERE ingest_run.ingestion_id = ingestion_job.ingestion_id AND ingest_item.account_id = account.id)
         ORDER BY account.id LIMIT :limit
    """
    return read_frame(sql, fresh=True, ids=ids, limit=limit)


def resume_times(now: datetime) -> dict[int, datetime]:
    """Return when ingestions whose jobs wait for a later time (a rate limit reset, a retry) resume, by ingestion id."""
    sql = """
        SELECT ingestion_id, min(scheduled_at) AS at
          FROM ingestion_job JOIN procrastinate_jobs AS job ON job.id = job_id
         WHERE status = 'todo' AND scheduled_at > :now GROUP BY ingestion_id
    """
    found = read_frame(sql, fresh=True, now=now)
    return {int(one): at.to_pydatetime() for one, at in zip(found["ingestion_id"], found["at"], strict=True)}


def background_jobs(now: datetime) -> DataFrame:
    """Count jobs other than refreshes: one row per kind of fact, lookup or delivery.

    kind              a kind of `core.queue.enrichment`, or the task name
    working, waiting  running jobs; jobs that could start now
    """
    sql = """
        SELECT coalesce(args ->> 'kind', task_name) AS kind, count(*) FILTER (WHERE status = 'doing') AS working,
               count(*) FILTER (WHERE status = 'todo' AND coalesce(scheduled_at, :now) <= :now) AS waiting
          FROM procrastinate_jobs
         WHERE status IN ('todo', 'doing') AND task_name <> 'refresh'
         GROUP BY 1 ORDER BY 1
    """
    return read_frame(sql, fresh=True, now=now)


def latest_items(ids: list[int], limit: int = 8) -> DataFrame:
    """List the newest account outcomes of these ingestions: as `items`, newest first, with ingestion_id."""
    sql = """
        SELECT ingestion_id, login, ingest_item.state, repositories, ingest_item.rows_written, ingest_item.requests,
               ingest_item.points, duration_ms, error_code, error, ingest_item.finished_at
          FROM ingest_item
          JOIN ingest_run ON ingest_run.id = run_id
         WHERE ingestion_id = ANY(CAST(:ids AS bigint[]))
         ORDER BY ingest_item.finished_at DESC LIMIT :limit
    """
    return read_frame(sql, fresh=True, ids=ids, limit=limit)


def get_ingestion(ingestion_id: int) -> Ingestion | None:
    return first_record(_by_ids([ingestion_id]), Ingestion)


def _by_ids(ids: list[int]) -> DataFrame:
    sql = f"""
        WITH {STATE_CTES}
        SELECT ingestion.id,
               CASE WHEN coalesce(running, false) OR coalesce(working, 0) > 0 THEN 'running'
                    WHEN cancelled_at IS NOT NULL THEN 'cancelled'
                    WHEN coalesce(waiting, 0) > 0 THEN 'queued'
                    WHEN counted.stored + counted.failed < accounts AND coalesce(stopped, false) THEN 'stopped'
                    WHEN runs IS NULL THEN 'stopped'
                    WHEN counted.failed = 0 THEN 'done'
                    WHEN counted.stored > 0 THEN 'partial' ELSE 'failed' END AS state,
               trigger, requested_by, request_id, started_at,
               CASE WHEN NOT coalesce(running, false) AND coalesce(waiting, 0) + coalesce(working, 0) = 0
                    THEN coalesce(finished_at, cancelled_at) END AS finished_at,
               accounts, counted.stored, counted.failed,
               coalesce(requests, 0) AS requests, coalesce(points, 0) AS points,
               coalesce(not_modified, 0) AS not_modified, coalesce(rows_written, 0) AS rows_written
          FROM ingestion
          LEFT JOIN runs ON runs.ingestion_id = ingestion.id
          LEFT JOIN jobs ON jobs.ingestion_id = ingestion.id
          LEFT JOIN items ON items.ingestion_id = ingestion.id
         CROSS JOIN LATERAL (
               SELECT coalesce(ingestion.stored, items.stored, 0) AS stored,
                      coalesce(ingestion.failed, items.failed, 0) AS failed) AS counted
         WHERE ingestion.id = ANY(CAST(:ids AS bigint[]))
         ORDER BY ingestion.id DESC
    """  # noqa: S608
    return read_frame(sql, fresh=True, ids=ids)


def items(ingestion_id: int) -> DataFrame:
    """List the outcome of each account of an ingestion at its last attempt, by login; none after OUTCOME_RETENTION.

    login                                     as it was then
    state                                     stored, unchanged, failed, deleted
    repositories, rows_written, requests, points, duration_ms   cost and result
    error_code, error                         for programs and as a sentence
    finished_at                               timestamp
    """
    sql = """
        SELECT DISTINCT ON (login) login, ingest_item.state, repositories, ingest_item.rows_written,
               ingest_item.requests, ingest_item.points, duration_ms, error_code, error, ingest_item.finished_at
          FROM ingest_item
          JOIN ingest_run ON ingest_run.id = run_id
         WHERE ingestion_id = :ingestion_id
         ORDER BY login, ingest_item.finished_at DESC
    """
    return read_frame(sql, fresh=True, ingestion_id=ingestion_id)
