"""Contribution calendars, extras and traffic: access and cost."""

import math
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.as_of import EARLIEST
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
def test_the_calendar_backfill_requests_every_day_once(born):
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
    assert min(days) <= max(born, EARLIEST.date())


@pytest.fixture
def user(harness):
    login = harness.ingestor.login_with_most_repositories("user")
    harness.track(login)
    return login


def test_a_users_calendar_is_backfilled_and_then_read_yearly(harness, user):
    account = harness.sandbox.world.account(user)
    points = harness.sandbox.log.points()
    assert harness.read("contributions", user).stored == 1
    born, today = datetime.fromtimestamp(account.created_at, UTC).date(), harness.now().date()
    every = [born + timedelta(days=offset) for offset in range((today - born).days + 1)]
    truth = {day: count for day in every if (count := contributions.contributions_on(account, day))}
    assert dict(harness.rows("SELECT day, contributions FROM contribution_day")) == truth
    assert harness.sandbox.log.points() - points <= 5
    again = harness.read("contributions", user, force=True)
    assert (again.tally.requests, again.rows_written) == (1, 0)


def test_organizations_and_anonymous_clients_have_no_calendar(harness, user):
    organization = harness.ingestor.login_with_most_repositories("organization")
    harness.track(organization)
    with harness.engine.begin() as connection:
        found = due.due_subjects(connection, FACT_KINDS["contributions"], harness.now(), 50)
    assert [one.id for one in found] == [harness.id_of(user)]


def test_extras_of_a_hundred_repositories_are_stored_for_four_points(harness, user):
    names = [one["full_name"] for one in harness.sandbox.ground_truth(user)["repositories"]]
    harness.sandbox.world.freeze()
    run = harness.read("extras", *names)
    assert (run.stored, run.tally.requests) == (len(names), 1)
    stored = {row[0]: row[1:] for row in harness.rows(
        "SELECT full_name, watchers, open_issues, open_change_requests, topics"
        "  FROM repository JOIN repository_current ON repository_id = id"
    )}  # fmt: skip
    for one in harness.sandbox.ground_truth(user)["repositories"]:
        assert stored[one["full_name"]][:3] == (one["watchers"], one["open_issues"], one["open_change_requests"])
        assert sorted(stored[one["full_name"]][3]) == sorted(one["topics"])
    harness.sandbox.world.advance(seconds=5)
    assert harness.read("extras", *names, force=True).rows_written == 0


def test_a_hidden_repository_does_not_affect_the_others(harness, user):
    names = [one["full_name"] for one in harness.sandbox.ground_truth(user)["repositories"]]
    harness.sandbox.faults.refuse(names[0], 404)
    run = harness.read("extras", *names)
    assert (run.stored, run.failed) == (len(names) - 1, 1)
    assert harness.state("extras", names[0])[0] == "refused"


def test_without_graphql_nothing_is_requested_again(harness, user, monkeypatch):
    monkeypatch.setattr(harness.ingestor.github._graphql, "_missing_until", math.inf)
    asked = len(harness.sandbox.log)
    assert "no endpoint for" in harness.read("contributions", user).stop_reason
    assert len(harness.sandbox.log) == asked
    assert harness.ingestor.count("missing_endpoint") == 1


def test_traffic_is_requested_of_one_repository_until_access_is_known(harness, user):
    """A refusal is charged: other repositories of an inaccessible account are skipped."""
    with harness.engine.begin() as connection:
        (probe,) = due.due_subjects(connection, FACT_KINDS["traffic"], harness.now(), 50)
    run = harness.enricher.run("traffic", [probe.id])
    assert run.failed == 1
    with harness.engine.begin() as connection:
        assert due.due_subjects(connection, FACT_KINDS["traffic"], harness.now() + timedelta(hours=23), 50) == []
        assert len(due.due_subjects(connection, FACT_KINDS["traffic"], harness.now() + timedelta(hours=25), 50)) == 1


def test_traffic_of_owned_repositories_is_stored_per_day(harness, user):
    harness.sandbox.limits.tokens["sandbox-token-1"] = user
    with harness.engine.begin() as connection:
        (probe,) = due.due_subjects(connection, FACT_KINDS["traffic"], harness.now(), 50)
    harness.enricher.run("traffic", [probe.id])
    name = harness.rows("SELECT full_name FROM repository WHERE id = :id", id=probe.id)[0][0]
    expected = repository_facts.traffic(harness.sandbox.world.repository(name), harness.sandbox.world.now(), "views")
    assert harness.rows("SELECT coalesce(sum(views), 0) FROM traffic_day") == [(expected["count"],)]
    with harness.engine.begin() as connection:
        others = due.due_subjects(connection, FACT_KINDS["traffic"], harness.now(), 500)
    assert len(others) == harness.ingestor.count("repository") - 1
