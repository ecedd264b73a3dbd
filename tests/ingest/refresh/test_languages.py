"""Languages are fetched where something free suggests a change, and stored as reported, however large."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from ingest.github.api.models import Repository
from ingest.refresh.languages import (
    SETTLE_TIME,
    LanguageSignals,
    LanguagesState,
    fetch_again_at,
    refetch_interval,
    should_fetch_languages,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PUSHED_AT = NOW - timedelta(days=1)
REPORTED = Repository(
    github_id=10,
    owner_login="octocat",
    name="hello",
    full_name="octocat/hello",
    pushed_at=PUSHED_AT,
    default_branch="main",
    primary_language="Python",
    size_kb=120,
)
FETCHED = LanguagesState(NOW - timedelta(hours=1), LanguageSignals.of(REPORTED))
MORE_THAN_32_BITS = 2_550_296_376


def reported(**changes):
    return REPORTED.model_copy(update=changes)


def test_languages_never_fetched_are_fetched():
    assert should_fetch_languages(None, REPORTED, NOW)
    assert should_fetch_languages(LanguagesState(None), REPORTED, NOW)


def test_an_empty_repository_has_no_languages_to_fetch():
    assert not should_fetch_languages(None, reported(pushed_at=None), NOW)


def test_nothing_is_spent_while_nothing_changes():
    assert not should_fetch_languages(FETCHED, REPORTED, NOW)
    assert not should_fetch_languages(FETCHED, reported(stars=5, forks=5, description="new", is_archived=True), NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"pushed_at": NOW},
        {"default_branch": "trunk"},
        {"primary_language": "Rust"},
        {"primary_language": None},
        {"size_kb": 121},
        {"size_kb": 0},
    ],
)
def test_each_free_signal_alone_makes_languages_due(change):
    assert should_fetch_languages(FETCHED, reported(**change), NOW)


def test_a_first_language_without_a_push_makes_languages_due():
    """GitHub computes the languages of a first push later than fifteen minutes now and then."""
    before = replace(FETCHED, signals=LanguageSignals.of(reported(primary_language=None)))
    assert should_fetch_languages(before, REPORTED, NOW)


@pytest.mark.parametrize("unreported", [{"size_kb": None}, {"default_branch": None}])
def test_a_value_that_was_not_reported_is_no_change(unreported):
    assert not should_fetch_languages(FETCHED, reported(**unreported), NOW)
    before = replace(FETCHED, signals=LanguageSignals.of(reported(**unreported)))
    assert not should_fetch_languages(before, REPORTED, NOW)


def test_languages_fetched_right_after_a_push_are_fetched_once_more():
    """A push at 12:00, fetched at 12:01: again from 12:15 on, and then no more."""
    again_at = fetch_again_at(FETCHED, reported(pushed_at=NOW), NOW + timedelta(minutes=1), is_complete=True)
    assert again_at == NOW + timedelta(minutes=15)
    state = LanguagesState(NOW + timedelta(minutes=1), LanguageSignals.of(reported(pushed_at=NOW)), again_at)
    assert not should_fetch_languages(state, reported(pushed_at=NOW), NOW + timedelta(minutes=14))
    assert should_fetch_languages(state, reported(pushed_at=NOW), NOW + timedelta(minutes=15))
    assert fetch_again_at(state, reported(pushed_at=NOW), NOW + SETTLE_TIME, is_complete=True) is None


def test_languages_of_another_default_branch_are_fetched_once_more():
    """Nobody knows when the branch changed; GitHub may recompute only now."""
    now_trunk = reported(default_branch="trunk")
    again_at = fetch_again_at(FETCHED, now_trunk, NOW, is_complete=True)
    assert again_at == NOW + SETTLE_TIME
    state = LanguagesState(NOW, LanguageSignals.of(now_trunk), again_at)
    assert fetch_again_at(state, now_trunk, NOW + SETTLE_TIME, is_complete=True) is None


def test_what_nothing_shows_is_fetched_again_from_idle_budget_in_about_a_month():
    """30 days times 0.75 to 1.25, by the repository's id: 22.5 days for 1009, 30 days less a little for 504."""
    state = replace(FETCHED, at=NOW)
    first, middle = reported(github_id=1009), reported(github_id=504)
    assert refetch_interval(1009) == timedelta(days=22.5)
    assert timedelta(days=29.9) < refetch_interval(504) < timedelta(days=30)
    assert not should_fetch_languages(state, first, NOW + timedelta(days=22), is_idle=True)
    assert should_fetch_languages(state, first, NOW + timedelta(days=23), is_idle=True)
    assert not should_fetch_languages(state, middle, NOW + timedelta(days=29), is_idle=True)
    assert not should_fetch_languages(state, first, NOW + timedelta(days=400))


