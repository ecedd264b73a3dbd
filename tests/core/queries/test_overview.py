"""The whole installation: tracking, freshness, movers and changes."""

from collections import Counter
from datetime import date, timedelta

import pytest
from pandas import DataFrame
from sqlalchemy import insert

from core.db import schema
from core.queries import coverage, freshness, languages, movers, overview
from core.queries.coverage import DataState
from core.queries.overview import TrackingCounts
from tests import seed_data
from tests.seed_data import utc

NOW = utc("2026-03-10 12:00")


def add_tracked_account(database, login: str, **values: object) -> int:
    account = seed_data.add_account(database, login)
    database.execute(insert(schema.tracked_account).values(account_id=account, **values))
    return account


def test_an_empty_almanac_counts_nothing(database):
    assert overview.tracking_counts(NOW).tracked == 0
    assert overview.stored_totals().repositories == 0
    assert movers.movers(None, 30).newest_at is None
    assert movers.movers(None, 30).rows.empty
    assert freshness.account_freshness(NOW).empty
    assert coverage.freshness_and_coverage(NOW) == DataState(None, None)


def test_tracking_counts_due_paused_queued_and_failing_accounts(database):
    add_tracked_account(database, "due", due_at=NOW - timedelta(hours=1))
    add_tracked_account(database, "later", due_at=NOW + timedelta(hours=1), failures=2)
    add_tracked_account(database, "resting", due_at=NOW - timedelta(hours=1), paused=True)
    add_tracked_account(database, "going", due_at=NOW - timedelta(hours=1), queued_at=NOW)
    result = overview.tracking_counts(NOW)
    assert result == TrackingCounts(
        tracked=4, paused=1, due=1, queued=1, failing=1, next_due_at=NOW + timedelta(hours=1)
    )


def test_movers_are_compared_up_to_the_newest_capture(database):
    """An import that ended long ago has no growth this month."""
    seed_data.add_repository(database, "octo/cat", {"2026-03-01": 100}, growth={30: 5}, refreshed_at="2026-03-10")
    seed_data.add_imported_repository(database, "old/fame", {"2025-01-01": 1000}, growth={30: 900})
    found = movers.movers(None, 30)
    assert found.newest_at == utc("2026-03-10")
    assert found.rows[["full_name", "growth"]].to_numpy().tolist() == [["octo/cat", 5]]
    assert (found.compared, found.not_captured, found.unknown_at_start) == (1, 1, 0)


def test_movers_of_an_import_alone_are_those_of_its_last_days(database):
    seed_data.add_imported_repository(database, "old/fame", {"2025-01-01": 1000}, growth={30: 900})
    seed_data.add_imported_repository(database, "older/fame", {"2024-01-01": 1000}, growth={30: 950})
    assert movers.movers(None, 30).rows["full_name"].tolist() == ["old/fame"]


def test_movers_of_a_past_day_are_computed_from_snapshots_until_then(database):
    seed_data.add_imported_repository(database, "octo/cat", {"2025-01-05": 10, "2025-02-02": 40, "2025-06-01": 9000})
    seed_data.add_imported_repository(database, "octo/new", {"2025-02-02": 500})
    found = movers.movers(utc("2025-02-05"), 7 * 4).rows
    assert found[["full_name", "growth"]].to_numpy().tolist() == [["octo/cat", 30]]


def test_a_change_long_ago_is_still_the_base_of_our_own_growth(database):
    seed_data.add_repository(database, "octo/cat", {"2025-01-01": 10, "2026-03-01": 60}, captures=["2026-01-29"])
    found = movers.movers(utc("2026-03-02"), 30).rows
    assert found["growth"].tolist() == [50]


def captured(database, *days: str) -> None:
    """Capture one account on these days."""
    account = seed_data.add_account(database, "octo", checked_at=utc(max(days)))
    database.execute(insert(schema.capture_open), [{"account_id": account, "captured_at": utc(day)} for day in days])


def test_the_trend_adds_up_each_source_separately(database):
    captured(database, "2026-01-01")
    elsewhere = seed_data.add_source(database, "weekly list")
    for day, source, language, stars in (
        (date(2026, 1, 1), 1, "C", 1),
        (date(2026, 1, 1), 1, "", 2),
        (date(2026, 1, 1), elsewhere, "C", 100),
    ):
        database.execute(
            insert(schema.language_day).values(
                day=day, source_id=source, language=language, stars=stars, repositories=1
            )
        )
    trend = overview.source_trend(utc("2026-02-01"))
    assert trend[["source", "stars", "languages"]].to_numpy().tolist() == [["GitHub", 3, 1], ["weekly list", 100, 1]]


