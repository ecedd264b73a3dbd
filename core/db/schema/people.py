"""People, their sessions, tickets and API keys, and the audit trail."""

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Index, Integer, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import INET, JSONB, UUID

from core.db.schema.columns import foreign_key, id_column, metadata, timestamp_column

person = Table(
    "person",
    metadata,
    id_column(),
    Column("username", Text, nullable=False),
    Column("email", Text),
    Column("display_name", Text),
    Column("password_hash", Text),
    Column("role", Text, CheckConstraint("role IN ('analyst', 'admin')", name="role"), nullable=False),
    Column("active", Boolean, nullable=False, server_default=text("true")),
    Column("preferences", JSONB, nullable=False, server_default=text("'{}'")),
    timestamp_column("created_at", now=True),
    timestamp_column("last_seen_at"),
    timestamp_column("page_opened_at"),
    timestamp_column("visit_ended_at"),
    Index("person_username_key", text('lower(username COLLATE "C")'), unique=True),
    Index("person_email_key", text("lower(email)"), unique=True),
    comment="Somebody who can sign in. page_opened_at: their last page;"
    " visit_ended_at: the last page of the visit before",
)


session = Table(
    "session",
    metadata,
    Column("id", UUID(as_uuid=True), primary_key=True),
    foreign_key("person_id", "person", cascade=True),
    Column("generation", Integer, nullable=False, server_default=text("0")),
    timestamp_column("generation_used_at"),
    timestamp_column("access_expires_at", required=True),
    Column("ip_address", INET),
    Column("user_agent", Text),
    timestamp_column("created_at", now=True),
    timestamp_column("last_seen_at", now=True),
    timestamp_column("expires_at", required=True),
    timestamp_column("revoked_at"),
    Column("revoked_reason", Text),
    Index("session_person_id_idx", "person_id"),
    comment="A signed-in browser or API client. generation: number of its newest refresh token",
)


ticket = Table(
    "ticket",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("purpose", Text, nullable=False),
    foreign_key("person_id", "person", required=False, cascade=True),
    Column("nonce_hash", LargeBinary),
    Column("details", JSONB),
    timestamp_column("expires_at", required=True),
    comment="A single-use secret, stored as a hash: sign-in ticket, password reset link or invitation",
)


api_key = Table(
    "api_key",
    metadata,
    id_column(),
    foreign_key("person_id", "person", cascade=True),
    Column("kind", Text, CheckConstraint("kind IN ('api', 'feed')", name="kind"), nullable=False, server_default="api"),
    Column("name", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("hint", Text, nullable=False),
    timestamp_column("created_at", now=True),
    timestamp_column("last_used_at"),
    timestamp_column("expires_at"),
    timestamp_column("revoked_at"),
    comment="An API key, or a token that reads feeds alone, stored as a hash; hint: its last characters",
)


report = Table(
    "report",
    metadata,
    id_column(),
    foreign_key("person_id", "person", cascade=True),
    Column("url", Text, nullable=False, comment="path, query and anchor of the cell, as the person saw it"),
    Column("question", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("query", Text),
    Column("bound", JSONB, comment="the values bound to the query, as text"),
    Column("rows", JSONB, nullable=False, comment="the first rows that were shown"),
    Column("row_count", Integer, nullable=False),
    Column("data_version", BigInteger, nullable=False),
    Column("comment", Text, nullable=False),
    timestamp_column("reported_at", required=True),
    timestamp_column("closed_at"),
    Column("closed_by", Text),
    Index("report_reported_at_idx", text("reported_at DESC")),
    comment="A number that somebody doubts: the cell with its query, values and rows, open until closed_at",
)


audit_event = Table(
    "audit_event",
    metadata,
    id_column(),
    timestamp_column("at", now=True),
    foreign_key("person_id", "person", required=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text),
    Column("ip_address", INET),
    Column("request_id", Text),
    Column("details", JSONB),
    Index("audit_event_at_idx", text("at DESC")),
    comment="One entry of the audit trail",
)
