"""Compares the database with the schema: what is missing, as after an incomplete copy or a manual change."""

from sqlalchemy import Connection, text
from sqlalchemy.pool import NullPool

from core.db.engine import create_engine_for
from core.db.schema import metadata
from core.errors import AlmanacError
from core.wording import quantity

# What procrastinate's migrations create and Almanac uses.
QUEUE_TABLES = ("procrastinate_jobs", "procrastinate_events", "procrastinate_workers", "procrastinate_periodic_defers")
VIEWS = ("account_summary_computed", "capture", "repository_latest", "repository_summary_computed")
MAX_SHOWN = 5


def find_missing_objects(connection: Connection) -> list[str]:
    """List tables, views, indexes and constraints that the schema has and the database has not, or has not completely.

    An index of a partitioned table is incomplete while a partition lacks its part.
    """
    relations = _names(
        connection,
        "SELECT relname FROM pg_class LEFT JOIN pg_index ON indexrelid = pg_class.oid"
        " WHERE relnamespace = 'public'::regnamespace AND indisvalid IS NOT FALSE",
    )
    constraints = _names(
        connection, "SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND convalidated"
    )
    tables = [*sorted(metadata.tables), *QUEUE_TABLES]
    missing = [f"table {name}" for name in tables if name not in relations]
    missing += [f"view {name}" for name in VIEWS if name not in relations]
    for table in metadata.tables.values():
        if table.name not in relations:
            continue
        indexes = sorted(str(index.name) for index in table.indexes)
        missing += [f"index {name}" for name in indexes if name not in relations]
        # SQLAlchemy names the primary key of tables without one too.
        names = sorted(str(one.name) for one in table.constraints if one is not table.primary_key or one.columns)
        missing += [f"constraint {name}" for name in names if name not in constraints]
    return missing


def check_schema(url: str) -> None:
    """Raise IncompleteSchema when the database at *url* lacks something that the schema has."""
    engine = create_engine_for(url, poolclass=NullPool)
    with engine.connect() as connection:
        if missing := find_missing_objects(connection):
            raise IncompleteSchema(missing)


class IncompleteSchema(AlmanacError):
    """The database lacks tables, indexes or constraints."""

    code = "incomplete_schema"

    def __init__(self, missing: list[str]) -> None:
        shown = ", ".join(missing[:MAX_SHOWN]) + (" …" if len(missing) > MAX_SHOWN else "")
        super().__init__(
            f"{quantity(len(missing), 'object')} missing: {shown}; restore a backup into an empty database"
        )


def _names(connection: Connection, sql: str) -> set[str]:
    return set(connection.scalars(text(sql)))
