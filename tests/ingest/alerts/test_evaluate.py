"""Rules raise one alert per event, and one per state until it ends."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from structlog.testing import capture_logs

from core.alerts import rules
from core.budget.token_expiry import TokenExpiry
from core.errors import BadInput
from core.queue import jobs
from ingest.alerts import evaluate
from ingest.alerts.evaluate import RemainingBudget
from tests.seed_data import add_account

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


# In UTC: Citus takes no function in an UPDATE whose result the session's time zone changes.
EARLIER = "({column} AT TIME ZONE 'UTC' - make_interval(hours => :hours)) AT TIME ZONE 'UTC'"


def test_a_star_jump_raises_one_alert_per_window(ingestor, seen):
    login, full_name = seen
    ingestor.rows("UPDATE alert_rule SET settings = '{\"gained\": 50, \"share\": 0.0, \"days\": 1}'"
                  " WHERE kind = 'stars_jumped' RETURNING id")  # fmt: skip
    # As if the first look had been a day ago.
    for table in ("repository_snapshot_open", "capture_open"):
        ingestor.rows(f"UPDATE {table} SET captured_at = {EARLIER.format(column='captured_at')} RETURNING 1", hours=25)
    ingestor.world.edit.star(full_name, 80)
    ingestor.refresh(login)
    ingestor.world.edit.star(full_name, 80)
    ingestor.refresh(login)
    ((kind, subject, sentence, over),) = raised_alerts(ingestor)
    assert (kind, subject, over) == ("stars_jumped", full_name, True)
    assert "gained 80 stars within a day" in sentence


def all_days_before(ingestor, days):
    """Move everything captured so far into the past."""
    captured = [(table, "captured_at") for table in ("repository_snapshot_open", "capture_open", "repository_current")]
    for table, column in (*captured, ("account", "checked_at")):
        earlier = EARLIER.format(column=column)
        ingestor.rows(f"UPDATE {table} SET {column} = {earlier} RETURNING 1", hours=round(days * 24))


def stars_of(ingestor, full_name):
    ((stars,),) = ingestor.rows("SELECT stars FROM repository_current JOIN repository ON repository.id = repository_id"
                                " WHERE full_name = :name", name=full_name)  # fmt: skip
    return stars


@pytest.mark.parametrize(
    ("days_before", "span", "days"),
    # A minute after the first capture no growth over a day is known, but what was lost between the two is.
    [(0, "between two refreshes", None), (25 / 24, "within a day", 1), (9, "between two refreshes", None)],
)
def test_a_loss_of_stars_raises_one_alert(ingestor, seen, days_before, span, days):
    login, full_name = seen
    ingestor.world.edit.star(full_name, 1431 - stars_of(ingestor, full_name))
    ingestor.refresh(login)
    ingestor.rows("DELETE FROM alert RETURNING 1")
    all_days_before(ingestor, days_before)
    ingestor.world.edit.star(full_name, 144 - 1431)
    ingestor.refresh(login)
    ingestor.refresh(login)
    message = f"{full_name} lost 1,287 stars {span} and has 144 now"
    assert raised_alerts(ingestor) == [("stars_dropped", full_name, message, True)]
    assert ingestor.rows("SELECT details FROM alert") == [({"stars": 144, "lost": 1287, "days": days},)]


def test_growth_that_becomes_known_while_stars_rest_raises_an_alert(ingestor, seen):
    """Two captures within a day, the second with 700 stars more; half a day later the first is a day old."""
    login, full_name = seen
    all_days_before(ingestor, 0.5)
    ingestor.world.edit.star(full_name, 700)
    ingestor.refresh(login)
    assert raised_alerts(ingestor) == []
    all_days_before(ingestor, 0.6)
    ingestor.refresh(login)
    ((kind, subject, message, _),) = raised_alerts(ingestor)
    assert (kind, subject) == ("stars_jumped", full_name)
    assert "gained 700 stars within a day" in message


def test_thresholds_of_gains_and_losses_are_those_of_a_slow_obvious_version(ingestor, seen):
    """Stars eight days ago 1,000, two days ago 1,300, thirty hours ago 1,200, now 900: a day cost 300, a week 100."""
    login, full_name = seen
    start = stars_of(ingestor, full_name)
    for stars, passed in ((1000, 6), (1300, 0.75), (1200, 1.25), (900, 0)):
        ingestor.world.edit.star(full_name, stars - start)
        start = stars
        if passed:
            ingestor.refresh(login)
            all_days_before(ingestor, passed)
    ingestor.rows("DELETE FROM alert_rule RETURNING 1")
    gained = {1: 900 - 1200, 7: 900 - 1000, 30: None}
    expected, settings = set(), [
        (kind, count, share, days) for kind in ("stars_jumped", "stars_dropped") for count in (1, 100, 101, 300, 301)
        for share in (0.0, 0.1, 0.11, 0.25, 0.26) for days in (1, 7, 30)
    ]  # fmt: skip
    with ingestor.engine.begin() as connection:
        for kind, count, share, days in settings:
            name = "gained" if kind == "stars_jumped" else "lost"
            rule_id = rules.add_rule(connection, kind, {name: count, "share": share, "days": days}, "ada")
            losses = [-gained[days]] if gained[days] is not None else []
            losses.append(1200 - 900)
            if kind == "stars_dropped" and any(lost >= count and lost >= share * (900 + lost) for lost in losses):
                expected.add(rule_id)
    ingestor.refresh(login)
    assert {row[0] for row in ingestor.rows("SELECT rule_id FROM alert")} == expected
    assert 0 < len(expected) < len(settings) / 2


@pytest.mark.one_postgres("no ANALYZE after a write in one transaction")
@pytest.mark.parametrize("name", ["SELECT_CHANGE_EVENTS", "SELECT_STAR_JUMPS", "SELECT_STAR_DROPS"])
def test_what_a_run_found_is_read_without_the_rows_of_all_other_runs(database, name):
    """Among the captures and changes of many runs, those of one are found by their place."""
    account = add_account(database, "octo")
    for table, at, more, value in (
        ("capture_open", "captured_at", "source_id", "1"),
        ("change", "detected_at", "kind", "'new'"),
    ):
        database.execute(
            text(f"INSERT INTO {table} (account_id, {at}, {more}, run_id)"
                 f" SELECT :account, now() - make_interval(mins => n), {value}, n / 10"
                 "   FROM generate_series(1, 50000) AS n"),
            {"account": account},
        )  # fmt: skip
        database.execute(text(f"ANALYZE {table}"))
    values = {"run_id": 7, "kind": "star_jump", "now": datetime(2026, 3, 1, tzinfo=UTC)}
    plan = database.scalars(text(f"EXPLAIN {getattr(evaluate, name)}"), values).all()
    table = "change" if name == "SELECT_CHANGE_EVENTS" else "capture_open"
    assert any(f"{table}_run_id_idx" in line for line in plan)


@pytest.mark.one_postgres("the coordinator's plan has not the rows that nodes read")
@pytest.mark.parametrize("name", ["SELECT_STAR_JUMPS", "SELECT_STAR_DROPS"])
def test_each_repository_of_a_first_run_is_read_a_few_times(database, name):
    """Postgres has no statistics of the tables yet, and expects few of their rows to match."""
    values = {"octo": add_account(database, "octo"), "count": 300}
    for sql in (
        # Tests before this one may have left statistics of empty tables.
        "DELETE FROM pg_statistic",
        "UPDATE pg_class SET relpages = 0, reltuples = -1 WHERE relnamespace = 'public'::regnamespace",
        "INSERT INTO repository (id, account_id, full_name) SELECT n, :octo, 'octo/' || n"
        " FROM generate_series(1, :count) AS n",
        "INSERT INTO repository_snapshot_open (repository_id, source_id, captured_at, stars)"
        " SELECT n, 1, captured_at, 9 FROM generate_series(1, :count) AS n,"
        " unnest(ARRAY['2026-03-01', '2026-03-02']::timestamptz[]) AS captured_at",
        "INSERT INTO repository_summary (repository_id, account_id, full_name, is_fork, is_archived, is_gone, stars,"
        " captured_at) SELECT n, :octo, 'octo/' || n, false, false, false, 9, '2026-03-02'"
        " FROM generate_series(1, :count) AS n",
        "INSERT INTO capture_open (account_id, captured_at, run_id) VALUES (:octo, '2026-03-02', 7)",
    ):
        database.execute(text(sql), values)
    explained = database.execute(
        text(f"EXPLAIN (ANALYZE, FORMAT JSON) {getattr(evaluate, name)}"),
        {"run_id": 7, "kind": name.removeprefix("SELECT_").lower(), "now": NOW},
    ).scalar_one()
    assert max(rows_read(explained[0]["Plan"])) <= 20 * values["count"]  # there are eleven rules


def rows_read(plan: dict[str, Any]) -> Iterator[float]:
    """Yield how many rows, and pairs of rows, each node of a plan read."""
    removed = plan.get("Rows Removed by Join Filter", 0) + plan.get("Rows Removed by Filter", 0)
    yield (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    for part in plan.get("Plans", ()):
        yield from rows_read(part)


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


def test_a_token_that_expires_is_a_state_alert_and_an_expired_one_another(database):
    def update(now, *tokens):
        return evaluate.update_state_alerts(database, (), now, INTERVAL, tokens=tokens)

    token = TokenExpiry("ab12", "token 1 (fingerprint ab12)", NOW + timedelta(days=14))
    assert update(NOW - timedelta(seconds=1), token) == (0, 0)
    assert update(NOW, token) == (1, 0)
    assert update(NOW + timedelta(days=13), token) == (0, 0)
    assert update(token.expires_at, token) == (1, 1)
    assert database.scalars(text("SELECT message FROM alert ORDER BY id")).all() == [
        "GitHub's token 1 (fingerprint ab12) expires on 2026-12-07 12:00 UTC",
        "GitHub's token 1 (fingerprint ab12) expired on 2026-12-07 12:00 UTC",
    ]
    assert update(token.expires_at) == (0, 1)  # replaced


def test_alerts_about_what_redis_stores_stay_while_it_is_unavailable(database):
    token = TokenExpiry("ab12", "token 1", NOW)
    low = [RemainingBudget("octo core", 10, 5000)]
    assert evaluate.update_state_alerts(database, low, NOW, INTERVAL, tokens=[token]) == (2, 0)
    assert evaluate.update_state_alerts(database, None, NOW, INTERVAL, tokens=None) == (0, 0)
    assert evaluate.update_state_alerts(database, [], NOW, INTERVAL, tokens=[]) == (0, 2)


def test_a_rule_that_cannot_be_evaluated_keeps_its_alerts_and_no_other_rule(database, monkeypatch):
    """Settings of another version, and a query that fails: what they depend on is unknown, the rest goes on."""
    rules_by_kind = dict(database.execute(text("SELECT kind, id FROM alert_rule")).all())

    def fail(connection, _at):
        connection.execute(text("SELECT 1 / 0"))

    low, token = [RemainingBudget("octo core", 10, 5000)], TokenExpiry("ab12", "token 1", NOW)
    assert evaluate_rules(database, low) == (1, 0)
    database.execute(text("UPDATE alert_rule SET settings = '{}' WHERE kind = 'budget_short'"))
    monkeypatch.setattr(evaluate.abandoned, "count_jobs_started_before", fail)
    with capture_logs() as logs:
        update = evaluate.update_state_alerts(database, [], NOW, INTERVAL, tokens=[token])
    assert update == (1, 0)
    assert open_alert_subjects(database) == ["octo core", "token 1, expired"]
    assert {(one["event"], one["rule"]) for one in logs} == {
        ("alert rule not evaluated", rules_by_kind[kind]) for kind in ("budget_short", "job_stuck")
    }


def test_events_of_other_kinds_are_raised_where_one_kind_fails(ingestor, seen, monkeypatch):
    login, full_name = seen
    monkeypatch.setitem(evaluate.EVENT_SQL_BY_KIND, "stars_jumped", "SELECT 1 / 0")
    ingestor.world.edit.archive(full_name)
    with capture_logs() as logs:
        ingestor.refresh(login)
    assert raised_alerts(ingestor) == [("archived", full_name, f"{full_name} was archived", True)]
    assert [one["kind"] for one in logs if one["event"] == "alert rule not evaluated"] == ["stars_jumped"]


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


def test_runs_that_found_their_accounts_deleted_are_no_failing_ingestion(database):
    """Each is asked for once a day in vain; GitHub answered."""
    ingestion_id = database.scalar(text("INSERT INTO ingestion (trigger) VALUES ('schedule') RETURNING id"))

    def run(*item_states):
        run_id = database.scalar(
            text("INSERT INTO ingest_run (trigger, ingestion_id, state) VALUES ('', :id, 'failed') RETURNING id"),
            {"id": ingestion_id},
        )
        for number, state in enumerate(item_states):
            values = {"run": run_id, "login": f"a{number}", "state": state}
            database.execute(
                text("INSERT INTO ingest_item (run_id, login, state) VALUES (:run, :login, :state)"), values
            )

    for _ in range(3):
        run("deleted", "deleted")
    assert evaluate_rules(database) == (0, 0)
    for _ in range(3):
        run("deleted", "failed")
    assert evaluate_rules(database) == (1, 0)


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
        ("stars_dropped", {"lost": 0}),
        ("stars_dropped", {"share": 1.1}),
        ("budget_short", {"share": 2}),
        ("archived", {"share": 1}),
        ("x" * 10_000, {}),
    ],
)
def test_an_invalid_rule_is_refused_with_a_sentence(kind, settings):
    with pytest.raises(BadInput) as refused:
        rules.validated_settings(kind, settings)
    assert len(str(refused.value)) < 300
