"""Commands of admins on alert rules and webhooks, recorded in the audit trail. Callers own the transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from core.alerts import rules
from core.alerts.rules import WebhookFormat
from core.auth import audit
from core.auth.identity import Identity, Origin, require_role
from core.errors import BadInput, NotFound
from core.settings import settings
from core.tracking import accounts
from core.tracking.login import parse_login


@dataclass(frozen=True)
class CreatedWebhook:
    """A new webhook; `key` signs its deliveries and is shown once."""

    id: int
    key: str


def add_rule(
    connection: Connection, admin: Identity, kind: str, settings: Mapping[str, object], login: str, origin: Origin
) -> int:
    """Add a rule for all tracked accounts, or for *login* if given. Raises Forbidden, NotFound, BadInput, Conflict."""
    require_role(admin, "admin")
    account_id = _find_account_id(connection, login) if login.strip() else None
    rule_id = rules.add_rule(connection, kind, settings, admin.username, account_id)
    _record_audit(connection, admin, "alert_rule_changed", kind, origin, did="added", account=login.strip() or None)
    return rule_id


def change_rule(
    connection: Connection,
    admin: Identity,
    rule_id: int,
    settings: Mapping[str, object],
    origin: Origin,
    *,
    enabled: bool,
) -> None:
    """Change the settings of a rule, or switch it on or off. Raises Forbidden, NotFound, BadInput, Conflict."""
    require_role(admin, "admin")
    kind = _rule_kind(connection, rule_id)
    rules.change_rule(connection, rule_id, settings, enabled=enabled)
    did = "changed" if enabled else "switched off"
    _record_audit(connection, admin, "alert_rule_changed", kind, origin, did=did, rule=rule_id, **settings)


def remove_rule(connection: Connection, admin: Identity, rule_id: int, origin: Origin) -> None:
    """Delete a rule with its alerts. Raises Forbidden, NotFound."""
    require_role(admin, "admin")
    kind = _rule_kind(connection, rule_id)
    rules.remove_rule(connection, rule_id)
    _record_audit(connection, admin, "alert_rule_changed", kind, origin, did="removed", rule=rule_id)


def add_webhook(
    connection: Connection,
    admin: Identity,
    name: str,
    url: str,
    form: WebhookFormat,
    kinds: Sequence[str],
    origin: Origin,
) -> CreatedWebhook:
    """Add a webhook. Raises Forbidden, BadInput, Conflict. The audit trail has its name, never its URL or key."""
    require_role(admin, "admin")
    if url.strip().lower().startswith("http:") and not settings().webhook_private_addresses:
        raise BadInput("A webhook URL must use https, unless WEBHOOK_PRIVATE_ADDRESSES=true")
    webhook_id, key = rules.add_webhook(connection, name, url, form, admin.username, kinds or None)
    _record_audit(connection, admin, "webhook_changed", name.strip(), origin, did="added", format=form)
    return CreatedWebhook(webhook_id, key)


def set_webhook_enabled(
    connection: Connection, admin: Identity, webhook_id: int, origin: Origin, *, enabled: bool
) -> None:
    """Switch a webhook on or off. Raises Forbidden, NotFound."""
    require_role(admin, "admin")
    name = _webhook_name(connection, webhook_id)
    rules.set_webhook_enabled(connection, webhook_id, enabled=enabled)
    _record_audit(connection, admin, "webhook_changed", name, origin, did="switched on" if enabled else "switched off")


def remove_webhook(connection: Connection, admin: Identity, webhook_id: int, origin: Origin) -> None:
    """Delete a webhook and its signing key. Raises Forbidden, NotFound."""
    require_role(admin, "admin")
    name = _webhook_name(connection, webhook_id)
    rules.remove_webhook(connection, webhook_id)
    _record_audit(connection, admin, "webhook_changed", name, origin, did="removed")


def send_test_delivery(connection: Connection, admin: Identity, webhook_id: int, origin: Origin) -> int:
    """Queue a test delivery; return its id. Raises Forbidden, NotFound."""
    require_role(admin, "admin")
    name = _webhook_name(connection, webhook_id)
    delivery_id = rules.enqueue_test_delivery(connection, webhook_id)
    _record_audit(connection, admin, "webhook_changed", name, origin, did="tested")
    return delivery_id


def _find_account_id(connection: Connection, login: str) -> int:
    name = parse_login(login)
    found = accounts.find_account_id(connection, name)
    if found is None:
        raise NotFound(f"{name} is not stored; track it first")
    return found


def _rule_kind(connection: Connection, rule_id: int) -> str:
    kind: str | None = connection.scalar(text("SELECT kind FROM alert_rule WHERE id = :id"), {"id": rule_id})
    if kind is None:
        raise NotFound("This rule no longer exists")
    return kind


def _webhook_name(connection: Connection, webhook_id: int) -> str:
    name: str | None = connection.scalar(text("SELECT name FROM webhook WHERE id = :id"), {"id": webhook_id})
    if name is None:
        raise NotFound("This webhook no longer exists")
    return name


def _record_audit(
    connection: Connection, who: Identity, action: audit.Action, target: str, origin: Origin, **details: object
) -> None:
    present = {name: value for name, value in details.items() if value is not None}
    audit.record(
        connection, action, actor=who.username, person_id=who.person_id, target=target, origin=origin, **present
    )
