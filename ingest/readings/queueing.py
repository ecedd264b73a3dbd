"""When: what is due to be read is packed into jobs, one at a time for each token and queue. Safe to repeat."""

from datetime import datetime

from sqlalchemy import Connection

from core import readings
from core.readings import KINDS
from ingest.readings import due


def defer_due(connection: Connection, api_root: str, now: datetime) -> int:
    """Queue what is due, most wanted first; returns how many subjects.

    A token has one job of star history and one of all other facts at a time, and asks for a kind only when none of
    those before it in the list is due: a thousand repositories never stand in the queue at once.
    """
    taken, tokens = readings.busy(connection), due.tokens(connection)
    queued = 0
    for kind in KINDS.values():
        free = [token for token in tokens if readings.lock_of(kind.name, token) not in taken]
        if not free or due.is_missing(connection, kind.name, api_root, now):
            continue
        for token, ids in _by_token(connection, kind, now, free).items():
            if readings.defer(connection, kind.name, ids, token) is not None:
                taken.add(readings.lock_of(kind.name, token))
                queued += len(ids)
    return queued


def _by_token(
    connection: Connection, kind: readings.Kind, now: datetime, tokens: list[str | None]
) -> dict[str | None, list[int]]:
    packed: dict[str | None, list[int]] = {}
    for one in due.due(connection, kind, now, readings.BATCH, tokens):
        packed.setdefault(one.token, []).append(one.id)
    return packed
