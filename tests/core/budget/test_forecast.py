"""Forecast inputs: stored repositories and languages, recent pushes, rate of change and latency."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from core.budget import forecast
from core.budget.rate_limits import RateBudgetBucket

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def account(database):
    """Add an organization refreshed two days ago, three repositories with stored languages and one without."""
    account_id = database.execute(
        text(
            "INSERT INTO account (login, github_id, kind, checked_at)"
            " VALUES ('acme', 1, 'organization', :at) RETURNING id"
        ),
        {"at": NOW - 2 * DAY},
    ).scalar_one()
    pushed = {"often": NOW - 3 * DAY, "lately": NOW - 2.5 * DAY, "long-ago": NOW - 300 * DAY}
    for number, (name, at) in enumerate(pushed.items()):
        database.execute(
            text(
                "INSERT INTO repository (account_id, id, full_name, pushed_at, languages_checked_at)"
                " VALUES (:account, :id, :name, :pushed, :at)"
            ),
            {"account": account_id, "id": number + 1, "name": f"acme/{name}", "pushed": at, "at": NOW - 2 * DAY},
        )
    database.execute(
        text("""
            INSERT INTO repository (account_id, id, full_name, pushed_at, is_fork)
            VALUES (:id, 99, 'acme/new', :at, false), (:id, 98, 'acme/fork', :at, true),
                   (:id, 97, 'acme/empty', NULL, false)
        """),
        {"id": account_id, "at": NOW - 9 * DAY},
    )
    return account_id


def test_expected_pushes_equal_those_of_the_days_before(database, account):
    """Two repositories were pushed to in the two days before the last refresh, which was two days ago."""
    (inputs,) = forecast.load_cost_inputs(database, [account], NOW)
    # The languages of a fork are shown nowhere, an empty repository has none.
    assert (inputs.repositories, inputs.repositories_with_languages, inputs.expected_pushes) == (6, 3 + 2, 2)
    assert inputs.is_organization
    assert inputs.languages_to_fetch == 1 + 2


def test_few_pushes_are_expected_soon_after_a_refresh(database, account):
    database.execute(text("UPDATE account SET checked_at = :at"), {"at": NOW - timedelta(hours=1)})
    database.execute(text("UPDATE repository SET pushed_at = :at WHERE name = 'often'"), {"at": NOW - DAY / 2})
    (inputs,) = forecast.load_cost_inputs(database, [account], NOW)
    assert inputs.expected_pushes == pytest.approx(1 / 24)


def test_expected_changes_follow_the_rate_of_a_tracked_account(database, account):
    assert forecast.load_cost_inputs(database, [account], NOW)[0].expected_changes is None
    database.execute(text("INSERT INTO tracked_account (account_id, change_rate) VALUES (:id, 1.5)"), {"id": account})
    assert forecast.load_cost_inputs(database, [account], NOW)[0].expected_changes == 3


def test_an_account_that_was_never_refreshed_is_unknown(database):
    account_id = database.execute(text("INSERT INTO account (login) VALUES ('new') RETURNING id")).scalar_one()
    (inputs,) = forecast.load_cost_inputs(database, [account_id], NOW)
    assert (inputs.repositories, inputs.expected_pushes, inputs.expected_changes) == (None, 0, None)


def test_latency_is_measured_in_the_last_runs(database):
    assert forecast.seconds_per_request(database) is None
    ingestion = database.execute(text("INSERT INTO ingestion (trigger) VALUES ('person') RETURNING id")).scalar_one()
    for trigger, requests, seconds in (("person", 10, 5), ("schedule", 30, 5), ("import", 0, 900), ("person", 0, 9)):
        database.execute(
            text(
                "INSERT INTO ingest_run (ingestion_id, trigger, requests, started_at, finished_at)"
                " VALUES (:ingestion, :trigger, :requests, :start, :end)"
            ),
            {
                "ingestion": ingestion,
                "trigger": trigger,
                "requests": requests,
                "start": NOW,
                "end": NOW + timedelta(seconds=seconds),
            },
        )
    assert forecast.seconds_per_request(database) == 0.25


def test_the_budgets_of_all_owners_add_up():
    buckets = [
        RateBudgetBucket("ada", "graphql", 5000, 100, NOW + timedelta(minutes=5)),
        RateBudgetBucket("bob", "graphql", 5000, 4000, NOW + timedelta(minutes=50)),
        RateBudgetBucket("ada", "core", 5000, 1, NOW + timedelta(minutes=9)),
        RateBudgetBucket("eve", "graphql", 5000, 7, NOW - timedelta(minutes=1)),
    ]
    totals = forecast.budget_totals(buckets, with_token=True, now=NOW)
    assert (totals.remaining, totals.limit) == (100 + 4000 + 5000, 15_000)
    assert totals.resets_at == NOW + timedelta(minutes=5)
    assert forecast.budget_totals([], with_token=True, now=NOW).remaining is None
