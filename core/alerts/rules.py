"""Alert rules and webhooks: their kinds and settings, and changing them. Callers own the transaction."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import psycopg
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql import bindparam

from core.errors import BadInput, Conflict, NotFound
from core.queue import jobs

MAX_URL_LENGTH, MAX_NAME_LENGTH = 2_000, 60
WebhookFormat = Literal["json", "slack"]


class RuleSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StarsJumpedSettings(RuleSettings):
    gained: int = Field(100, ge=1, description="Stars gained, at least")
    share: float = Field(0.05, ge=0, description="of the stars before, at least")
    days: Literal[1, 7, 30] = Field(1, description="within n days")


class StarsDroppedSettings(RuleSettings):
    lost: int = Field(100, ge=1, description="Stars lost, at least")
    share: float = Field(0.1, ge=0, le=1, description="of the stars before, at least")
    days: Literal[1, 7, 30] = Field(1, description="within n days")


class FreshnessMissedSettings(RuleSettings):
    share: float = Field(0.9, gt=0, le=1, description="Share of accounts that should be refreshed on time")


class BudgetShortSettings(RuleSettings):
    share: float = Field(0.1, gt=0, lt=1, description="Share of a rate limit that should be left")


class TokenExpiringSettings(RuleSettings):
    days: int = Field(14, ge=1, le=365, description="Days before a token expires")


class IngestionFailingSettings(RuleSettings):
    runs: int = Field(3, ge=1, le=100, description="Runs in a row that stored nothing")


class JobStuckSettings(RuleSettings):
    hours: int = Field(6, ge=1, le=1000, description="Hours that a job may run")


class DiskLowSettings(RuleSettings):
    megabytes: int = Field(1000, ge=1, description="Megabytes that should be free")


@dataclass(frozen=True)
class RuleKind:
    """A kind of rule. An event raises an alert once; a state raises one that lasts until the state ends."""

    title: str
    sentence: str
    settings: type[RuleSettings] = RuleSettings
    is_state: bool = False


RULE_KINDS: Mapping[str, RuleKind] = {
    "stars_jumped": RuleKind("Stars jumped", "A repository gained unusually many stars.", StarsJumpedSettings),
    "stars_dropped": RuleKind(
        "Stars dropped",
        "A repository lost unusually many stars, within some days or between two refreshes.",
        StarsDroppedSettings,
    ),
    "account_deleted": RuleKind("Account deleted", "A tracked account was deleted or is no longer public."),
    "archived": RuleKind("Archived", "A repository was archived."),
    "relicensed": RuleKind("Licence changed", "A repository's licence was changed."),
    "freshness_missed": RuleKind(
        "Freshness missed", "Too few accounts were refreshed on time.", FreshnessMissedSettings, is_state=True
    ),
    "budget_short": RuleKind(
        "Budget short", "Little of a token's rate limit is left.", BudgetShortSettings, is_state=True
    ),
    "token_expiring": RuleKind(
        "Token expiring", "A token for GitHub expires soon, or has expired.", TokenExpiringSettings, is_state=True
    ),
    "ingestion_failing": RuleKind(
        "Ingestion failing", "Runs in a row stored nothing.", IngestionFailingSettings, is_state=True
    ),
    "disk_low": RuleKind(
        "Disk low", "Little space is left on the disk of the embedded Postgres.", DiskLowSettings, is_state=True
    ),
    "job_stuck": RuleKind("Job stuck", "A job runs for longer than jobs do.", JobStuckSettings, is_state=True),
}


def validated_settings(kind: str, given: Mapping[str, object]) -> dict[str, object]:
    """Validate the settings of a rule and fill in defaults. Raises BadInput."""
    if kind not in RULE_KINDS:
        raise BadInput(
            f"There is no kind of rule called {kind[:MAX_NAME_LENGTH]}; the kinds are {', '.join(RULE_KINDS)}"
        )
    try:
        return RULE_KINDS[kind].settings.model_validate(dict(given)).model_dump()
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
        raise BadInput(f"These settings are invalid: {problems}") from None


def add_rule(
    connection: Connection, kind: str, settings: Mapping[str, object], by: str, account_id: int | None = None
) -> int:
    """Add a rule for all tracked accounts, or for one; return its id. Raises BadInput, and Conflict if it exists."""
    checked = validated_settings(kind, settings)
    if account_id is not None and RULE_KINDS[kind].is_state:
        raise BadInput(f"{RULE_KINDS[kind].title} applies to all accounts together and cannot be limited to one")
    with _refusing_second_one(connection):
        rule_id: int = connection.execute(
            text(
                "INSERT INTO alert_rule (kind, settings, account_id, created_by)"
                " VALUES (:kind, :settings, :account_id, :by) RETURNING id"
            ).bindparams(bindparam("settings", type_=JSONB)),
            {"kind": kind, "settings": checked, "account_id": account_id, "by": by},
        ).scalar_one()
    return rule_id


def change_rule(connection: Connection, rule_id: int, settings: Mapping[str, object], *, enabled: bool) -> None:
    """Change the settings of a rule, or switch it on or off. Raises NotFound, BadInput, and Conflict with another."""
    found = connection.execute(
        text("SELECT kind FROM alert_rule WHERE id = :id FOR UPDATE"), {"id": rule_id}
    ).one_or_none()
    if found is None:
        raise NotFound("This rule no longer exists")
    checked = validated_settings(found.kind, settings)
    with _refusing_second_one(connection):
        connection.execute(
            text("UPDATE alert_rule SET settings = :settings, enabled = :enabled WHERE id = :id").bindparams(
                bindparam("settings", type_=JSONB)
            ),
            {"id": rule_id, "settings": checked, "enabled": enabled},
        )


@contextmanager
def _refusing_second_one(connection: Connection) -> Iterator[None]:
    """Write a rule in a savepoint. Raises Conflict where another is the same: each would raise the same alerts."""
    try:
        with connection.begin_nested():
            yield
    except IntegrityError as error:
        if not isinstance(error.orig, psycopg.errors.UniqueViolation):
            raise
        raise Conflict("The same rule exists already") from None


def remove_rule(connection: Connection, rule_id: int) -> None:
    """Delete a rule with its alerts."""
    connection.execute(text("DELETE FROM alert_rule WHERE id = :id"), {"id": rule_id})


def add_webhook(
    connection: Connection, name: str, url: str, form: WebhookFormat, by: str, kinds: Sequence[str] | None = None
) -> tuple[int, str]:
    """Add a webhook for alerts of some *kinds* (None: all); return its id and the key that signs its deliveries.

    Raises BadInput, and Conflict when the name is taken. Private IP addresses are refused at delivery, after DNS.
    """
    if not 1 <= len(name.strip()) <= MAX_NAME_LENGTH or not name.isprintable():
        raise BadInput(f"A webhook needs a name of at most {MAX_NAME_LENGTH} characters")
    unknown = [kind for kind in kinds or () if kind not in RULE_KINDS]
    if unknown:
        raise BadInput(f"There is no kind of rule called {unknown[0][:MAX_NAME_LENGTH]}")
    secret = secrets.token_urlsafe(32)
    try:
        with connection.begin_nested():
            webhook_id: int = connection.execute(
                text(
                    "INSERT INTO webhook (name, url, format, secret, kinds, created_by)"
                    " VALUES (:name, :url, :format, :secret, :kinds, :by) RETURNING id"
                ),
                {
                    "name": name.strip(),
                    "url": validated_webhook_url(url),
                    "format": form,
                    "secret": secret,
                    "kinds": list(kinds) if kinds else None,
                    "by": by,
                },
            ).scalar_one()
    except IntegrityError:
        raise Conflict(f"A webhook called {name.strip()} already exists") from None
    return webhook_id, secret


def validated_webhook_url(url: str) -> str:
    """Return the URL of a webhook. Raises BadInput with a message that does not quote it: such URLs are secrets."""
    given = url.strip()
    try:
        parts = urlsplit(given)
        is_usable = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if len(given) > MAX_URL_LENGTH:
        raise BadInput(f"A webhook URL has at most {MAX_URL_LENGTH:,} characters")
    if not is_usable or not given.isascii() or not given.isprintable() or " " in given:
        raise BadInput("A webhook URL must look like https://example.com/path")
    if parts.username or parts.password:
        raise BadInput("A webhook URL cannot contain a username or password")
    return given


def set_webhook_enabled(connection: Connection, webhook_id: int, *, enabled: bool) -> None:
    connection.execute(
        text("UPDATE webhook SET enabled = :enabled WHERE id = :id"), {"id": webhook_id, "enabled": enabled}
    )


def remove_webhook(connection: Connection, webhook_id: int) -> None:
    connection.execute(text("DELETE FROM webhook WHERE id = :id"), {"id": webhook_id})


def enqueue_test_delivery(connection: Connection, webhook_id: int) -> int:
    """Queue a test delivery; return its id. Its row shows the result."""
    delivery_id: int = connection.execute(
        text("INSERT INTO webhook_delivery (webhook_id, event) VALUES (:id, 'test') RETURNING id"), {"id": webhook_id}
    ).scalar_one()
    jobs.defer_delivery(connection, delivery_id)
    return delivery_id
