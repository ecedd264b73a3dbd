"""The audit trail, one page at a time, newest first."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pandas import DataFrame

from core.db.frames import first_value, read_frame

PAGE_SIZE = 50
MAX_COUNTED = 100_000
MAX_EXPORTED = 100_000


@dataclass(frozen=True)
class EventFilter:
    """Conditions on audit events; an empty string or None means no condition.

    who     name of the actor or the target, in any case
    search  text anywhere in actor, action, target, details, IP address or request id
    """

    who: str = ""
    action: str = ""
    since: datetime | None = None
    until: datetime | None = None
    search: str = ""


@dataclass(frozen=True)
class PageCursor:
    """The last event of a page: the next page continues after it."""

    at: datetime
    id: int


FILTER_SQL = """
         WHERE (:who = '' OR lower(actor) = lower(:who) OR lower(target) = lower(:who))
           AND (:action = '' OR action = :action)
           AND (CAST(:since AS timestamptz) IS NULL OR at >= :since)
           AND (CAST(:until AS timestamptz) IS NULL OR at <= :until)
           AND (:search = '' OR strpos(lower(concat_ws(' ', actor, action, target, details::text, host(ip_address),
                                                       request_id)), lower(:search)) > 0)
"""


def list_events(event_filter: EventFilter, after: PageCursor | None = None, limit: int = PAGE_SIZE) -> DataFrame:
    """List events, newest first, optionally those *after* a cursor.

    id          int, our own; with `at` it makes the next cursor
    at          timestamp
    actor       name of the person or process that acted
    action      one of a fixed set of words
    target      name of the person, account or object acted on; null without one
    ip_address  null where unknown
    details     text, JSON; null without any
    request_id  text, as in the log
    """
    sql = f"""
        SELECT id, at, actor, action, target, host(ip_address) AS ip_address, nullif(details, 'null')::text AS details,
               request_id
          FROM audit_event
        {FILTER_SQL}
           AND (CAST(:after_at AS timestamptz) IS NULL OR (at, id) < (:after_at, CAST(:after_id AS bigint)))
         ORDER BY at DESC, id DESC
         LIMIT :limit
    """  # noqa: S608 - FILTER_SQL is a constant
    cursor: dict[str, Any] = {"after_at": after.at if after else None, "after_id": after.id if after else None}
    return read_frame(sql, fresh=True, **asdict(event_filter), **cursor, limit=limit)


def count_events(event_filter: EventFilter) -> int:
    """Count events up to MAX_COUNTED + 1: beyond that the exact number is not worth its time."""
    sql = f"""
        SELECT count(*) AS events FROM (SELECT FROM audit_event {FILTER_SQL} LIMIT :limit) AS found
    """  # noqa: S608 - FILTER_SQL is a constant
    return int(first_value(read_frame(sql, fresh=True, **asdict(event_filter), limit=MAX_COUNTED + 1)))
