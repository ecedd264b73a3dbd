"""Commands of analysts and admins: request tracking, decide requests, change or stop tracking, refresh, cancel.

Each is recorded in the audit trail. Callers own the transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from core.auth import audit
from core.auth.identity import Identity, Origin, require_role
from core.errors import NotFound
from core.queue import ingestions
from core.queue.jobs import JobOrigin
from core.settings import settings
from core.tracking import accounts

MAX_NOTE_LENGTH = 500


@dataclass(frozen=True)
class TrackingResult:
    """Result of a tracking request, by login."""

    tracked: tuple[str, ...] = ()
    already_tracked: tuple[str, ...] = ()
    awaiting_approval: tuple[str, ...] = ()
    """An admin must approve these first."""
    ingestion_id: int | None = None
    """The ingestion that refreshes newly tracked accounts, if any."""


@dataclass(frozen=True)
class Wanted:
    """The subject of a tracking request: the account of *login*, or one *repository* of it alone (its short name)."""

    login: str
    note: str | None = None
    repository: str = ""


def request_tracking(
    connection: Connection,
    identity: Identity,
    logins: Sequence[str],
    now: datetime,
    origin: Origin,
    note: str | None = None,
    repository: str = "",
) -> TrackingResult:
    """Track accounts and refresh them soon, or store requests for an admin's approval (TRACK_APPROVAL).

    With *repository*, the short name of one of its repositories, the one account is tracked for that alone.
    *logins* must come from `core.tracking.login.parse_login`; the caller checks rate limits.
    """
    ids = {login: accounts.find_by_present_login(connection, login) for login in logins}
    tracked = _tracked_ids(connection, [id_ for id_ in ids.values() if id_ is not None], repository)
    already = tuple(login for login, id_ in ids.items() if id_ in tracked)
    new = [login for login in ids if login not in already]
    if settings().track_approval and not identity.is_admin:
        for login in new:
            _store_request(connection, identity, login, now, note, repository)
        return TrackingResult(already_tracked=already, awaiting_approval=tuple(new))
    wanted = [Wanted(login, note, repository) for login in new]
    return _track_accounts(connection, identity, wanted, already, now, origin)


def decide_requests(
    connection: Connection,
    admin: Identity,
    request_ids: Sequence[int],
    now: datetime,
    origin: Origin,
    *,
    approved: bool,
) -> TrackingResult:
    """Approve or decline tracking requests. Raises Forbidden, and NotFound when all of them were decided already."""
    require_role(admin, "admin")
    rows = connection.execute(
        text(
            "UPDATE tracking_request SET decided_at = :now, decided_by = :by, approved = :approved"
            " WHERE id = ANY(:ids) AND decided_at IS NULL RETURNING login, note, repository"
        ),
        {"ids": list(request_ids), "now": now, "by": admin.username, "approved": approved},
    ).all()
    if not rows:
        raise NotFound("These requests were already decided")
    if not approved:
        for row in rows:
            _record_audit(connection, admin, "tracking_request_declined", row.login, origin)
        return TrackingResult()
    wanted = [Wanted(row.login, row.note, row.repository or "") for row in rows]
    return _track_accounts(connection, admin, wanted, (), now, origin)


def update_tracking(
    connection: Connection, admin: Identity, changes: Mapping[str, Mapping[str, Any]], now: datetime, origin: Origin
) -> int:
    """Change how accounts are tracked: login -> changes for `accounts.update_tracking`; return how many changed."""
    require_role(admin, "admin")
    changes = {accounts.present_login(connection, login): values for login, values in changes.items()}
    updated = [login for login, values in changes.items() if accounts.update_tracking(connection, login, values, now)]
    for login in updated:
        details = {name: str(value) for name, value in changes[login].items()}
        _record_audit(connection, admin, "tracking_changed", login, origin, **details)
    return len(updated)


def stop_tracking(connection: Connection, admin: Identity, logins: Sequence[str], origin: Origin) -> int:
    """Stop tracking accounts and keep their history; return how many were tracked. Raises Forbidden."""
    require_role(admin, "admin")
    present = [accounts.present_login(connection, login) for login in logins]
    stopped = [login for login in present if accounts.untrack(connection, login)]
    for login in stopped:
        _record_audit(connection, admin, "account_untracked", login, origin)
    return len(stopped)


def start_refresh(
    connection: Connection, admin: Identity, account_ids: Sequence[int], now: datetime, origin: Origin
) -> ingestions.StartedIngestion | None:
    """Refresh accounts ahead of scheduled refreshes; None when *account_ids* is empty. Raises Forbidden."""
    require_role(admin, "admin")
    job_origin = JobOrigin("person", admin.username, origin.request_id)
    started = ingestions.start(connection, account_ids, job_origin, now)
    if started is not None and started.is_new:
        _record_audit(connection, admin, "ingestion_started", str(started.id), origin, accounts=started.accounts)
    return started


def cancel_ingestion(connection: Connection, admin: Identity, ingestion_id: int, now: datetime, origin: Origin) -> bool:
    """Cancel an ingestion; False when it has ended already. Raises Forbidden."""
    require_role(admin, "admin")
    cancelled = ingestions.cancel(connection, ingestion_id, admin.username, now, settings().refresh_every)
    if cancelled:
        _record_audit(connection, admin, "ingestion_cancelled", str(ingestion_id), origin)
    return cancelled


def _record_audit(
    connection: Connection, who: Identity, action: audit.Action, target: str, origin: Origin, **details: object
) -> None:
    audit.record(
        connection, action, actor=who.username, person_id=who.person_id, target=target, origin=origin, **details
    )


def _track_accounts(
    connection: Connection,
    identity: Identity,
    wanted: Sequence[Wanted],
    already: tuple[str, ...],
    now: datetime,
    origin: Origin,
) -> TrackingResult:
    """Track what is *wanted* and refresh its accounts as one ingestion."""
    new: dict[str, None] = {}
    for one in wanted:
        if accounts.track(connection, one.login, identity.username, one.repository):
            new[one.login] = None
            if one.note:
                accounts.update_tracking(connection, one.login, {"note": one.note[:MAX_NOTE_LENGTH]}, now)
            alone = {"repository": one.repository} if one.repository else {}
            _record_audit(connection, identity, "account_tracked", one.login, origin, **alone)
        close_pending_requests(connection, identity, one.login, now, one.repository)
    ids = [id_ for login in new if (id_ := accounts.find_account_id(connection, login)) is not None]
    job_origin = JobOrigin("person", identity.username, origin.request_id)
    started = ingestions.start(connection, ids, job_origin, now) if ids else None
    others = dict.fromkeys(one.login for one in wanted if one.login not in new)
    return TrackingResult(tuple(new), (*already, *others), ingestion_id=started.id if started else None)


def close_pending_requests(
    connection: Connection, identity: Identity, login: str, now: datetime, repository: str = ""
) -> None:
    """Mark open requests for *login* as approved, because it is tracked now; with *repository* only those for that."""
    connection.execute(
        text(
            "UPDATE tracking_request SET decided_at = :now, decided_by = :by, approved = true"
            " WHERE lower(login) = lower(:login) AND decided_at IS NULL"
            "   AND (:repository = '' OR lower(repository) = lower(:repository))"
        ),
        {"login": login, "repository": repository, "now": now, "by": identity.username},
    )


def _tracked_ids(connection: Connection, account_ids: Sequence[int], repository: str) -> set[int]:
    """Return which of the accounts are tracked as a whole, or for *repository*."""
    return set(
        connection.scalars(
            text(
                "SELECT account_id FROM tracked_account WHERE account_id = ANY(:ids)"
                " AND (only_repositories IS NULL OR lower(:repository) = ANY(only_repositories))"
            ),
            {"ids": list(account_ids), "repository": repository},
        )
    )


def _store_request(
    connection: Connection, identity: Identity, login: str, now: datetime, note: str | None, repository: str
) -> None:
    """Store the request, unless the same, or one for the whole account, is pending."""
    connection.execute(
        text("""
            INSERT INTO tracking_request (login, person_id, note, repository, requested_at)
            SELECT :login, :person, :note, nullif(:repository, ''), :now
             WHERE NOT EXISTS (SELECT FROM tracking_request
                                WHERE lower(login) = lower(:login) AND repository IS NULL AND decided_at IS NULL)
            ON CONFLICT (lower(login), lower(coalesce(repository, ''))) WHERE decided_at IS NULL DO NOTHING
        """),
        {
            "login": login,
            "person": identity.person_id,
            "note": note[:MAX_NOTE_LENGTH] if note else None,
            "repository": repository,
            "now": now,
        },
    )
