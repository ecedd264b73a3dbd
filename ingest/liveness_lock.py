"""An advisory lock that shows other processes that a job or a run is being worked on."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from core.queue.liveness import APPLICATION_NAME, lock_key

log = structlog.get_logger()
CONFIRMATION_SECONDS = 5.0
RECONNECT_SECONDS = 0.5


class LockTaken(Exception):
    """Another process works on the same job or run."""


class LivenessLock:
    """A session's advisory lock on a connection of its own, confirmed every few seconds by a thread.

    When the process dies, Postgres releases the lock. After a lost connection it is acquired again; `is_lost` becomes
    true when another process has it by then.
    """

    def __init__(self, engine: Engine, space: int, id_: int) -> None:
        self._engine = engine
        self._key = {"space": space, "key": lock_key(id_)}
        self._lost, self._released = threading.Event(), threading.Event()
        self._connection: Connection | None = None

    @property
    def is_lost(self) -> bool:
        return self._lost.is_set()

    @contextmanager
    def held(self) -> Iterator["LivenessLock"]:
        """Hold the lock while the block runs. Raises LockTaken, and DBAPIError when Postgres is unavailable."""
        if not self._acquire():
            raise LockTaken
        thread = threading.Thread(target=self._confirm_until_released, name="liveness", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._released.set()
            thread.join()
            self._disconnect()

    def _acquire(self) -> bool:
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._connection = connection
        try:
            connection.execute(text(f"SET application_name = '{APPLICATION_NAME}'"))
            is_free = bool(connection.scalar(text("SELECT pg_try_advisory_lock(:space, :key)"), self._key))
        except BaseException:
            self._disconnect()
            raise
        if not is_free:
            self._disconnect()
        return is_free

    def _disconnect(self) -> None:
        """Close the connection, which releases the lock, whatever state the connection is in."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    def _confirm_until_released(self) -> None:
        wait = CONFIRMATION_SECONDS
        while not self._released.wait(wait):
            try:
                if self._connection is not None:
                    self._connection.execute(text("SELECT 1"))
                elif not self._acquire():
                    log.warning("lock of a running job was taken by another process", **self._key)
                    self._lost.set()
                    return
                wait = CONFIRMATION_SECONDS
            except SQLAlchemyError:  # lost, refused, or the pool has no connection free
                self._disconnect()
                wait = RECONNECT_SECONDS
