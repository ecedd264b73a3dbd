"""Due facts are queued once, in order, and yield to more urgent jobs."""

import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from sqlalchemy import text

from core.queue import jobs, page_opens
from core.queue.enrichment import FACT_KINDS, RESOURCES
from ingest.enrichment import due, enqueue, state
from ingest.enrichment.job import JobLimits
from ingest.enrichment.run_log import EnrichmentRun
from ingest.enrichment.tasks import JobPostponed, PostponedRetryStrategy
from ingest.planning.fair_queue import HourlyLimit
from ingest.refresh import batch as refreshing
from tests.waiting import wait_until

API_URL = "http://github.test"


def defer(engine, now, root=API_URL):
    with engine.begin() as connection:
        return enqueue.enqueue_due_facts(connection, root, now)


def queued_jobs(engine):
    with engine.begin() as connection:
        return connection.execute(
            text(
                "SELECT id, lock, kind, ids, token, max_cost, for_people FROM procrastinate_jobs, jsonb_to_record(args)"
                " AS t(kind text, ids int[], token text, max_cost int, for_people boolean) ORDER BY id"
            )
        ).all()


def run_queued_job(harness, resource, cost=None):
    """Run and remove the queued job that spends *resource*; returns its kind. *cost* replaces what it cost."""
    job = next((job for job in queued_jobs(harness.engine) if FACT_KINDS[job.kind].resource == resource), None)
    if job is None:
        return None
    run = harness.enricher.run(job.kind, job.ids, token=job.token, max_cost=job.max_cost, for_people=job.for_people)
    with harness.engine.begin() as connection:
        connection.execute(text("DELETE FROM procrastinate_jobs WHERE id = :id"), {"id": job.id})
        if cost is not None:
            values = {"id": run.id, "cost": cost}
            connection.execute(text("UPDATE enrichment_run SET requests = :cost WHERE id = :id"), values)
    return job.kind


def test_most_stars_and_most_growth_come_first(harness, most_starred):
    with harness.engine.begin() as connection:
        found = due.due_subjects(connection, FACT_KINDS["star_history"], harness.now(), 5)
    best = harness.rows(
        "SELECT repository_id FROM repository_summary ORDER BY stars + 10 * abs(coalesce(stars_30d, 0)) DESC LIMIT 1"
    )
    assert (found[0].id,) == best[0]
    assert len(found) <= 5


def test_one_job_per_rate_limit_and_token_is_queued_at_a_time(harness, most_starred):
    """The weightiest kind of REST, and of GraphQL."""
    assert defer(harness.engine, harness.now()) > 0
    assert [row.kind for row in queued_jobs(harness.engine)] == ["star_history", "extras"]
    assert defer(harness.engine, harness.now()) == 0
    with harness.engine.begin() as connection:
        connection.execute(text("UPDATE procrastinate_jobs SET status = 'doing'"))
    assert defer(harness.engine, harness.now()) == 0


def test_kinds_take_turns(harness, most_starred):
    """Star history (weight 5) spent 10 requests: releases, contributors and commit activity (3) come before it."""
    seen = []
    for _ in range(4):
        defer(harness.engine, harness.now())
        seen.append(run_queued_job(harness, "core", cost=10))
        harness.sandbox.world.advance(minutes=1)
    assert seen == ["star_history", "releases", "contributors", "commit_activity"]


def test_every_kind_is_collected_though_the_budget_is_short(harness, most_starred):
    """60 requests are left above the reserve, far fewer than star history alone has to do."""
    sandbox = harness.sandbox
    harness.track(next(login for login in sandbox.world.logins() if sandbox.world.account(login).kind == "User"))
    sandbox.limits.set_remaining(2060, who="sandbox-owner-1")
    small_turns = HourlyLimit(250, 250)
    for _ in range(12):
        with harness.engine.begin() as connection:
            enqueue.enqueue_due_facts(connection, API_URL, harness.now(), limit_of=lambda *_: small_turns)
        for resource in RESOURCES:
            run_queued_job(harness, resource)
    assert {kind for (kind,) in harness.rows("SELECT DISTINCT kind FROM enrichment_run")} >= set(FACT_KINDS) - {
        "star_backfill"
    }
    assert sandbox.limits.bucket("sandbox-owner-1").remaining >= 2000


def test_nothing_is_queued_below_the_reserve_or_during_a_pause(harness, most_starred):
    now = harness.now()
    none_left = {"core": HourlyLimit(5000, 2000), "graphql": HourlyLimit(5000, 5000)}
    with harness.engine.begin() as connection:
        enqueue.enqueue_due_facts(connection, API_URL, now, limit_of=lambda _, resource: none_left[resource])
    assert [row.kind for row in queued_jobs(harness.engine)] == ["extras"]