def test_languages_of_which_some_failed_are_fetched_again():
    assert fetch_again_at(FETCHED, REPORTED, NOW, is_complete=False) == NOW + SETTLE_TIME
    assert fetch_again_at(None, REPORTED, NOW, is_complete=True) is None


@pytest.fixture
def still(ingestor):
    """Freeze GitHub's clock, and let ours be the same."""
    ingestor.world.freeze()
    ingestor.refresher.clock = lambda: datetime.fromtimestamp(ingestor.world.now(), UTC)
    return ingestor


def active_repository(ingestor):
    login = ingestor.login_with_most_repositories("user")
    return login, ingestor.active_repository(login)


def stored_languages(ingestor, login, full_name):
    (found,) = [one for one in ingestor.stored_account(login)["repositories"] if one["full_name"] == full_name]
    return found["languages"]


def test_bytes_recomputed_without_a_push_follow_the_primary_language(still):
    login, full_name = active_repository(still)
    still.world.edit.push(full_name, {"Python": 4000, "C": 100})
    still.refresh(login)
    still.world.advance(hours=1)
    still.refresh(login)
    still.world.edit.recount(full_name, {"Rust": 9000, "C": 100})
    still.refresh(login)
    assert stored_languages(still, login, full_name) == {"Rust": 9000, "C": 100}


def test_another_default_branch_brings_its_bytes_without_a_push_even_if_recomputed_later(still):
    login, full_name = active_repository(still)
    still.world.edit.recount(full_name, {"Python": 4000})
    still.refresh(login)
    still.world.edit.rebranch(full_name, "another")
    still.refresh(login)
    still.world.advance(minutes=20)
    still.world.edit.recount(full_name, {"Python": 7000, "C": 5})  # the primary language stays
    still.refresh(login)
    assert stored_languages(still, login, full_name) == {"Python": 7000, "C": 5}


@pytest.mark.parametrize("client", ["ingestor", "anonymous"])
def test_bytes_beyond_32_bits_are_stored_as_sent(request, client):
    """2,550,296,376 bytes of one language, seen over GraphQL, whose Int ends at 2,147,483,647."""
    ingestor = request.getfixturevalue(client)
    ingestor.world.freeze()
    login, full_name = active_repository(ingestor)
    ingestor.world.edit.recount(full_name, {"C": MORE_THAN_32_BITS, "Python": 2**31})
    ingestor.refresh(login)
    assert stored_languages(ingestor, login, full_name) == {"C": MORE_THAN_32_BITS, "Python": 2**31}


def test_a_language_that_github_fails_to_report_costs_itself_and_comes_later(still):
    login, full_name = active_repository(still)
    still.world.edit.recount(full_name, {"C": 300, "Python": 200, "Go": 100})
    still.sandbox.faults.hide_language(full_name, "Python")
    run = still.refresh(login)
    assert (run.state, run.failed) == ("done", 0)
    assert stored_languages(still, login, full_name) == {"C": 300, "Go": 100}
    still.sandbox.faults.clear()
    still.world.advance(minutes=20)
    still.refresh(login)
    assert stored_languages(still, login, full_name) == {"C": 300, "Python": 200, "Go": 100}


@pytest.mark.parametrize(("share_left", "followed"), [(0.9, True), (0.2, False)])
def test_bytes_that_changed_without_a_signal_follow_while_the_budget_is_idle(still, share_left, followed):
    login, full_name = active_repository(still)
    still.sandbox.limits.set_remaining(round(share_left * 5000), resource="graphql")
    still.world.edit.recount(full_name, {"Python": 4000})
    still.refresh(login)
    still.world.edit.recount(full_name, {"Python": 7000})
    with still.engine.begin() as connection:
        connection.execute(
            # In UTC: Citus takes no function in an UPDATE whose result the session's time zone changes.
            text(
                "UPDATE repository SET languages_checked_at ="
                " (languages_checked_at AT TIME ZONE 'UTC' - interval '40 days') AT TIME ZONE 'UTC'"
            )
        )
    still.refresh(login, urgent=False)
    assert stored_languages(still, login, full_name) == {"Python": 7000 if followed else 4000}
