"""Rules raise one alert per event, and one per state until it ends."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from core.alerts import rules
from core.errors import BadInput
from core.queue import jobs
from ingest.alerts import evaluate
from ingest.alerts.evaluate import RemainingBudget

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
INTERVAL = timedelta(hours=6)


def raised_alerts(ingestor):
    return ingestor.rows("SELECT kind, subject, message, ended_at IS NOT NULL FROM alert ORDER BY id")


@pytest.fixture
def seen(ingestor):
    """Refresh an account and return it with one of its repositories."""
    login = ingestor.login_with_most_repositories()
    ingestor.refresh(login)
    return login, ingestor.active_repository(login)


def test_the_first_refresh_of_an_account_raises_no_alert(ingestor, seen):
    assert raised_alerts(ingestor) == []


def test_archived_and_relicensed_repositories_raise_one_alert_each(ingestor, seen):
    login, full_name = seen
    ingestor.world.edit.archive(full_name)
    ingestor.refresh(login)
    ingestor.refresh(login)
    assert raised_alerts(ingestor) == [("archived", full_name, f"{full_name} was archived", True)]


def test_a_rule_for_one_account_ignores_others(ingestor, seen):
    login, full_name = seen
    ingestor.rows("UPDATE alert_rule SET enabled = false RETURNING id")
    other = ingestor.rows("INSERT INTO account (login) VALUES ('other') RETURNING id")[0][0]
    with ingestor.engine.begin() as connection:
        rules.add_rule(connection, "archived", {}, "ada", account_id=other)
    ingestor.world.edit.archive(full_name)
    ingestor.refresh(login)
    assert raised_alerts(ingestor) == []


def test_a_star_jump_raises_one_alert_per_window(ingestor, seen):
    login, full_name = seen
    ingestor.rows("UPDATE alert_rule SET settings = '{\"gained\": 50, \"share\": 0.0, \"days\": 1}'"
                  " WHERE kind = 'stars_jumped' RETURNING id")  # fmt: skip
    # As if the first look had been a day ago.
    for table in ("repository_snapshot", "capture"):
        ingestor.rows(f"UPDATE {table} SET captured_at = captured_at - interval '25 hours' RETURNING 1")
    ingestor.world.edit.star(full_name, 80)
    ingestor.refresh(login)
    ingestor.world.edit.star(full_name, 80)
    ingestor.refresh(login)
    ((kind, subject, sentence, over),) = raised_alerts(ingestor)
    assert (kind, subject, over) == ("stars_jumped", full_name, True)
    assert "gained 80 stars within a day" in sentence


def test_webhooks_subscribed_to_a_kind_get_a_delivery_and_a_job(ingestor, seen):
    login, full_name = seen
    with ingestor.engine.begin() as connection:
        rules.add_webhook(connection, "all", "https://x.example/1", "json", "ada")
        rules.add_webhook(connection, "some", "https://x.example/2", "slack", "ada", ["stars_jumped"])
    ingestor.world.edit.archive(full_name)
    ingestor.refresh(login)
    message = ingestor.rows(
        "SELECT webhook.name, event, state FROM webhook_delivery JOIN webhook ON webhook.id = webhook_id"
    )
    assert message == [("all", "raised", "pending")]
    assert ingestor.rows("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'deliver'") == [(1,)]


def evaluate_rules(connection, budgets=()):
    return evaluate.update_state_alerts(connection, budgets, NOW, INTERVAL)


def open_alert_subjects(connection):
    return connection.scalars(text("SELECT subject FROM alert WHERE ended_at IS NULL ORDER BY subject")).all()


def test_a_state_alert_is_raised_once_and_ends_with_the_state(database):
    low = [RemainingBudget("octo graphql", 10, 5000), RemainingBudget("octo core", 4000, 5000)]
    assert evaluate_rules(database, low) == (1, 0)
    assert evaluate_rules(database, low) == (0, 0)
    assert open_alert_subjects(database) == ["octo graphql"]
    assert evaluate_rules(database, [RemainingBudget("octo graphql", 5000, 5000)]) == (0, 1)
    assert open_alert_subjects(database) == []
    assert evaluate_rules(database, low) == (1, 0)


def test_overdue_accounts_are_a_state_alert(database):
    for n in range(10):
        late = n < 2
        account_id = database.execute(
            text("INSERT INTO account (login, checked_at) VALUES (:login, :at) RETURNING id"),
            {"login": f"a{n}", "at": NOW - timedelta(days=2 if late else 0)},
        ).scalar_one()
        database.execute(
            text("INSERT INTO tracked_account (account_id, due_at) VALUES (:id, :due)"),
            {"id": account_id, "due": NOW - timedelta(days=1) if late else NOW},
        )
    assert evaluate_rules(database) == (1, 0)
    sentence = database.scalar(text("SELECT message FROM alert"))
    assert sentence == "2 of 10 tracked accounts were not refreshed on time"
    database.execute(text("UPDATE tracked_account SET paused = due_at < :now"), {"now": NOW})
    assert evaluate_rules(database) == (0, 1)


def test_failing_runs_are_a_state_alert_until_one_succeeds(database):
    def run(state):
        ingestion_id = database.execute(
            text("INSERT INTO ingestion (trigger) VALUES ('schedule') RETURNING id")
        ).scalar()
        database.execute(
            text("INSERT INTO ingest_run (trigger, ingestion_id, state) VALUES ('schedule', :id, :state)"),
            {"id": ingestion_id, "state": state},
        )

    for _ in range(2):
        run("failed")
    assert evaluate_rules(database) == (0, 0)
    run("failed")
    assert evaluate_rules(database) == (1, 0)
    run("partial")
    assert evaluate_rules(database) == (0, 1)


def test_a_job_that_runs_longer_than_jobs_do_is_a_state_alert(database):
    def update():
        return evaluate.update_state_alerts(database, [], NOW, INTERVAL)

    job = jobs.defer_once(database, jobs.REFRESH, lock="refresh:1", priority=0, account_ids=[1], trigger="schedule")
    database.execute(text("UPDATE procrastinate_jobs SET status = 'doing'"))
    database.execute(text("UPDATE procrastinate_events SET at = :at"), {"at": NOW - timedelta(hours=5)})
    assert update() == (0, 0)
    database.execute(text("UPDATE procrastinate_events SET at = :at"), {"at": NOW - timedelta(hours=7)})
    assert update() == (1, 0)
    assert database.scalar(text("SELECT message FROM alert")) == "1 job has been running for more than 6 hours"
    database.execute(text("DELETE FROM procrastinate_jobs WHERE id = :id"), {"id": job})
    assert update() == (0, 1)


def test_disabling_a_rule_ends_its_open_alerts(database):
    evaluate_rules(database, [RemainingBudget("octo graphql", 10, 5000)])
    database.execute(text("UPDATE alert_rule SET enabled = false"))
    assert evaluate_rules(database) == (0, 1)


@given(states=st.lists(st.sampled_from(["done", "partial", "failed"]), max_size=20), runs=st.integers(1, 10))
def test_failing_means_the_newest_runs_all_failed(states, runs):
    assert bool(list(evaluate.check_failing_runs(1, runs, states))) == (
        len(states) >= runs and set(states[:runs]) == {"failed"}
    )


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("nonsense", {}),
        ("stars_jumped", {"gained": 0}),
        ("stars_jumped", {"days": 3}),
        ("budget_short", {"share": 2}),
        ("archived", {"share": 1}),
        ("x" * 10_000, {}),
    ],
)
def test_an_invalid_rule_is_refused_with_a_sentence(kind, settings):
    with pytest.raises(BadInput) as refused:
        rules.validated_settings(kind, settings)
    assert len(str(refused.value)) < 300
