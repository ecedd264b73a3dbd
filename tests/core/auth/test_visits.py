"""A visit ends after half an hour without a page; the one before stays known until the next begins."""

from datetime import UTC, datetime, timedelta

from core.auth.visits import record_page

START = datetime(2026, 3, 1, 9, tzinfo=UTC)


def test_a_visit_is_pages_with_short_pauses(add):
    ada = add().id

    def opens(minutes):
        return record_page(ada, START + timedelta(minutes=minutes))

    assert opens(0) is None
    assert opens(20) is None
    assert opens(45) is None  # 25 minutes after the last page: the same visit
    assert opens(75) == START + timedelta(minutes=45)  # half an hour: a new one
    assert opens(90) == START + timedelta(minutes=45)
    assert opens(24 * 60) == START + timedelta(minutes=90)


def test_pages_within_a_minute_are_recorded_once_and_strangers_have_no_visit(add):
    ada = add().id
    record_page(ada, START)
    record_page(ada, START + timedelta(seconds=50))
    assert record_page(ada, START + timedelta(minutes=30, seconds=10)) == START
    assert record_page(-1, START) is None
