"""Alembic environment: runs all migrations in one transaction, one process at a time."""

from datetime import UTC, datetime

import structlog
from alembic import context
from sqlalchemy import text
from sqlalchemy.pool import NullPool

from core.db import partitions
from core.db.engine import create_engine_for
from core.db.schema import metadata

MIGRATION_LOCK = 0x616C6D616E6163  # "almanac"

engine = create_engine_for(context.config.attributes["url"], poolclass=NullPool)
with engine.begin() as connection:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    context.configure(connection=connection, target_metadata=metadata)
    context.run_migrations()
today = datetime.now(UTC).date()
try:
    partitions.create_partitions(engine.begin, today, partitions.last_upcoming_month(today), max_tries=5)
except partitions.PartitionsLocked as error:
    # They exist two months ahead, and the scheduler tries again every hour.
    structlog.get_logger().warning("partitions not created", reason=str(error))
