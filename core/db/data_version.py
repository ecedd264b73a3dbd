"""The data version: one number in Postgres, raised after each run that changed what pages show."""

from sqlalchemy import Connection, text

from core.db.engine import transaction


def data_version() -> int:
    """The data version in Postgres now; 0 before anything was published."""
    with transaction() as connection:
        return connection.scalar(text("SELECT version FROM data_version")) or 0


def publish_data_version(connection: Connection, run_id: int | None = None) -> int:
    """Raise the data version in *connection*'s transaction; pages see it once that has committed."""
    version: int = connection.execute(
        text(
            "INSERT INTO data_version (version, run_id) VALUES (1, :run_id) ON CONFLICT (singleton) DO UPDATE"
            " SET version = data_version.version + 1, published_at = now(), run_id = excluded.run_id"
            " RETURNING version"
        ),
        {"run_id": run_id},
    ).scalar_one()
    return version
