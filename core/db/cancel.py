"""Cancel the running statements of an engine's connections, so that a shutdown need not wait for them."""

from contextlib import suppress
from typing import Any

import psycopg
from sqlalchemy import Engine, event

CANCEL_SECONDS = 1.0


class StatementCanceller:
    """Tracks the checked-out connections of *engine* from its creation until `close`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._checked_out: set[psycopg.Connection[Any]] = set()
        event.listen(engine, "checkout", self._on_checkout)
        event.listen(engine, "checkin", self._on_checkin)

    def close(self) -> None:
        event.remove(self._engine, "checkout", self._on_checkout)
        event.remove(self._engine, "checkin", self._on_checkin)

    def cancel(self) -> None:
        """Cancel the running statement of each checked-out connection; idle connections are unaffected."""
        for connection in list(self._checked_out):
            with suppress(psycopg.Error):
                connection.cancel_safe(timeout=CANCEL_SECONDS)

    def _on_checkout(self, connection: Any, *_record: object) -> None:
        self._checked_out.add(connection)

    def _on_checkin(self, connection: Any, *_record: object) -> None:
        self._checked_out.discard(connection)
