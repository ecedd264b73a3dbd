"""The audit trail: filters, and pages that neither skip nor repeat an event."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas import Timestamp
from sqlalchemy import Connection, insert, text

from core.db import schema
from core.queries import audit
from core.queries.audit import EventFilter, PageCursor
from tests.seed_data import utc

NOW = utc("2026-03-10 12:00")


def add_event(database: Connection, actor: str = "ada", action: str = "sign_in", **values: object) -> None:
    database.execute(insert(schema.audit_event).values(**{"at": NOW, "actor": actor, "action": action, **values}))


def actors(**wanted: object) -> list[str]:
    return list(audit.list_events(EventFilter(**wanted))["actor"])


def test_events_are_listed_newest_first(database):
    add_event(database, "old", at=NOW - timedelta(days=1))
    add_event(database, "new")
    add_event(database, "newer")
    assert actors() == ["newer", "new", "old"]


def test_events_are_found_by_actor_and_by_target(database):
    add_event(database, "Ada")
    add_event(database, "bob", "person_deactivated", target="ADA")
    add_event(database, "adam")
    assert sorted(actors(who="ada")) == ["Ada", "bob"]


def test_filters_combine(database):
    add_event(database, "ada", "sign_in", at=NOW - timedelta(days=2))
    add_event(database, "ada", "sign_out")
    add_event(database, "bob", "sign_out")
    assert actors(who="ada", action="sign_out") == ["ada"]
    assert actors(who="ada", until=NOW - timedelta(days=1)) == ["ada"]
    assert actors(since=NOW - timedelta(days=1), action="sign_in") == []
    assert audit.count_events(EventFilter(since=NOW)) == 2


@pytest.mark.parametrize("part", ["192.0.2", "PALLETS", "quarterly", "a1b2c3", "sign_in"])
def test_search_covers_all_text_columns(database, part):
    add_event(
        database,
        "ada",
        target="pallets",
        ip_address="192.0.2.9",
        request_id="a1b2c3",
        details={"note": "Quarterly review"},
    )
    add_event(database, "bob", "account_tracked")
    assert actors(search=part) == ["ada"]
    assert audit.count_events(EventFilter(search=part)) == 1


def test_wildcards_and_quotes_are_literal(database):
    add_event(database)
    for part in ("%", "_%", "' OR true --"):
        assert actors(search=part) == []


def test_empty_details_are_null(database):
    add_event(database, details=None)
    add_event(database, details={"sessions": 3})
    found = audit.list_events(EventFilter())["details"]
    assert found.iloc[0] == '{"sessions": 3}'
    assert found.isna().iloc[1]


def paged_event_ids(most: int) -> list[int]:
    """Return the ids of all events, read page by page."""
    seen: list[int] = []
    place = None
    while len(page := audit.list_events(EventFilter(), place, most)):
        seen += list(page["id"])
        last = page.iloc[-1]
        place = PageCursor(Timestamp(last["at"]).to_pydatetime(), int(last["id"]))
    return seen


def test_pages_neither_skip_nor_repeat_simultaneous_events(database):
    @given(st.lists(st.integers(0, 3), max_size=12), st.integers(1, 5))
    def hold(seconds: list[int], most: int) -> None:
        database.execute(text("DELETE FROM audit_event"))
        for second in seconds:
            add_event(database, at=NOW + timedelta(seconds=second, microseconds=second))
        assert paged_event_ids(most) == list(audit.list_events(EventFilter(), limit=100)["id"])
        assert len(paged_event_ids(most)) == len(seconds)

    hold()


def test_new_events_do_not_shift_older_pages(database):
    for second in range(4):
        add_event(database, str(second), at=NOW + timedelta(seconds=second))
    first = audit.list_events(EventFilter(), limit=2)
    add_event(database, "meanwhile", at=NOW + timedelta(minutes=1))
    last = first.iloc[-1]
    second = audit.list_events(EventFilter(), PageCursor(Timestamp(last["at"]).to_pydatetime(), int(last["id"])), 2)
    assert list(second["actor"]) == ["1", "0"]


@pytest.mark.one_postgres("no ANALYZE after a write in one transaction")
def test_a_deep_page_of_many_thousand_events_reads_an_index(database):
    """The cursor does not read the rows before it."""
    database.execute(
        text("""
            INSERT INTO audit_event (at, actor, action, ip_address)
            SELECT CAST(:now AS timestamptz) - make_interval(secs => n), 'person' || n % 200, 'sign_in', '192.0.2.1'
              FROM generate_series(1, 50000) AS n
        """),
        {"now": NOW},
    )
    database.execute(text("ANALYZE audit_event"))
    deep = PageCursor(NOW - timedelta(seconds=40_000), 0)
    assert len(audit.list_events(EventFilter(), deep)) == audit.PAGE_SIZE
    assert len(audit.list_events(EventFilter(who="person7"))) == audit.PAGE_SIZE
    plan = "\n".join(
        database.execute(
            text("EXPLAIN SELECT id FROM audit_event WHERE (at, id) < (:at, 0) ORDER BY at DESC, id DESC LIMIT 50"),
            {"at": deep.at},
        ).scalars()
    )
    assert "audit_event_at_idx" in plan
    assert audit.count_events(EventFilter()) == 50_000
