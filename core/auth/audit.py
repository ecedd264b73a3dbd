"""The audit trail: who did what, when, from where; written in the transaction of the action itself."""

import json
from ipaddress import ip_address
from typing import Any, Literal

from sqlalchemy import Connection, text

from core.auth.identity import Origin

Action = Literal[
    "sign_in",
    "sign_in_refused",
    "sign_out",
    "session_ended",
    "refresh_token_reused",
    "registered",
    "password_changed",
    "password_reset",
    "reset_link_created",
    "invite_created",
    "invite_withdrawn",
    "role_changed",
    "person_deactivated",
    "person_activated",
    "person_created",
    "api_key_created",
    "api_key_revoked",
    "feed_token_created",
    "feed_token_revoked",
    "account_tracked",
    "account_untracked",
    "tracking_changed",
    "tracking_request_declined",
    "ingestion_started",
    "ingestion_cancelled",
    "alert_rule_changed",
    "collection_changed",
    "webhook_changed",
    "number_reported",
    "report_closed",
    "backup_restored",
]
MAX_NAME_LENGTH = 64
MAX_USER_AGENT_LENGTH = 512
UNKNOWN_ORIGIN = Origin()


def record(
    connection: Connection,
    action: Action,
    *,
    actor: str,
    person_id: int | None = None,
    target: str | None = None,
    origin: Origin = UNKNOWN_ORIGIN,
    **details: Any,
) -> None:
    """Insert an event: *actor* (with *person_id* if known) did *action* to *target*. Details must contain no secret."""
    connection.execute(
        text(
            "INSERT INTO audit_event (person_id, actor, action, target, ip_address, request_id, details) VALUES"
            " (:person_id, :actor, :action, :target, CAST(:ip_address AS inet), :request_id, CAST(:details AS jsonb))"
        ),
        {
            "person_id": person_id,
            "actor": sanitized(actor, MAX_NAME_LENGTH),
            "action": action,
            "target": sanitized(target, MAX_NAME_LENGTH) if target is not None else None,
            "ip_address": ip_address_of(origin),
            "request_id": sanitized(origin.request_id, MAX_NAME_LENGTH) if origin.request_id else None,
            "details": json.dumps({name: _sanitized_detail(value) for name, value in details.items()})
            if details
            else None,
        },
    )
    from core import prometheus  # noqa: PLC0415 - keeps importing this module light

    prometheus.audit_events.labels(action).inc()


def _sanitized_detail(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return sanitized(str(value), MAX_USER_AGENT_LENGTH)


def sanitized(text: str, max_length: int) -> str:
    """Truncate client-supplied text and replace unprintable characters (Postgres refuses NUL)."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text[:max_length]
    )


def ip_address_of(origin: Origin) -> str | None:
    """Return the IP address, without a zone; None if it is malformed."""
    try:
        return str(ip_address((origin.address or "").partition("%")[0]))
    except ValueError:
        return None


def user_agent_of(origin: Origin) -> str | None:
    return sanitized(origin.user_agent, MAX_USER_AGENT_LENGTH) if origin.user_agent else None
