"""Star history: backfilled once to the first star, then updated; withdrawn stars show."""

from datetime import date, timedelta

import pytest

from ingest.enrichment.star_history import store_first_page
from ingest.github.api.fact_types import StarWeek, pacific_day
from ingest.github.errors import RateLimited


def stars_by_day(harness, name):
    """Return the latest row of each day."""
    return dict(
        harness.rows(
            "SELECT DISTINCT ON (day) day, stars FROM star_day WHERE repository_id = :id"
            " ORDER BY day, captured_at DESC",
            id=harness.id_of(name),
        )
    )


def star_backfill_row(harness, name):
    return harness.rows(
        "SELECT first_day, next_page, completed_at FROM star_backfill WHERE repository_id = :id",
        id=harness.id_of(name),
    )[0]


def data_version(harness):
    return harness.rows("SELECT version FROM data_version")[0][0]


def current_stars(harness, name):
    return harness.rows("SELECT stars FROM repository_current WHERE repository_id = :id", id=harness.id_of(name))[0][0]


def test_the_first_page_stores_thirty_weeks_and_leaves_the_rest_to_the_backfill(harness, most_starred):
    run = harness.read("star_history", most_starred)
    assert (run.stored, run.tally.requests) == (1, 1)
    expected = stars_by_day(harness, most_starred)
    assert max(expected) <= pacific_day(harness.now())
    assert min(expected) >= pacific_day(harness.now()) - timedelta(weeks=31)
    first_day, next_page, completed_at = star_backfill_row(harness, most_starred)
    assert first_day.isoweekday() == 7
    assert (next_page, completed_at) == (2, None)


def test_the_backfill_reaches_the_first_star_and_days_sum_to_the_stars(harness, most_starred):
    harness.read("star_history", most_starred)
    harness.read("star_backfill", most_starred)
    assert sum(stars_by_day(harness, most_starred).values()) == current_stars(harness, most_starred)
    _, next_page, completed_at = star_backfill_row(harness, most_starred)
    assert next_page is None
    assert completed_at is not None
    asked = len(harness.asked("stargazers"))
    assert harness.read("star_backfill", most_starred).subjects == 0
    assert len(harness.asked("stargazers")) == asked


def test_an_interrupted_backfill_resumes_at_its_page(harness, most_starred):
    """Interrupted at any page, it requests no page twice and leaves no gap."""
    harness.read("star_history", most_starred)
    harness.enricher.max_seconds = -1.0
    cut = harness.read("star_backfill", most_starred)
    assert cut.stop_reason
    harness.enricher.max_seconds = 60.0

    class AfterThree:
        def is_set(self):
            return len(harness.asked("stargazers")) >= 3

    harness.read("star_backfill", most_starred, stop=AfterThree())
    _, next_page, _ = star_backfill_row(harness, most_starred)
    assert next_page == 4
    harness.read("star_backfill", most_starred)
    pages = [e.query.get("page", "1") for e in harness.sandbox.log.entries if "stargazers" in e.path]
    assert pages == [str(number) for number in range(1, len(pages) + 1)]
    assert sum(stars_by_day(harness, most_starred).values()) == current_stars(harness, most_starred)


def test_pages_stored_before_the_rate_limit_ended_the_job_count_and_are_published(harness, most_starred, monkeypatch):
    harness.read("star_history", most_starred)
    before, star_weeks = data_version(harness), harness.enricher.github.facts.star_weeks

    def refused_after_the_first(subject, page=1, **given):
        if page > 2:
            raise RateLimited(harness.now())
        return star_weeks(subject, page, **given)

    monkeypatch.setattr(harness.enricher.github.facts, "star_weeks", refused_after_the_first)
    run = harness.read("star_backfill", most_starred)
    assert run.retry_at is not None
    assert (run.rows_written > 0, data_version(harness) > before) == (True, True)


def test_a_second_read_writes_nothing_and_is_free(harness, most_starred):
    harness.sandbox.world.freeze()
    harness.read("star_history", most_starred)
    before = harness.ingestor.count("star_day")
    again = harness.read("star_history", most_starred, force=True)
    assert again.tally.not_modified == 1
    assert again.rows_written == 0
    assert harness.ingestor.count("star_day") == before


def test_a_day_that_loses_a_star_gets_a_second_row_and_keeps_the_first(harness, most_starred):
    harness.sandbox.world.freeze()
    harness.sandbox.world.edit.star(most_starred, 40)
    harness.read("star_history", most_starred)
    today = pacific_day(harness.now())
    harness.sandbox.world.advance(hours=2)
    harness.sandbox.world.edit.star(most_starred, -30)
    harness.read("star_history", most_starred, force=True)
    rows = harness.rows(
        "SELECT stars FROM star_day WHERE repository_id = :id AND day = :day ORDER BY captured_at",
        id=harness.id_of(most_starred), day=today,
    )  # fmt: skip
    assert len(rows) == 2
    assert rows[0][0] > rows[1][0]


def test_days_are_in_pacific_time(harness, most_starred):
    """At seven in the morning in London, stars count for the previous day."""
    world = harness.sandbox.world
    world.freeze(harness.now().replace(hour=7, minute=0, second=0))
    world.edit.star(most_starred, 500)
    harness.read("star_history", most_starred)
    yesterday = harness.now().date() - timedelta(days=1)
    expected = stars_by_day(harness, most_starred)
    assert expected[yesterday] >= 500
    assert harness.now().date() not in expected


def test_after_a_long_gap_the_backfill_restarts(harness, most_starred):
    """The first page no longer reaches the last stored day: the gap is not stored as zero."""
    harness.read("star_history", most_starred)
    harness.read("star_backfill", most_starred)
    harness.sandbox.world.advance(days=250)
    harness.read("star_history", most_starred)
    first_day, next_page, _ = star_backfill_row(harness, most_starred)
    assert next_page == 2
    assert first_day > date(2026, 1, 1)


def test_an_older_response_changes_nothing(harness, most_starred):
    harness.read("star_history", most_starred)
    before = stars_by_day(harness, most_starred)
    subject_id = harness.id_of(most_starred)
    old = [StarWeek(day - timedelta(days=(day.weekday() + 1) % 7), (1,) * 7) for day in [max(before)]]
    with harness.engine.begin() as connection:
        store_first_page(connection, subject_id, old, harness.now() - timedelta(days=1), has_more=False, stored_at=None)
    after = stars_by_day(harness, most_starred)
    assert {day: count for day, count in after.items() if day in before} == before


@pytest.mark.parametrize("fault", [404, 403, 451])
def test_an_unavailable_repository_is_retried_the_next_day(harness, most_starred, fault):
    harness.sandbox.faults.refuse(most_starred, fault)
    run = harness.read("star_history", most_starred)
    assert run.failed == 1
    state, failed_attempts, reason, due_at, captured_at = harness.state("star_history", most_starred)
    assert (state, failed_attempts, captured_at) == ("refused", 1, None)
    assert most_starred in reason
    assert due_at - harness.now() > timedelta(hours=23)
    assert harness.ingestor.count("missing_endpoint") == 0
