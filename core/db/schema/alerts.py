"""Alert rules, alerts, webhooks and deliveries."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from core.db.schema.columns import foreign_key, id_column, metadata, repository_id_column, timestamp_column

alert_rule = Table(
    "alert_rule",
    metadata,
    id_column(),
    Column("kind", Text, nullable=False),
    Column("settings", JSONB, nullable=False, server_default=text("'{}'")),
    foreign_key("account_id", "account", required=False, cascade=True),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("created_by", Text),
    timestamp_column("created_at", now=True),
    UniqueConstraint("kind", "settings", "account_id", postgresql_nulls_not_distinct=True),
    comment="A rule that raises alerts; account_id null: it applies to all tracked accounts",
)


alert = Table(
    "alert",
    metadata,
    id_column(),
    foreign_key("rule_id", "alert_rule", cascade=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    foreign_key("account_id", "account", required=False, cascade=True),
    repository_id_column(),
    Column("message", Text, nullable=False),
    Column("details", JSONB, nullable=False, server_default=text("'{}'")),
    Column("run_id", BigInteger),
    timestamp_column("raised_at", required=True),
    timestamp_column("ended_at"),
    Index("alert_raised_at_idx", text("raised_at DESC")),
    Index("alert_rule_id_repository_id_idx", "rule_id", "repository_id"),
    Index("alert_open_key", "rule_id", "subject", unique=True, postgresql_where=text("ended_at IS NULL")),
    comment="An alert raised by a rule. An event alert ends when it is raised, a state alert when the state ends",
)


webhook = Table(
    "webhook",
    metadata,
    id_column(),
    Column("name", Text, nullable=False, unique=True),
    Column("url", Text, nullable=False),
    Column("format", Text, CheckConstraint("format IN ('json', 'slack')", name="format"), nullable=False),
    Column("secret", Text, nullable=False),
    Column("kinds", ARRAY(Text)),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("created_by", Text),
    timestamp_column("created_at", now=True),
    comment="A URL that alerts are sent to. Both the URL and the signing secret are secrets",
)


webhook_delivery = Table(
    "webhook_delivery",
    metadata,
    id_column(),
    foreign_key("webhook_id", "webhook", cascade=True),
    foreign_key("alert_id", "alert", required=False, cascade=True),
    Column("event", Text, nullable=False, server_default="raised"),
    Column("state", Text, nullable=False, server_default="pending"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("http_status", Integer),
    Column("error", Text),
    timestamp_column("created_at", now=True),
    timestamp_column("finished_at"),
    CheckConstraint("event IN ('raised', 'ended', 'test')", name="event"),
    CheckConstraint("state IN ('pending', 'delivered', 'failed')", name="state"),
    Index("webhook_delivery_webhook_id_idx", "webhook_id", text("id DESC")),
    Index("webhook_delivery_pending_idx", "id", postgresql_where=text("state = 'pending'")),
    comment="Delivery of one alert to one webhook; alert_id null: a test delivery",
)
