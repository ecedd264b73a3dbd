"""What is wanted refreshed, and how far each of it is. Asked afresh: no run publishes it."""

from datetime import datetime
from typing import Any

from pandas import DataFrame

from core.database import read_frame
from core.queries.accounts import first
from core.settings import settings


def tracked(login: str = "") -> DataFrame:
    """List what is tracked, or the one account of that login: one row each.

    id, login, kind, name            who; id is GitHub's, null before the first look
    added_by, added_at, note         who wanted it, since when, why
    every_seconds                    the time meant to pass between two looks; is_default_every: nobody set its own
    priority, paused                 the higher the sooner; not refreshed while paused
    due_at, queued_at, checked_at    next look, since when it waits in the queue, last look
    failures                         in a row
    """
    sql = """
        SELECT github_id AS id, login, kind, name, added_by, added_at, note,
               extract(epoch FROM coalesce(every, planned_every, CAST(:every AS interval)))::bigint AS every_seconds,
               every IS NULL AS is_default_every, priority, paused, due_at, queued_at, checked_at, failures
          FROM tracked_account
          JOIN account ON account.id = account_id
         WHERE :login = '' OR lower(login) = lower(:login)
         ORDER BY lower(login), account.id
    """
    return read_frame(sql, fresh=True, login=login, every=settings().refresh_every)


def progress(account_id: int) -> dict[str, Any]:
    """Tell how far the wanted look at an account is.

    checked_at, gone_at              last look; since when it is gone
    is_tracked, paused, queued_at    whether it is wanted, and waits in the queue
    is_running                       whether a worker has it in hand
    item_state, error_code, error, finished_at   what came of the last try; None before the first
    """
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
    return first(read_frame(sql, fresh=True, account_id=account_id))


def due(now: datetime) -> list[int]:
    """Our ids of the tracked accounts whose time has come and that nothing waits for yet, most wanted first."""
    sql = """
        SELECT account_id FROM tracked_account
         WHERE due_at <= :now AND queued_at IS NULL AND NOT paused
         ORDER BY priority DESC, due_at
    """
    return [int(one) for one in read_frame(sql, fresh=True, now=now)["account_id"]]
