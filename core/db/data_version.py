"""The data version: a number in Postgres that increases after each run that changed data.

Beside it stands the first version since which nothing of the past has changed: what follows from rows of earlier days
alone is then the same, although newer ones were stored.
"""

from datetime import UTC, datetime, timedelta
from threading import Lock

from sqlalchemy import Connection

from core.db.engine import read_rows
from core.db.statement import text

SETTLED_AFTER = timedelta(days=1)
"""What was captured longer ago belongs to the past: nothing is stored of it without `announce_past_change`."""
LATE_AFTER = SETTLED_AFTER - timedelta(hours=1)
"""Who stores a capture that is older announces it: by the commit it may be settled, or is by another host's clock."""


class NewestPast:
    """The newest `past_version` that this process has read; it never decreases."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._version = 0

    def saw(self, version: int) -> None:
        with self._lock:
            self._version = max(self._version, version)

    def forget(self) -> None:
        """Start again, with another database."""
        with self._lock:
            self._version = 0

    def version_for(self, version: int) -> int:
        """Return the first version that has the same past as *version*, or *version* where that is not known."""
        return self._version if 0 < self._version <= version else version


newest_past = NewestPast()


def data_version() -> int:
    """Return the current data version; 0 before the first run."""
    row = read_rows(
        lambda connection: connection.execute(text("SELECT version, past_version FROM data_version")).first()
    )
    if row is None:
        return 0
    newest_past.saw(row.past_version)
    return int(row.version)


def is_settled(at: datetime) -> bool:
    """Return whether *at* is so long ago that nothing of that time is stored without an announcement."""
    return at < datetime.now(UTC) - SETTLED_AFTER


def is_late(captured_at: datetime) -> bool:
    """Return whether storing a capture of this time is to be announced."""
    return captured_at < datetime.now(UTC) - LATE_AFTER


def publish_data_version(connection: Connection, run_id: int | None = None, *, keeps_past: bool = False) -> int:
    """Increment the data version in *connection*'s transaction and return it; pages see it after the commit.

    keeps_past  whether nothing changed that is read as of a settled time, unless `announce_past_change` was called
    """
    version: int = connection.execute(
        text(
            "INSERT INTO data_version (version, run_id) VALUES (1, :run_id) ON CONFLICT (singleton) DO UPDATE"
            " SET version = data_version.version + 1, published_at = now(), run_id = excluded.run_id,"
            " past_version = CASE WHEN :keeps_past THEN data_version.past_version ELSE data_version.version + 1 END"
            " RETURNING version"
        ),
        {"run_id": run_id, "keeps_past": keeps_past},
    ).scalar_one()
    return version


def announce_past_change(connection: Connection) -> None:
    """Let the next data version have another past, in the transaction that changed it."""
    connection.execute(text("UPDATE data_version SET past_version = version + 1"))