def test_a_turn_is_a_small_part_of_the_hour(harness, most_starred):
    """60 requests an hour: one repository a minute, however many are due."""
    with harness.engine.begin() as connection:
        enqueue.enqueue_due_facts(connection, API_URL, harness.now(), limit_of=lambda *_: HourlyLimit(60, 60))
    assert [(row.max_cost, len(row.ids)) for row in queued_jobs(harness.engine) if row.kind == "star_history"] == [
        (1, 1)
    ]


def test_what_somebody_opened_is_first_in_each_kind(harness, most_starred):
    """The least starred of the repositories is opened: it is the whole first job."""
    (least,) = harness.rows("SELECT repository_id FROM repository_current WHERE stars > 0 ORDER BY stars LIMIT 1")[0]
    with harness.engine.begin() as connection:
        page_opens.record_open(connection, "repository", least, harness.now())
    defer(harness.engine, harness.now())
    assert [(row.kind, row.ids, row.for_people) for row in queued_jobs(harness.engine)] == [
        ("star_history", [least], True),
        ("extras", [least], True),
    ]


def test_opening_an_account_brings_its_calendar_and_its_repositories_forward(harness, most_starred):
    (account_id,) = harness.rows("SELECT account_id FROM repository WHERE full_name = :name", name=most_starred)[0]
    other = next(login for login in harness.sandbox.world.logins() if login != most_starred.split("/")[0])
    harness.track(other)
    with harness.engine.begin() as connection:
        page_opens.record_open(connection, "account", account_id, harness.now())
    defer(harness.engine, harness.now())
    jobs_of_rest = [row for row in queued_jobs(harness.engine) if row.kind == "star_history"]
    owners = harness.rows("SELECT DISTINCT account_id FROM repository WHERE id = ANY(:ids)", ids=jobs_of_rest[0].ids)
    assert owners == [(account_id,)]


def test_a_page_open_counts_for_a_week_and_is_deleted_then(harness, most_starred):
    (account_id,) = harness.rows("SELECT account_id FROM repository LIMIT 1")[0]
    now = harness.now()
    with harness.engine.begin() as connection:
        page_opens.record_open(connection, "account", account_id, now)
        page_opens.record_open(connection, "account", account_id, now + timedelta(minutes=59))
        assert connection.scalar(text("SELECT opened_at FROM page_open")) == now
        page_opens.record_open(connection, "account", account_id, now + timedelta(minutes=60))
        assert connection.scalar(text("SELECT opened_at FROM page_open")) == now + timedelta(hours=1)
        later = now + timedelta(days=7, minutes=59)
        assert page_opens.opened_lately(connection, later, 10)[0] == [account_id]
        assert page_opens.delete_old_opens(connection, later) == 0
        later += timedelta(minutes=1)
        assert page_opens.opened_lately(connection, later, 10) == ([], [])
        assert page_opens.delete_old_opens(connection, later) == 1


def test_unchanged_subjects_are_due_once_a_week(harness, most_starred):
    harness.sandbox.world.freeze()
    harness.read("star_history", most_starred)

    def is_due(later):
        with harness.engine.begin() as connection:
            return (
                due.still_due_ids(
                    connection, FACT_KINDS["star_history"], harness.now() + later, [harness.id_of(most_starred)]
                )
                != []
            )

    assert not is_due(timedelta(days=2))
    assert is_due(timedelta(days=7, minutes=1))
    harness.sandbox.world.advance(hours=2)
    harness.sandbox.world.edit.star(most_starred, 5)
    harness.ingestor.one(most_starred.split("/")[0])
    assert not is_due(timedelta(hours=1))
    assert is_due(timedelta(days=2))


def test_an_endpoint_that_is_missing_is_not_queued(harness, most_starred):
    with harness.engine.begin() as connection:
        state.record_missing_endpoint(connection, "star_history", API_URL, harness.now())
    defer(harness.engine, harness.now())
    assert {row.kind for row in queued_jobs(harness.engine)} == {"releases", "extras"}
    with harness.engine.begin() as connection:
        connection.execute(text("DELETE FROM procrastinate_jobs"))
    defer(harness.engine, harness.now(), root="http://another.test")
    assert "star_history" in {row.kind for row in queued_jobs(harness.engine)}


def test_kinds_without_due_subjects_pause_in_proportion_to_the_query_time(harness, most_starred):
    """With few repositories due subjects are queried every minute."""
    resting, now = {}, harness.now()
    names = [name for (name,) in harness.rows("SELECT full_name FROM repository")]
    harness.read("star_history", *names)
    enqueue_without_spending(harness, now, resting)
    assert now < resting["star_history"] <= now + enqueue.MAX_BACKOFF
    assert "extras" not in resting
    with harness.engine.begin() as connection:
        connection.execute(text("DELETE FROM enrichment"))
    enqueue_without_spending(harness, now, resting)
    assert "star_history" not in {row.kind for row in queued_jobs(harness.engine)}
    enqueue_without_spending(harness, now + timedelta(minutes=11), resting)
    assert "star_history" in {row.kind for row in queued_jobs(harness.engine)}


