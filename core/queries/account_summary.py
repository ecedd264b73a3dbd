"""One account: who it is and its counts, now or as of a moment."""

from datetime import datetime
from typing import Any

from core.db.frames import read_frame
from core.queries.accounts import as_of_or_end_of_today, first_row


def by_login(login: str, as_of: datetime | None) -> dict[str, Any]:
    """Find the account that bears *login* now; empty without one. Asked afresh: no run publishes what is tracked.

    account_id                                   own id, for other queries and nowhere else
    id, login, kind, name, company, location, website, bio, created_at   who it is now; id is GitHub's
    gone_at, gone_reason                         if it was gone by then
    followers, following, public_repositories, public_gists, stars, forks, repositories, captured_at
                                                 the newest counts of our own by then; None before the first
    checked_at                                   our last look by then
    is_tracked                                   now
    """
    sql = """
        SELECT account.id AS account_id, github_id AS id, login, kind, name, company, location, website, bio,
               account.created_at, CASE WHEN gone_at <= :until THEN gone_at END AS gone_at,
               CASE WHEN gone_at <= :until THEN gone_reason END AS gone_reason,
               last.followers, last.following, last.public_repositories, last.public_gists, last.stars, last.forks,
               last.repositories, last.captured_at,
               greatest(last.captured_at, looked.captured_at) AS checked_at,
               tracked_account.account_id IS NOT NULL AS is_tracked
          FROM account
          LEFT JOIN tracked_account ON tracked_account.account_id = account.id
          LEFT JOIN LATERAL (
               SELECT * FROM account_snapshot WHERE account_id = account.id AND captured_at <= :until
                ORDER BY captured_at DESC LIMIT 1) AS last ON true
          LEFT JOIN LATERAL (
               SELECT captured_at FROM capture
                WHERE capture.account_id = account.id AND source_id = 1 AND captured_at <= :until
                ORDER BY captured_at DESC LIMIT 1) AS looked ON true
         WHERE lower(login) = lower(:login)
         ORDER BY account.gone_at IS NOT NULL, github_id IS NULL, account.checked_at DESC NULLS LAST LIMIT 1
    """
    return first_row(read_frame(sql, fresh=True, login=login, until=as_of_or_end_of_today(as_of)))
