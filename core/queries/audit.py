"""The audit trail: who did what, when, from where. Read a page at a time, from the newest back."""

from dataclasses import asdict, dataclass
from datetime import datetime

from pandas import DataFrame

from core.db.frames import first_value, read_frame

PAGE_SIZE = 50
MAX_COUNTED = 100_000
MAX_EXPORTED = 100_000


@dataclass(frozen=True)
class EventFilter:
    """Which events: empty or None asks for all.

    who     by them or about them, the whole name
    search  anywhere in names, details, IP address, request
    """

    who: str = ""
    action: str = ""
    since: datetime | None = None
    until: datetime | None = None
    search: str = ""


@dataclass(frozen=True)
class PageCursor:
    """Between which two events a page begins: after this one, on the way back."""

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


def list_events(wanted: EventFilter, after: PageCursor | None = None, most: int = PAGE_SIZE) -> DataFrame:
    """List events, newest first, at most *most*; those that come *after* a place on the way back.

    id          int, ours: with `at` it is the place where the next page begins
    at          moment
    actor       who did it: a name, or what acted by itself
    action      one of the fixed words
    target      whom or what it was done to; null where there is none
    ip_address  of the request; null where it is unknown
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
         LIMIT :most
    """  # noqa: S608 - a constant of this module
    place = {"after_at": after.at if after else None, "after_id": after.id if after else None}
    return read_frame(sql, fresh=True, **asdict(wanted), **place, most=most)


def count_events(wanted: EventFilter) -> int:
    """Count events up to MOST_COUNTED + 1: beyond that nobody needs the number, and it would take long."""
    sql = f"""
        SELECT count(*) AS events FROM (SELECT FROM audit_event {FILTER_SQL} LIMIT :most) AS found
    """  # noqa: S608 - a constant of this module
    return int(first_value(read_frame(sql, fresh=True, **asdict(wanted), most=MAX_COUNTED + 1)))
