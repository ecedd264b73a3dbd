"""What people ask of the ingestor: to track accounts, at once or when an admin says so, to look at them now, to stop.

Each is written into the audit trail. Callers own the transaction.
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
    """What became of asking for some logins."""

    tracked: tuple[str, ...] = ()
    already_tracked: tuple[str, ...] = ()
    awaiting_approval: tuple[str, ...] = ()
    """An admin has to decide first."""
    ingestion_id: int | None = None
    """What brings in those that are new, where there are any."""


def request_tracking(
    connection: Connection,
    identity: Identity,
    logins: Sequence[str],
    now: datetime,
    origin: Origin,
    note: str | None = None,
) -> TrackingResult:
    """Track accounts for *identity* and let them be looked at soon, or keep the wish for an admin to decide.

    *logins* are what `core.tracking.login.parse_login` returns; limits are the caller's business.
    """
    known = {login: accounts.find_account_id(connection, login) for login in logins}
    held = _tracked_ids(connection, [id_ for id_ in known.values() if id_ is not None])
    already = tuple(login for login, id_ in known.items() if id_ in held)
    new = [login for login in known if login not in already]
    if settings().track_approval and not identity.is_admin:
        for login in new:
            _store_request(connection, identity, login, now, note)
        return TrackingResult(already_tracked=already, awaiting_approval=tuple(new))
    return _track_accounts(connection, identity, dict.fromkeys(new, note), already, now, origin)


def decide_requests(
    connection: Connection, admin: Identity, wish_ids: Sequence[int], now: datetime, origin: Origin, *, approved: bool
) -> TrackingResult:
    """Grant or decline wishes. Raises Forbidden, and NotFound when others decided about all of them already."""
    require_role(admin, "admin")
    rows = connection.execute(
        text(
            "UPDATE tracking_request SET decided_at = :now, decided_by = :by, approved = :approved"
            " WHERE id = ANY(:ids) AND decided_at IS NULL RETURNING login, note"
        ),
        {"ids": list(wish_ids), "now": now, "by": admin.username, "approved": approved},
    ).all()
    if not rows:
        raise NotFound("Somebody decided about this already")
    if not approved:
        for row in rows:
            _record_audit(connection, admin, "tracking_request_declined", row.login, origin)
        return TrackingResult()
    return _track_accounts(connection, admin, {row.login: row.note for row in rows}, (), now, origin)


def update_tracking(
    connection: Connection, admin: Identity, wanted: Mapping[str, Mapping[str, Any]], now: datetime, origin: Origin
) -> int:
    """Change how accounts are tracked: login -> what `accounts.adjust` takes; return how many changed."""
    require_role(admin, "admin")
    changed = [login for login, wish in wanted.items() if accounts.update_tracking(connection, login, wish, now)]
    for login in changed:
        told = {name: str(value) for name, value in wanted[login].items()}
        _record_audit(connection, admin, "tracking_changed", login, origin, **told)
    return len(changed)


def stop_tracking(connection: Connection, admin: Identity, logins: Sequence[str], origin: Origin) -> int:
    """Track accounts no longer; their history stays. Returns how many were tracked."""
    require_role(admin, "admin")
    stopped = [login for login in logins if accounts.untrack(connection, login)]
    for login in stopped:
        _record_audit(connection, admin, "account_untracked", login, origin)
    return len(stopped)


def start_refresh(
    connection: Connection, admin: Identity, account_ids: Sequence[int], now: datetime, origin: Origin
) -> ingestions.StartedIngestion | None:
    """Let accounts be looked at before what the timetable wants; None where there are none."""
    require_role(admin, "admin")
    asked = JobOrigin("person", admin.username, origin.request_id)
    started = ingestions.start(connection, account_ids, asked, now)
    if started is not None and started.is_new:
        _record_audit(connection, admin, "ingestion_started", str(started.id), origin, accounts=started.accounts)
    return started


def cancel_ingestion(connection: Connection, admin: Identity, ingestion_id: int, now: datetime, origin: Origin) -> bool:
    """Take an ingestion back; False when it was over."""
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
    notes: Mapping[str, str | None],
    already: tuple[str, ...],
    now: datetime,
    origin: Origin,
) -> TrackingResult:
    """Track the logins that *notes* names, each with its note, as one ingestion."""
    new = [login for login in notes if accounts.track(connection, login, identity.username)]
    for login in new:
        if note := notes[login]:
            accounts.update_tracking(connection, login, {"note": note[:MAX_NOTE_LENGTH]}, now)
        _record_audit(connection, identity, "account_tracked", login, origin)
    close_pending_requests(connection, identity, list(notes), now)
    ids = [id_ for login in new if (id_ := accounts.find_account_id(connection, login)) is not None]
    asked = JobOrigin("person", identity.username, origin.request_id)
    started = ingestions.start(connection, ids, asked, now) if ids else None
    others = tuple(login for login in notes if login not in new)
    return TrackingResult(tuple(new), (*already, *others), ingestion_id=started.id if started else None)


def close_pending_requests(connection: Connection, identity: Identity, logins: Sequence[str], now: datetime) -> None:
    """Nobody has to decide any more about accounts that are tracked now."""
    connection.execute(
        text(
            "UPDATE tracking_request SET decided_at = :now, decided_by = :by, approved = true"
            " WHERE lower(login) = ANY(:logins) AND decided_at IS NULL"
        ),
        {"logins": [login.lower() for login in logins], "now": now, "by": identity.username},
    )


def _tracked_ids(connection: Connection, account_ids: Sequence[int]) -> set[int]:
    return set(
        connection.scalars(
            text("SELECT account_id FROM tracked_account WHERE account_id = ANY(:ids)"), {"ids": list(account_ids)}
        )
    )


def _store_request(connection: Connection, identity: Identity, login: str, now: datetime, note: str | None) -> None:
    connection.execute(
        text(
            "INSERT INTO tracking_request (login, person_id, note, requested_at) VALUES (:login, :person, :note, :now)"
            " ON CONFLICT (lower(login)) WHERE decided_at IS NULL DO NOTHING"
        ),
        {"login": login, "person": identity.person_id, "note": note[:MAX_NOTE_LENGTH] if note else None, "now": now},
    )
