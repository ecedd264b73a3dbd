"""Rules that watch what is collected, and webhooks that tell others: what there is, and how admins change it."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

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
    days: Literal[1, 7, 30] = Field(1, description="within so many days")


class FreshnessMissedSettings(RuleSettings):
    share: float = Field(0.9, gt=0, le=1, description="Share of accounts that should be looked at in time")


class BudgetShortSettings(RuleSettings):
    share: float = Field(0.1, gt=0, lt=1, description="Share of a budget that should be left")


class IngestionFailingSettings(RuleSettings):
    runs: int = Field(3, ge=1, le=100, description="Runs in a row that stored nothing")


@dataclass(frozen=True)
class RuleKind:
    """What can be watched. An event happens and is over; a state lasts until it ends."""

    title: str
    sentence: str
    settings: type[RuleSettings] = RuleSettings
    is_state: bool = False


RULE_KINDS: Mapping[str, RuleKind] = {
    "stars_jumped": RuleKind("Stars jumped", "A repository gained unusually many stars.", StarsJumpedSettings),
    "account_gone": RuleKind("Account gone", "A tracked account does not exist any more, or hides."),
    "archived": RuleKind("Archived", "A repository was archived."),
    "relicensed": RuleKind("Licence changed", "A repository's licence is another one now."),
    "freshness_missed": RuleKind(
        "Freshness missed", "Too few accounts were looked at in time.", FreshnessMissedSettings, is_state=True
    ),
    "budget_short": RuleKind("Budget short", "Little of a token's budget is left.", BudgetShortSettings, is_state=True),
    "ingestion_failing": RuleKind(
        "Ingestion failing", "Runs end without storing anything.", IngestionFailingSettings, is_state=True
    ),
}


def validated_settings(kind: str, given: Mapping[str, object]) -> dict[str, object]:
    """The settings of a rule, checked and whole. Raises BadInput."""
    if kind not in RULE_KINDS:
        raise BadInput(f"There is no rule called {kind[:MAX_NAME_LENGTH]}; there are {', '.join(RULE_KINDS)}")
    try:
        return RULE_KINDS[kind].settings.model_validate(dict(given)).model_dump()
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise BadInput(f"This rule cannot be used: {told}") from None


def add_rule(
    connection: Connection, kind: str, settings: Mapping[str, object], by: str, account_id: int | None = None
) -> int:
    """Watch something from now on, of everything that is tracked or of one account. Raises BadInput."""
    checked = validated_settings(kind, settings)
    if account_id is not None and RULE_KINDS[kind].is_state:
        raise BadInput(f"{RULE_KINDS[kind].title} is about all accounts together and cannot be watched for one")
    rule_id: int = connection.execute(
        text(
            "INSERT INTO alert_rule (kind, settings, account_id, created_by)"
            " VALUES (:kind, :settings, :account_id, :by) RETURNING id"
        ).bindparams(bindparam("settings", type_=JSONB)),
        {"kind": kind, "settings": checked, "account_id": account_id, "by": by},
    ).scalar_one()
    return rule_id


def change_rule(connection: Connection, rule_id: int, settings: Mapping[str, object], *, enabled: bool) -> None:
    """Raises NotFound, BadInput."""
    kind = connection.scalar(text("SELECT kind FROM alert_rule WHERE id = :id FOR UPDATE"), {"id": rule_id})
    if kind is None:
        raise NotFound("This rule does not exist any more")
    connection.execute(
        text("UPDATE alert_rule SET settings = :settings, enabled = :enabled WHERE id = :id").bindparams(
            bindparam("settings", type_=JSONB)
        ),
        {"id": rule_id, "settings": validated_settings(kind, settings), "enabled": enabled},
    )


def remove_rule(connection: Connection, rule_id: int) -> None:
    """What it raised goes with it."""
    connection.execute(text("DELETE FROM alert_rule WHERE id = :id"), {"id": rule_id})


def add_webhook(
    connection: Connection, name: str, url: str, form: WebhookFormat, by: str, kinds: Sequence[str] | None = None
) -> tuple[int, str]:
    """Tell *url* of alerts (of some *kinds*; None: of all). Returns its id and the key that signs what it is sent.

    Raises BadInput, and Conflict when the name is taken. Whether the address is private is asked when it is sent to.
    """
    if not 1 <= len(name.strip()) <= MAX_NAME_LENGTH or not name.isprintable():
        raise BadInput(f"A webhook needs a name of at most {MAX_NAME_LENGTH} characters")
    unknown = [kind for kind in kinds or () if kind not in RULE_KINDS]
    if unknown:
        raise BadInput(f"There is no rule called {unknown[0][:MAX_NAME_LENGTH]}")
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
        raise Conflict(f"There is a webhook called {name.strip()} already") from None
    return webhook_id, secret


def validated_webhook_url(url: str) -> str:
    """The address of a webhook. Raises BadInput with a sentence that does not repeat it: such addresses are secrets."""
    given = url.strip()
    try:
        parts = urlsplit(given)
        usable = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or len(given) > MAX_URL_LENGTH or not given.isascii() or not given.isprintable() or " " in given:
        raise BadInput("A webhook's address looks like https://example.com/path")
    if parts.username or parts.password:
        raise BadInput("A webhook's address cannot hold a user or a password")
    return given


def set_webhook_enabled(connection: Connection, webhook_id: int, *, enabled: bool) -> None:
    connection.execute(
        text("UPDATE webhook SET enabled = :enabled WHERE id = :id"), {"id": webhook_id, "enabled": enabled}
    )


def remove_webhook(connection: Connection, webhook_id: int) -> None:
    connection.execute(text("DELETE FROM webhook WHERE id = :id"), {"id": webhook_id})


def enqueue_test_delivery(connection: Connection, webhook_id: int) -> int:
    """Send it something harmless; returns the id of the delivery, whose row tells what came of it."""
    delivery_id: int = connection.execute(
        text("INSERT INTO webhook_delivery (webhook_id, event) VALUES (:id, 'test') RETURNING id"), {"id": webhook_id}
    ).scalar_one()
    jobs.defer_delivery(connection, delivery_id)
    return delivery_id
