"""Ends what an engine's connections are doing, so that nobody has to wait for a long statement."""

from contextlib import suppress
from typing import Any

import psycopg
from sqlalchemy import Engine, event

CANCEL_SECONDS = 1.0


class StatementCanceller:
    """Knows the connections of *engine* that are in use, from when it is made."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._checked_out: set[psycopg.Connection[Any]] = set()
        event.listen(engine, "checkout", self._on_checkout)
        event.listen(engine, "checkin", self._on_checkin)

    def forget(self) -> None:
        event.remove(self._engine, "checkout", self._on_checkout)
        event.remove(self._engine, "checkin", self._on_checkin)

    def cancel(self) -> None:
        """Cancel whatever is running; where nothing is, nothing happens."""
        for one in list(self._checked_out):
            with suppress(psycopg.Error):
                one.cancel_safe(timeout=CANCEL_SECONDS)

    def _on_checkout(self, connection: Any, *_record: object) -> None:
        self._checked_out.add(connection)

    def _on_checkin(self, connection: Any, *_record: object) -> None:
        self._checked_out.discard(connection)
