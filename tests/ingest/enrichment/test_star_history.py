"""Star history: backfilled once to the first star, then updated; withdrawn stars show."""

from datetime import date, timedelta

import pytest

from ingest.enrichment.star_history import store_first_page
from ingest.github.api.fact_types import StarWeek, pacific_day


def stars_by_day(readings, name):
    """Each day's latest reading."""
    return dict(
        readings.rows(
            "SELECT DISTINCT ON (day) day, stars FROM star_day WHERE repository_id = :id"
            " ORDER BY day, captured_at DESC",
            id=readings.id_of(name),
        )
    )


def star_backfill_row(readings, name):
    return readings.rows(
        "SELECT first_day, next_page, completed_at FROM star_backfill WHERE repository_id = :id",
        id=readings.id_of(name),
    )[0]


def current_stars(readings, name):
    return readings.rows("SELECT stars FROM repository_current WHERE repository_id = :id", id=readings.id_of(name))[0][
        0
    ]


def test_the_first_page_reads_thirty_weeks_and_leaves_the_rest_to_the_walk(readings, famous):
    run = readings.read("star_history", famous)
    assert (run.stored, run.tally.requests) == (1, 1)
    told = stars_by_day(readings, famous)
    assert max(told) <= pacific_day(readings.now())
    assert min(told) >= pacific_day(readings.now()) - timedelta(weeks=31)
    first_day, next_page, completed_at = star_backfill_row(readings, famous)
    assert first_day.isoweekday() == 7
    assert (next_page, completed_at) == (2, None)


def test_the_walk_reaches_the_first_star_and_all_days_together_are_the_stars(readings, famous):
    readings.read("star_history", famous)
    readings.read("star_backfill", famous)
    assert sum(stars_by_day(readings, famous).values()) == current_stars(readings, famous)
    _, next_page, completed_at = star_backfill_row(readings, famous)
    assert next_page is None
    assert completed_at is not None
    asked = len(readings.asked("stargazers"))
    assert readings.read("star_backfill", famous).subjects == 0
    assert len(readings.asked("stargazers")) == asked


def test_a_walk_that_was_cut_short_goes_on_where_it_was(readings, famous):
    """Killed at any page, it asks no page twice and leaves no gap."""
    readings.read("star_history", famous)
    readings.enricher.max_seconds = -1.0
    cut = readings.read("star_backfill", famous)
    assert cut.stop_reason
    readings.enricher.max_seconds = 60.0

    class AfterThree:
        def is_set(self):
            return len(readings.asked("stargazers")) >= 3

    readings.read("star_backfill", famous, stop=AfterThree())
    _, next_page, _ = star_backfill_row(readings, famous)
    assert next_page == 4
    readings.read("star_backfill", famous)
    pages = [e.query.get("page", "1") for e in readings.sandbox.log.entries if "stargazers" in e.path]
    assert pages == [str(number) for number in range(1, len(pages) + 1)]
    assert sum(stars_by_day(readings, famous).values()) == current_stars(readings, famous)


def test_reading_twice_writes_once_and_the_second_time_is_free(readings, famous):
    readings.sandbox.world.freeze()
    readings.read("star_history", famous)
    before = readings.ingestor.count("star_day")
    again = readings.read("star_history", famous, force=True)
    assert again.tally.not_modified == 1
    assert again.rows_written == 0
    assert readings.ingestor.count("star_day") == before


def test_a_day_that_loses_a_star_gets_a_second_reading_and_keeps_the_first(readings, famous):
    readings.sandbox.world.freeze()
    readings.sandbox.world.edit.star(famous, 40)
    readings.read("star_history", famous)
    today = pacific_day(readings.now())
    readings.sandbox.world.advance(hours=2)
    readings.sandbox.world.edit.star(famous, -30)
    readings.read("star_history", famous, force=True)
    rows = readings.rows(
        "SELECT stars FROM star_day WHERE repository_id = :id AND day = :day ORDER BY captured_at",
        id=readings.id_of(famous), day=today,
    )  # fmt: skip
    assert len(rows) == 2
    assert rows[0][0] > rows[1][0]


def test_days_are_days_in_california(readings, famous):
    """At seven in the morning in London, stars still count for the day before."""
    world = readings.sandbox.world
    world.freeze(readings.now().replace(hour=7, minute=0, second=0))
    world.edit.star(famous, 500)
    readings.read("star_history", famous)
    yesterday = readings.now().date() - timedelta(days=1)
    told = stars_by_day(readings, famous)
    assert told[yesterday] >= 500
    assert readings.now().date() not in told


def test_after_a_long_absence_the_walk_begins_again(readings, famous):
    """The first page no longer reaches back to the last look: nothing in between is taken for zero."""
    readings.read("star_history", famous)
    readings.read("star_backfill", famous)
    readings.sandbox.world.advance(days=250)
    readings.read("star_history", famous)
    first_day, next_page, _ = star_backfill_row(readings, famous)
    assert next_page == 2
    assert first_day > date(2026, 1, 1)


def test_an_older_answer_changes_nothing(readings, famous):
    readings.read("star_history", famous)
    before = stars_by_day(readings, famous)
    subject_id = readings.id_of(famous)
    old = [StarWeek(day - timedelta(days=(day.weekday() + 1) % 7), (1,) * 7) for day in [max(before)]]
    with readings.engine.begin() as connection:
        store_first_page(
            connection, subject_id, old, readings.now() - timedelta(days=1), has_more=False, stored_at=None
        )
    after = stars_by_day(readings, famous)
    assert {day: count for day, count in after.items() if day in before} == before


@pytest.mark.parametrize("fault", [404, 403, 451])
def test_a_repository_that_is_not_shown_is_asked_again_tomorrow(readings, famous, fault):
    readings.sandbox.faults.refuse(famous, fault)
    run = readings.read("star_history", famous)
    assert run.failed == 1
    state, failed_attempts, reason, due_at, captured_at = readings.state("star_history", famous)
    assert (state, failed_attempts, captured_at) == ("refused", 1, None)
    assert famous in reason
    assert due_at - readings.now() > timedelta(hours=23)
    assert readings.ingestor.count("missing_endpoint") == 0
