"""The audit trail: who did what, when, from where. Written in the transaction of what it tells about."""

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
    "refresh_reused",
    "register",
    "password_changed",
    "password_reset",
    "reset_link",
    "invite",
    "invite_withdrawn",
    "role_changed",
    "deactivated",
    "activated",
    "person_created",
    "api_key_created",
    "api_key_revoked",
    "tracked",
    "untracked",
    "tracking_changed",
    "wish_declined",
    "ingestion_started",
    "ingestion_cancelled",
    "alert_rule_changed",
    "webhook_changed",
]
LONGEST_NAME = 64
LONGEST_AGENT = 512
NOWHERE = Origin()


def record(
    connection: Connection,
    action: Action,
    *,
    actor: str,
    person_id: int | None = None,
    target: str | None = None,
    origin: Origin = NOWHERE,
    **details: Any,
) -> None:
    """Add a line: *actor* (*person_id*, where known) did *action* to *target*. Details must hold no secret."""
    connection.execute(
        text(
            "INSERT INTO audit_event (person_id, actor, action, target, address, request_id, details) VALUES"
            " (:person_id, :actor, :action, :target, CAST(:address AS inet), :request_id, CAST(:details AS jsonb))"
        ),
        {
            "person_id": person_id,
            "actor": storable(actor, LONGEST_NAME),
            "action": action,
            "target": storable(target, LONGEST_NAME) if target is not None else None,
            "address": address_of(origin),
            "request_id": storable(origin.request_id, LONGEST_NAME) if origin.request_id else None,
            "details": json.dumps({name: _detail(value) for name, value in details.items()}) if details else None,
        },
    )
    from core import prometheus  # noqa: PLC0415 - who only imports this has nothing to count

    prometheus.audited.labels(action).inc()


def _detail(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return storable(str(value), LONGEST_AGENT)


def storable(given: str, longest: int) -> str:
    """The beginning of what somebody sent, with a mark where Postgres or a reader could stumble."""
    kept = given[:longest]
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in kept)


def address_of(origin: Origin) -> str | None:
    """The address, if it is one."""
    try:
        return str(ip_address((origin.address or "").partition("%")[0]))
    except ValueError:
        return None


def agent_of(origin: Origin) -> str | None:
    return storable(origin.user_agent, LONGEST_AGENT) if origin.user_agent else None
