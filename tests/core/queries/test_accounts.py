"""Accounts: profile, totals over their repositories, history and coverage."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas import DataFrame
from sqlalchemy import Connection, insert, text, update

from core.db import schema
from core.db.frames import clear_frames
from core.queries import accounts
from core.queries.accounts import LatestCapture
from core.queries.as_of import as_of_or_end_of_today
from tests import seed_data
from tests.seed_data import utc


def add_snapshot(database: Connection, account_id: int, at: str, **counts: int) -> None:
    """Add a snapshot and its capture."""
    database.execute(insert(schema.account_snapshot).values(account_id=account_id, captured_at=utc(at), **counts))
    add_capture(database, account_id, at)


def add_capture(database: Connection, account_id: int, at: str) -> None:
    database.execute(
        text("INSERT INTO capture_open (account_id, captured_at) VALUES (:id, :at) ON CONFLICT DO NOTHING"),
        {"id": account_id, "at": utc(at)},
    )


def test_a_login_is_found_whatever_its_case(database):
    seed_data.add_account(database, "Octo-Cat", kind="user")
    assert accounts.find("octo-cat", None).login == "Octo-Cat"


def test_of_two_accounts_with_a_login_the_available_one_is_found(database):
    for github_id, gone in ((1, utc("2025-01-01")), (2, None)):
        database.execute(insert(schema.account).values(login="octo", github_id=github_id, gone_at=gone))
    assert accounts.profile(accounts.find("octo", None).account_id, None).gone_at is None


def test_an_unknown_login_is_none(database):
    assert accounts.find("nobody", None) is None


@pytest.fixture
def renamed(database) -> int:
    """An account that was called tentacle until January, octopus until February, and is called octo."""
    octo = seed_data.add_account(database, "octo", github_id=1, bio="now", first_captured_at=utc("2025-06-01"))
    seed_data.add_account_version(database, octo, "2026-01-01", login="tentacle", bio=None)
    seed_data.add_account_version(database, octo, "2026-02-01", login="octopus", bio="then")
    return octo


@pytest.mark.parametrize(
    ("given", "as_of", "login", "is_former"),
    [
        ("octo", None, "octo", False),
        ("Tentacle", None, "octo", True),
        ("octopus", None, "octo", True),
        ("tentacle", "2025-12-31", "tentacle", False),
        ("octopus", "2026-01-31", "octopus", False),
        ("octo", "2026-01-31", "octopus", False),  # a link to its present name shows it as it was
        ("tentacle", "2026-01-31", "octopus", True),
        ("octopus", "2026-02-01", "octo", True),
        ("octo", "2020-01-01", "tentacle", False),  # before the first capture: the oldest known name
    ],
)
def test_an_account_is_found_by_every_name_it_had(renamed, given, as_of, login, is_former):
    found = accounts.find(given, as_of and utc(as_of))
    assert (found.account_id, found.login, found.current_login, found.is_former) == (renamed, login, "octo", is_former)


def test_a_reused_login_means_then_who_had_it_then(database, renamed):
    other = seed_data.add_account(
        database, "tentacle", github_id=2, created_at=utc("2026-03-01"), first_captured_at=utc("2026-03-02")
    )
    assert accounts.find("tentacle", None).account_id == other
    assert accounts.find("tentacle", utc("2026-04-01")).account_id == other
    assert accounts.find("tentacle", utc("2025-12-01")).account_id == renamed


def test_a_profile_is_that_of_then_and_empty_before_the_first_capture(renamed):
    profiles = {
        day: accounts.profile(renamed, utc(day)) for day in ("2025-05-01", "2025-12-01", "2026-01-15", "2026-02-01")
    }
    assert [one.bio for one in profiles.values()] == [None, None, "then", "now"]
    assert [one.is_known for one in profiles.values()] == [False, True, True, True]


def test_own_totals_are_the_last_snapshot_and_that_of_four_weeks_before(database):
    octo = seed_data.add_account(database, "octo")
    add_snapshot(database, octo, "2026-03-01", stars=100, forks=10, repositories=3, followers=7)
    add_capture(database, octo, "2026-03-20")
    add_snapshot(database, octo, "2026-04-17", stars=130, forks=11, repositories=4, followers=9)
    totals = accounts.totals(octo, utc("2026-04-17 12:00"))
    assert (totals.stars, totals.stars_before, totals.followers_before) == (130, 100, 7)
    assert totals.source == "GitHub"


def test_without_a_capture_four_weeks_ago_growth_is_unknown(database):
    octo = seed_data.add_account(database, "octo")
    add_snapshot(database, octo, "2026-01-01", stars=100, forks=10, repositories=3)
    add_snapshot(database, octo, "2026-04-17", stars=130, forks=11, repositories=4)
    totals = accounts.totals(octo, utc("2026-04-17 12:00"))
    assert totals.stars == 130
    assert totals.stars_before is None


def test_nothing_collected_is_no_totals(database):
    assert accounts.totals(seed_data.add_account(database, "octo"), None) is None


def test_imported_totals_compare_like_with_like(database):
    """A repository new to the source adds no growth."""
    seed_data.add_imported_repository(database, "octo/cat", {"2026-03-01": 100, "2026-03-29": 110})
    seed_data.add_imported_repository(database, "octo/dog", {"2026-03-29": 5000})
    octo = seed_data.add_account(database, "octo")
    totals = accounts.totals(octo, None)
    assert (totals.stars, totals.repositories) == (5110, 2)
    assert totals.stars - totals.stars_before == 10


def test_own_totals_are_preferred_over_imported_ones(database):
    seed_data.add_imported_repository(database, "octo/cat", {"2026-03-01": 100})
    octo = seed_data.add_account(database, "octo")
    add_snapshot(database, octo, "2026-04-01", stars=160, forks=0, repositories=5)
    assert accounts.totals(octo, None).stars == 160
    assert accounts.totals(octo, utc("2026-03-15")).stars == 100


def test_imported_totals_count_what_was_created_since_as_growth(database):
    """Dog was created on the 10th: four weeks before the 29th it had no stars."""
    seed_data.add_imported_repository(database, "octo/cat", {"2026-03-01": 100, "2026-03-29": 110})
    seed_data.add_imported_repository(database, "octo/dog", {"2026-03-29": 50}, created_at=utc("2026-03-10"))
    totals = accounts.totals(seed_data.add_account(database, "octo"), None)
    assert (totals.stars, totals.stars_before, totals.repositories_before) == (160, 100, 1)


@pytest.mark.parametrize(("day", "before"), [("2026-02-14", None), ("2026-02-15", 100), ("2026-03-01", 100)])
def test_imported_totals_are_confirmed_like_the_growth_of_a_repository(database, day, before):
    """The source reports weekly: four weeks before March 29 a row of the two weeks until March 1 counts."""
    seed_data.add_imported_repository(database, "octo/cat", {day: 100, "2026-03-29": 110})
    assert accounts.totals(seed_data.add_account(database, "octo"), None).stars_before == before


@pytest.fixture
def given_away(database) -> tuple[int, int]:
    """A repository that octo gave to hooli on January 20: both accounts."""
    octo, hooli = seed_data.add_account(database, "octo"), seed_data.add_account(database, "hooli")
    weeks = {"2026-01-04": 100, "2026-01-11": 101, "2026-01-18": 102, "2026-01-25": 103}
    cat = seed_data.add_imported_repository(database, "hooli/cat", weeks)
    seed_data.add_version(database, cat, "2026-01-20", account_id=octo, full_name="octo/cat")
    return octo, hooli


def test_imported_history_counts_for_who_owned_a_repository_then(given_away):
    octo, hooli = given_away
    assert accounts.history(octo, None)["stars"].tolist() == [100, 101, 102]
    taken_over = accounts.history(hooli, None)
    assert taken_over["stars"].tolist() == [102, 103]
    assert taken_over["captured_at"].tolist() == [utc("2026-01-20"), utc("2026-01-25")]
    before, after = utc("2026-01-19"), utc("2026-01-26")
    stars = [(found := accounts.totals(who, at)) and found.stars for who in (octo, hooli) for at in (before, after)]
    assert stars == [102, None, None, 103]
    assert accounts.latest_capture(octo, before).captured_at == utc("2026-01-18")
    assert accounts.latest_capture(hooli, before) is None
    assert len(accounts.coverage_intervals(octo, before)) == 1


@pytest.fixture
def daily(database) -> list[datetime]:
    """Seventy days on each of which both accounts have a repository of a thousand stars."""
    days = [utc("2026-01-01") + timedelta(days=day) for day in range(70)]
    for login in ("octo", "hooli"):
        seed_data.add_imported_repository(database, f"{login}/other", {f"{day:%F}": 1000 for day in days})
    return days


@given(data=st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_an_imported_repository_counts_for_one_account_at_any_time(database, daily, data):
    """Slow and obvious: at each day the newest row of the two weeks before, for the owner of that day."""
    days = daily
    reported = sorted(data.draw(st.sets(st.sampled_from(days), min_size=1, max_size=8)))
    moves = sorted(data.draw(st.sets(st.sampled_from(days), max_size=3)))
    owners = [seed_data.add_account(database, login) for login in ("octo", "hooli")]
    with database.begin_nested() as undone:
        rows = {f"{day:%F}": number + 1 for number, day in enumerate(reported)}
        final = len(moves) % 2
        cat = seed_data.add_imported_repository(database, f"{('octo', 'hooli')[final]}/cat", rows)
        for number, day in enumerate(moves):
            login = ("octo", "hooli")[number % 2]
            seed_data.add_version(database, cat, f"{day:%F}", account_id=owners[number % 2], full_name=f"{login}/cat")
        clear_frames()  # the data version is that of the example before
        found = {owner: accounts.history(owner, None) for owner in owners}
        undone.rollback()
    for day in days:
        newest = [(at, number + 1) for number, at in enumerate(reported) if at <= day]
        stars = newest[-1][1] if newest and day - newest[-1][0] < timedelta(days=14) else 0
        owner = owners[sum(move <= day for move in moves) % 2]
        for one, history in found.items():
            until = history[history["captured_at"] <= day]
            assert until["stars"].iloc[-1] == 1000 + (stars if one == owner else 0), day


def test_a_monthly_source_is_not_out_of_date_after_four_weeks(database):
    seed_data.add_imported_repository(database, "octo/cat", {"2026-01-01": 10, "2026-02-01": 20, "2026-03-01": 30})
    seed_data.add_imported_repository(database, "octo/dog", {"2026-02-01": 5})
    database.execute(text("UPDATE source SET cadence = '31 days' WHERE id <> 1"))
    history = accounts.history(seed_data.add_account(database, "octo"), None)
    assert history["stars"].tolist() == [10, 25, 35]


def test_imported_history_leaves_out_repositories_in_a_gap(database):
    seed_data.add_imported_repository(database, "octo/cat", {"2026-01-04": 100, "2026-01-11": 101, "2026-01-18": 102})
    seed_data.add_imported_repository(database, "octo/dog", {"2026-01-04": 10, "2026-01-18": 12, "2026-03-01": 20})
    history = accounts.history(seed_data.add_account(database, "octo"), None)
    assert history["stars"].tolist() == [110, 111, 114, 20]
    assert history["repositories"].tolist() == [2, 2, 2, 1]


@pytest.mark.parametrize("as_of", ["2026-01-11", "2026-01-12 23:00"])
def test_history_ends_at_as_of(database, as_of):
    seed_data.add_imported_repository(database, "octo/cat", {"2026-01-04": 100, "2026-01-11": 101, "2026-01-18": 102})
    assert accounts.history(seed_data.add_account(database, "octo"), utc(as_of))["stars"].tolist() == [100, 101]


def test_history_names_its_sources_and_keeps_them_apart(database):
    seed_data.add_imported_repository(database, "octo/cat", {"2026-01-04": 100}, by="weekly list")
    octo = seed_data.add_account(database, "octo")
    add_snapshot(database, octo, "2026-02-01", stars=300, forks=0, repositories=9, followers=4)
    history = accounts.history(octo, None)
    assert history["source"].tolist() == ["GitHub", "weekly list"]
    assert history["followers"].fillna(-1).tolist() == [4, -1]


def test_an_interval_ends_after_twice_the_cadence_without_a_capture(database):
    octo = seed_data.add_account(database, "octo")
    for day in (1, 2, 3, 9, 10):
        add_capture(database, octo, f"2026-03-{day:02d}")
    intervals = accounts.coverage_intervals(octo, None)
    assert intervals["from_at"].tolist() == [utc("2026-03-01"), utc("2026-03-09")]
    assert intervals["to_at"].tolist() == [utc("2026-03-03"), utc("2026-03-10")]
    assert intervals["captures"].tolist() == [3, 2]
    assert intervals["overdue_at"].tolist() == [utc("2026-03-05"), utc("2026-03-12")]


def test_an_imported_source_has_its_own_cadence(database):
    seed_data.add_imported_repository(
        database, "octo/cat", {"2026-01-04": 1, "2026-01-17": 2, "2026-02-15": 3}, by="weekly"
    )
    database.execute(text("UPDATE source SET cadence = '7 days' WHERE name = 'weekly'"))
    intervals = accounts.coverage_intervals(seed_data.add_account(database, "octo"), None)
    assert intervals["captures"].tolist() == [2, 1]


def test_a_rare_cadence_is_no_gap(database):
    """Each capture was expected a week after the one before, later a day after."""
    octo = seed_data.add_account(database, "octo")
    for day in (1, 8, 15):
        add_capture(database, octo, f"2026-03-{day:02d}")
    database.execute(update(schema.capture_open).values(cadence=timedelta(days=7)))
    for day in (16, 17, 20):
        add_capture(database, octo, f"2026-03-{day:02d}")
    intervals = accounts.coverage_intervals(octo, None)
    assert intervals["captures"].tolist() == [5, 1]
    assert intervals["overdue_at"].tolist() == [utc("2026-03-19"), utc("2026-03-22")]


def test_the_latest_capture_has_its_run(database):
    octo = seed_data.add_account(database, "octo")
    database.execute(
        text("INSERT INTO capture_open (account_id, captured_at, run_id) VALUES (:id, :at, 812)"),
        {"id": octo, "at": utc("2026-03-01")},
    )
    assert accounts.latest_capture(octo, None) == LatestCapture(utc("2026-03-01"), "GitHub", 812)
    assert accounts.latest_capture(octo, utc("2026-02-01")) is None


def test_tracked_accounts_are_suggested_before_famous_ones(database):
    seed_data.add_repository(database, "famous/one", {"2026-03-01": 9000})
    seed_data.add_repository(database, "small/one", {"2026-03-01": 1})
    database.execute(insert(schema.tracked_account).values(account_id=seed_data.add_account(database, "small")))
    assert accounts.suggestions()["login"].tolist() == ["small", "famous"]


def test_now_means_the_end_of_today(database):
    end = as_of_or_end_of_today(None)
    assert end.date() == datetime.now(UTC).date()
    assert as_of_or_end_of_today(utc("2026-01-01")) == utc("2026-01-01")


def test_history_with_followers_leaves_out_imported_rows():
    history = DataFrame({"stars": [1, 2], "followers": [None, 5]})
    assert accounts.with_followers(history)["stars"].tolist() == [2]


def test_totals_compare_four_weeks_before_the_last_refresh_not_before_today(database):
    """Refreshed until 2026-04-17 and read in May: the four weeks before are known all the same."""
    octo = seed_data.add_account(database, "octo")
    add_snapshot(database, octo, "2026-03-01", stars=100, forks=10, repositories=3, followers=7)
    add_capture(database, octo, "2026-03-20")
    add_snapshot(database, octo, "2026-04-17", stars=130, forks=11, repositories=4, followers=9)
    add_capture(database, octo, "2026-04-17")
    for day in ("2026-04-17", "2026-05-20"):
        assert accounts.totals(octo, utc(day)).stars_before == 100