def add_rollups(database, stars: dict[str, int], source: int = 1) -> None:
    rows = [
        {"day": date.fromisoformat(day), "source_id": source, "language": "C", "repositories": 1, "stars": count}
        for day, count in stars.items()
    ]
    database.execute(insert(schema.language_day), rows)


def test_the_daily_trend_rests_for_two_days_and_is_unknown_while_nobody_refreshed(database):
    """Captures on the 1st, 2nd and 8th: the default interval is less than a day, so the 5th to the 7th are unknown."""
    captured(database, "2026-01-01", "2026-01-02 18:00", "2026-01-08")
    add_rollups(database, {"2026-01-01": 5, "2026-01-02": 6, "2026-01-05": 6, "2026-01-08": 9})
    rollups = overview.source_trend(utc("2026-01-08 23:59:59.999999"))
    trend = overview.daily_trend(rollups, "stars", utc("2026-01-08"))
    assert rollups["stars"].tolist() == [5, 6, 9]  # nobody captured on the 5th
    assert [None if value != value else value for value in trend] == [5, 6, 6, 6, None, None, None, 9]


def test_the_daily_trend_of_a_weekly_import_has_a_value_on_each_day(database):
    """Its captures are a week apart: two weeks after the last one it is unknown."""
    elsewhere = seed_data.add_source(database, "weekly list")
    add_rollups(database, {"2026-01-01": 5, "2026-01-08": 6}, elsewhere)
    trend = overview.daily_trend(overview.source_trend(utc("2026-02-01")), "stars", utc("2026-01-24"))
    assert [None if value != value else value for value in trend] == [5] * 7 + [6] * 15 + [None] * 2


def test_the_daily_trend_is_that_of_the_year_before(database):
    captured(database, "2024-06-01", "2026-01-01")
    add_rollups(database, {"2024-06-01": 5, "2026-01-01": 6})
    rollups = overview.source_trend(utc("2026-01-02"))
    assert overview.daily_trend(rollups, "stars", utc("2026-01-02")) == [6, 6]


def test_the_daily_trend_of_unknown_forks_is_unknown(database):
    """A source may report stars alone."""
    elsewhere = seed_data.add_source(database, "weekly list")
    add_rollups(database, {"2026-01-01": 5, "2026-01-02": 6}, elsewhere)
    rollups = overview.source_trend(utc("2026-01-02"))
    assert rollups["forks"].isna().all()
    trend = overview.daily_trend(rollups, "forks", utc("2026-01-02"))
    assert [value != value for value in trend] == [True, True]


def test_a_rollup_counts_only_once_all_its_captures_were_made(database):
    """At noon of the 2nd its rollup, with a capture of 18:00, is still in the future; later nobody captured."""
    captured(database, "2026-01-01", "2026-01-02 18:00")
    add_rollups(database, {"2026-01-01": 5, "2026-01-02": 6})
    last = {at: overview.source_trend(utc(at))["stars"].tolist()[-1] for at in ("2026-01-02 12:00", "2026-01-02 18:00")}
    assert last == {"2026-01-02 12:00": 5, "2026-01-02 18:00": 6}
    assert languages.ranking("GitHub", utc("2026-01-02 12:00"))["stars"].tolist() == [5]
    assert languages.language_trend("GitHub", utc("2026-01-02 12:00"))["stars"].tolist() == [5]
    assert languages.rollup_sources(utc("2026-01-02 12:00"))["newest"].tolist() == [utc("2026-01-01")]


def test_last_refreshed_as_of_a_day_is_the_last_capture_before_it_not_the_last_change(database):
    seed_data.add_repository(
        database, "octo/cat", {"2026-01-01": 1, "2026-03-01": 2}, captures=["2026-01-20", "2026-02-10"]
    )
    assert coverage.freshness_and_coverage(utc("2026-02-01")).latest_capture_at == utc("2026-01-20")


def test_as_of_a_day_the_latest_capture_is_not_later(database):
    seed_data.add_repository(database, "octo/cat", {"2026-01-01": 1, "2026-03-01": 2})
    assert coverage.freshness_and_coverage(NOW).latest_capture_at == utc("2026-03-01")
    assert coverage.freshness_and_coverage(utc("2026-02-01")).latest_capture_at == utc("2026-01-01")