def enqueue_without_spending(harness, now, resting):
    """Queue what is due with an empty queue, as if nothing had been spent yet."""
    with harness.engine.begin() as connection:
        connection.execute(text("DELETE FROM procrastinate_jobs"))
        connection.execute(text("DELETE FROM enrichment_run"))
        enqueue.enqueue_due_facts(connection, API_URL, now, resting)


def test_paused_or_unavailable_subjects_are_not_read(harness, most_starred):
    with harness.engine.begin() as connection:
        connection.execute(text("UPDATE tracked_account SET paused = true"))
    assert defer(harness.engine, harness.now()) == 0


def test_a_temporarily_wrong_clock_delays_nothing(harness, most_starred):
    harness.read("star_history", most_starred)
    with harness.engine.begin() as connection:
        later = "(due_at AT TIME ZONE 'UTC' + interval '5 years') AT TIME ZONE 'UTC'"  # Citus takes no local time here
        connection.execute(text(f"UPDATE enrichment SET due_at = {later}"))
        assert (
            due.still_due_ids(connection, FACT_KINDS["star_history"], harness.now(), [harness.id_of(most_starred)])
            != []
        )


def test_enrichment_gives_way_to_urgent_jobs(harness, most_starred):
    turn = JobLimits(harness.engine, NeverSet(), 60, EnrichmentRun(kind="releases"))
    turn._checked_at -= 2
    assert turn.stop_reason() is None
    with harness.engine.begin() as connection:
        jobs.defer_refresh(connection, [1], jobs.JobOrigin("person"), harness.now(), priority=jobs.PRIORITY_PERSON)
    turn._checked_at -= 2
    assert turn.stop_reason() == "a more urgent job is waiting"


class NeverSet:
    def is_set(self):
        return False


def test_waiting_for_the_budget_uses_no_attempts_and_keeps_the_position(harness):
    until = harness.now() + timedelta(minutes=30)
    decision = PostponedRetryStrategy().get_retry_decision(
        exception=JobPostponed(until, "the budget is spent"), job=None
    )
    assert decision.retry_at == until
    assert PostponedRetryStrategy().get_retry_decision(exception=ValueError(), job=None) is None


@pytest.mark.slow
def test_a_worker_resumes_the_jobs_of_a_killed_worker(harness, most_starred):
    """The next worker continues a killed backfill, and every day is stored once."""
    engine, sandbox = harness.engine, harness.sandbox
    sandbox.latency_ms = 60
    environment = os.environ | {
        "DATABASE_URL": engine.url.render_as_string(hide_password=False),
        "GITHUB_API_URL": sandbox.url,
        "GITHUB_TOKENS": "sandbox-token-1",
        "REDIS_URL": os.environ["REDIS_URL"],
    }

    def start():
        return subprocess.Popen([sys.executable, "-m", "ingest", "worker"], env=environment, stderr=subprocess.DEVNULL)

    defer(engine, refreshing.now_utc(), sandbox.url)
    worker = start()
    wait_until(lambda: harness.ingestor.count("star_backfill") >= 3)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    with engine.begin() as connection:
        connection.execute(text("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'"))
        connection.execute(
            text("UPDATE procrastinate_jobs SET status = 'todo', worker_id = NULL WHERE status = 'doing'")
        )
    sandbox.latency_ms = 0
    worker = start()
    try:
        wait_until(lambda: run_leader_minute(engine, sandbox) and all_stars_walked(harness))
        stored = harness.rows(
            "SELECT full_name, coalesce(sum(stars), 0) FROM repository JOIN star_day ON repository_id = id GROUP BY 1"
        )
        truth = {
            one["full_name"]: one["stars"] for one in sandbox.ground_truth(most_starred.split("/")[0])["repositories"]
        }
        assert {name: count for name, count in stored if count} == {
            name: count for name, count in truth.items() if count
        }
    finally:
        worker.terminate()
        assert worker.wait(60) == 0


def run_leader_minute(engine, sandbox):
    """Run the leader's minute."""
    defer(engine, refreshing.now_utc(), sandbox.url)
    return True


def all_stars_walked(harness):
    starred, open_walks = harness.rows(
        "SELECT count(*) FILTER (WHERE stars > 0 AND w.repository_id IS NULL), count(w.next_page)"
        "  FROM repository_current AS c LEFT JOIN star_backfill AS w USING (repository_id)"
    )[0]
    return starred == 0 and open_walks == 0


def test_kinds_are_consistent():
    assert all(kind.interval <= kind.quiet_interval for kind in FACT_KINDS.values())
