"""Contribution calendars, extras and traffic: access and cost."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.queue.enrichment import FACT_KINDS
from ingest.enrichment import contributions as years
from ingest.enrichment import due
from ingest.enrichment.due import Target
from ingest.sandbox.world import contributions, repository_facts

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def calendar_target(first_day=None, born=date(2015, 3, 4)):
    created_at = datetime(born.year, born.month, born.day, tzinfo=UTC)
    return Target(1, 1, None, "octocat", "U_1", None, NOW, first_day=first_day, created_at=created_at)


@given(st.dates(date(2005, 1, 1), date(2026, 11, 23)))
def test_the_walk_through_the_years_leaves_no_day_out_and_asks_none_twice(born):
    asked, first_day = [], None
    for _ in range(20):
        spans = years.spans_to_fetch(calendar_target(first_day, born))
        assert len(spans) <= years.MAX_SPANS_PER_QUERY
        assert all((last - first).days == 364 for first, last in spans)
        asked += spans if first_day is None else spans[1:]
        first_day = min([first for first, _ in spans] + ([first_day] if first_day else []))
        if first_day <= years.first_possible_day(calendar_target(None, born)):
            break
    days = [first + timedelta(days=offset) for first, last in asked for offset in range((last - first).days + 1)]
    assert len(days) == len(set(days)) == (max(days) - min(days)).days + 1
    assert min(days) <= max(born, years.GITHUB_FIRST_DAY)


@pytest.fixture
def user(readings):
    login = readings.ingestor.login_with_most_repositories("user")
    readings.track(login)
    return login


def test_a_users_calendar_is_read_to_the_first_day_and_then_a_year_at_a_time(readings, user):
    account = readings.sandbox.world.account(user)
    points = readings.sandbox.log.points()
    assert readings.read("contributions", user).stored == 1
    born, today = datetime.fromtimestamp(account.created_at, UTC).date(), readings.now().date()
    every = [born + timedelta(days=offset) for offset in range((today - born).days + 1)]
    truth = {day: count for day in every if (count := contributions.contributions_on(account, day))}
    assert dict(readings.rows("SELECT day, contributions FROM contribution_day")) == truth
    assert readings.sandbox.log.points() - points <= 5
    again = readings.read("contributions", user, force=True)
    assert (again.tally.requests, again.rows_written) == (1, 0)


def test_organizations_and_those_asked_without_a_token_have_no_calendar(readings, user):
    organization = readings.ingestor.login_with_most_repositories("organization")
    readings.track(organization)
    with readings.engine.begin() as connection:
        found = due.due_subjects(connection, FACT_KINDS["contributions"], readings.now(), 50)
    assert [one.id for one in found] == [readings.id_of(user)]


def test_extras_of_a_hundred_repositories_cost_four_points_and_are_held_as_told(readings, user):
    names = [one["full_name"] for one in readings.sandbox.ground_truth(user)["repositories"]]
    readings.sandbox.world.freeze()
    run = readings.read("extras", *names)
    assert (run.stored, run.tally.requests) == (len(names), 1)
    held = {row[0]: row[1:] for row in readings.rows(
        "SELECT full_name, watchers, open_issues, open_change_requests, topics"
        "  FROM repository JOIN repository_current ON repository_id = id"
    )}  # fmt: skip
    for one in readings.sandbox.ground_truth(user)["repositories"]:
        assert held[one["full_name"]][:3] == (one["watchers"], one["open_issues"], one["open_change_requests"])
        assert sorted(held[one["full_name"]][3]) == sorted(one["topics"])
    readings.sandbox.world.advance(seconds=5)
    assert readings.read("extras", *names, force=True).rows_written == 0


def test_one_repository_that_is_not_shown_leaves_the_others_theirs(readings, user):
    names = [one["full_name"] for one in readings.sandbox.ground_truth(user)["repositories"]]
    readings.sandbox.faults.refuse(names[0], 404)
    run = readings.read("extras", *names)
    assert (run.stored, run.failed) == (len(names) - 1, 1)
    assert readings.state("extras", names[0])[0] == "refused"


def test_without_graphql_none_of_it_is_asked_again(readings, user, monkeypatch):
    monkeypatch.setattr(readings.ingestor.github._graphql, "is_missing", True)
    asked = len(readings.sandbox.log)
    assert "no endpoint for" in readings.read("contributions", user).stop_reason
    assert len(readings.sandbox.log) == asked
    assert readings.ingestor.count("missing_endpoint") == 1


def test_traffic_is_asked_of_one_repository_until_we_know_that_we_may_see_it(readings, user):
    """A refusal is charged: the others of an account that is not ours are left alone."""
    with readings.engine.begin() as connection:
        (probe,) = due.due_subjects(connection, FACT_KINDS["traffic"], readings.now(), 50)
    run = readings.enricher.run("traffic", [probe.id])
    assert run.failed == 1
    with readings.engine.begin() as connection:
        assert due.due_subjects(connection, FACT_KINDS["traffic"], readings.now() + timedelta(hours=23), 50) == []
        assert len(due.due_subjects(connection, FACT_KINDS["traffic"], readings.now() + timedelta(hours=25), 50)) == 1


def test_our_own_traffic_is_held_day_by_day(readings, user):
    readings.sandbox.limits.tokens["sandbox-token-1"] = user
    with readings.engine.begin() as connection:
        (probe,) = due.due_subjects(connection, FACT_KINDS["traffic"], readings.now(), 50)
    readings.enricher.run("traffic", [probe.id])
    name = readings.rows("SELECT full_name FROM repository WHERE id = :id", id=probe.id)[0][0]
    told = repository_facts.traffic(readings.sandbox.world.repository(name), readings.sandbox.world.now(), "views")
    assert readings.rows("SELECT coalesce(sum(views), 0) FROM traffic_day") == [(told["count"],)]
    with readings.engine.begin() as connection:
        others = due.due_subjects(connection, FACT_KINDS["traffic"], readings.now(), 500)
    assert len(others) == readings.ingestor.count("repository") - 1