def test_unavailable_repositories_are_no_movers(database):
    lost = seed_data.add_imported_repository(
        database, "octo/lost", {"2025-01-01": 10}, growth={30: 5}, gone_at=utc("2024-12-31")
    )
    assert lost
    assert movers.movers(None, 30).rows.empty


def freshness_rows() -> DataFrame:
    rows = DataFrame(
        {
            "login": ["never", "slow", "quick", "paused", "failing", "gone"],
            "age_hours": [None, 30.0, 13.0, 900.0, 0.5, 900.0],
            "every_hours": [6.0, 24.0, 6.0, 6.0, 6.0, 6.0],
            "state": ["never", "on_time", "overdue", "paused", "on_time", "deleted"],
            "failures": [0, 0, 0, 0, 3, 40],
        }
    )
    rows.attrs = {"sql": "SELECT 1", "values": {}}
    return rows


def test_paused_and_deleted_accounts_are_left_out():
    assert overview.counted_accounts(freshness_rows())["login"].tolist() == ["never", "slow", "quick", "failing"]


def test_lateness_is_measured_by_each_account_s_own_cadence():
    found = overview.most_overdue(overview.counted_accounts(freshness_rows()), 3)
    assert found["login"].tolist() == ["never", "quick", "slow"]


AGES_HOURS = [None, -1.0, 0.0, 0.99, 1.0, 5.5, 6.0, 25.0, 48.0, 167.0]


def slow_bin(hours: float | None) -> str:
    if hours is None:
        return overview.NEVER_REFRESHED
    return next(label for label, bound in overview.AGE_BINS.items() if hours < bound)


@pytest.mark.parametrize("hours", [AGES_HOURS, AGES_HOURS[2:4], [1000.0, 168.0, None]])
def test_ages_are_counted_in_bins_and_rare_bins_show_only_when_needed(database, hours):
    for number, age in enumerate(hours):
        account = add_tracked_account(database, f"octo{number}")
        checked_at = None if age is None else NOW - timedelta(hours=age)
        database.execute(schema.account.update().where(schema.account.c.id == account).values(checked_at=checked_at))
    add_tracked_account(database, "paused", paused=True)
    gone = add_tracked_account(database, "gone", failures=9)
    database.execute(schema.account.update().where(schema.account.c.id == gone).values(gone_at=NOW))
    assert overview.tracking_counts(NOW).failing == 0
    found = overview.accounts_by_age(NOW)
    counts = Counter(map(slow_bin, hours))
    labels = [*overview.AGE_BINS, overview.NEVER_REFRESHED]
    expected = {label: counts[label] for label in labels if counts[label] or label in labels[:4]}
    assert list(zip(found["age"], found["accounts"], strict=True)) == list(expected.items())
    assert "width_bucket" in found.attrs["sql"]


def test_shaped_frames_keep_the_sql_they_came_from():
    rows = freshness_rows()
    for shaped in (
        overview.counted_accounts(rows),
        overview.most_overdue(rows, 2),
    ):
        assert shaped.attrs == rows.attrs


def test_the_largest_source_is_the_one_with_most_repositories_at_its_end():
    trend = DataFrame({"source_id": [1, 2, 1, 2], "repositories": [9, 5, 3, 6], "stars": [1, 2, 3, 4]})
    assert overview.largest_source(trend)["stars"].tolist() == [2, 4]
    assert overview.largest_source(trend.head(0)).empty


def test_totals_are_compared_within_a_source_that_has_them_at_both_times(database):
    """This installation began on January 8 and has two repositories; the import has one, since December."""
    captured(database, "2026-01-08")
    imported = seed_data.add_source(database, "weekly list")
    add_rollups(database, {"2025-12-07": 90, "2026-01-04": 100}, imported)
    add_rollups(database, {"2026-01-08": 7})
    database.execute(
        insert(schema.language_day).values(
            day=date(2026, 1, 8), source_id=1, language="Go", repositories=1, stars=2, forks=0
        )
    )
    trend = overview.source_trend(utc("2026-01-09"))
    assert overview.largest_source(trend)["stars"].tolist() == [9]
    both = overview.largest_source_of_both(trend, utc("2025-12-08"))
    assert both["stars"].tolist() == [90, 100]
    assert both.attrs == trend.attrs
    assert overview.largest_source_of_both(trend, utc("2024-12-08"))["stars"].tolist() == [9]
