"""Refuse a pooler in transaction mode where advisory locks of a session or LISTEN are needed.

A pooler in transaction mode accepts both, and both then do nothing: two schedulers would lead at once.
"""

import psycopg

from core.db import libpq
from core.errors import BadInput

TRIES = 3


def check_sessions(url: str) -> None:
    """Raise BadInput if *url* leads through a pooler that shares server connections between its clients.

    Never raises for others; may overlook a pooler that is busy.
    """
    with (
        psycopg.connect(libpq.conninfo(url), autocommit=True, prepare_threshold=None) as idle,
        psycopg.connect(libpq.conninfo(url), prepare_threshold=None) as busy,
    ):
        for _ in range(TRIES):
            # Outside a transaction the first client holds no server connection: a pooler gives it to the second one.
            if _server_process(idle) == _server_process(busy):
                raise BadInput(
                    "The scheduler, workers and imports cannot use a pooler in transaction mode; set"
                    " DATABASE_DIRECT_URL to the URL of Postgres itself"
                )
            busy.rollback()


def _server_process(connection: psycopg.Connection[tuple[object, ...]]) -> object:
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    return row and row[0]
