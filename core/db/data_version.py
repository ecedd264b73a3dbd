"""The data version: a number in Postgres that increases after each run that changed data."""

from sqlalchemy import Connection

from core.db.engine import read_rows
from core.db.statement import text


def data_version() -> int:
    """Return the current data version; 0 before the first run."""
    return read_rows(lambda connection: connection.scalar(text("SELECT version FROM data_version")) or 0)


def publish_data_version(connection: Connection, run_id: int | None = None) -> int:
    """Increment the data version in *connection*'s transaction and return it; pages see it after the commit."""
    version: int = connection.execute(
        text(
            "INSERT INTO data_version (version, run_id) VALUES (1, :run_id) ON CONFLICT (singleton) DO UPDATE"
            " SET version = data_version.version + 1, published_at = now(), run_id = excluded.run_id"
            " RETURNING version"
        ),
        {"run_id": run_id},
    ).scalar_one()
    return version
