"""Due facts are queued once, in order, and yield to more urgent jobs."""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

from sqlalchemy import text

from core.queue import enrichment as reading_kinds
from core.queue import jobs
from core.queue.enrichment import FACT_KINDS
from ingest.enrichment import due, enqueue, state
from ingest.enrichment.job import TimeSlice
from ingest.enrichment.tasks import JobPostponed, PostponedRetryStrategy
from ingest.refresh import batch as refreshing

API_URL = "http://github.test"


def defer(engine, now, root=API_URL):
    with engine.begin() as connection:
        return enqueue.enqueue_due_facts(connection, root, now)


def queued_tasks(engine):
    with engine.begin() as connection:
        return connection.execute(
            text("SELECT task_name, args->>'kind' AS kind FROM procrastinate_jobs ORDER BY id")
        ).all()


def test_most_stars_and_most_growth_come_first(harness, famous):
    with harness.engine.begin() as connection:
        found = due.due_subjects(connection, FACT_KINDS["star_history"], harness.now(), 5)
    best = harness.rows(
        "SELECT repository_id FROM repository_current ORDER BY stars + 10 * abs(coalesce(stars_30d, 0)) DESC LIMIT 1"
    )
    assert (found[0].id,) == best[0]
    assert len(found) <= 5


def test_one_job_per_queue_and_token_is_queued_at_a_time(harness, famous):
    """Star history has its own queue; other facts are requested in list order."""
    assert defer(harness.engine, harness.now()) > 0
    assert [row.task_name for row in queued_tasks(harness.engine)] == [
        enrichment_task("star_history"),
        enrichment_task("extras"),
    ]
    assert queued_tasks(harness.engine)[0].kind == "star_history"
    assert defer(harness.engine, harness.now()) == 0
    with harness.engine.begin() as connection:
        connection.execute(text("UPDATE procrastinate_jobs SET status = 'doing'"))
    assert defer(harness.engine, harness.now()) == 0


def enrichment_task(kind):
    return FACT_KINDS[kind].task


def test_the_backfill_waits_until_every_first_page_is_stored(harness, famous):
    names = [name for (name,) in harness.rows("SELECT full_name FROM repository")]
    harness.read("star_history", *names)
    defer(harness.engine, harness.now())
    assert queued_tasks(harness.engine)[0].kind == "star_backfill"


def test_unchanged_subjects_are_due_once_a_week(harness, famous):
    harness.sandbox.world.freeze()
    harness.read("star_history", famous)

    def is_due(later):
        with harness.engine.begin() as connection:
            return (
                due.still_due_ids(
                    connection, FACT_KINDS["star_history"], harness.now() + later, [harness.id_of(famous)]
                )
                != []
            )

    assert not is_due(timedelta(days=2))
    assert is_due(timedelta(days=7, minutes=1))
    harness.sandbox.world.advance(hours=2)
    harness.sandbox.world.edit.star(famous, 5)
    harness.ingestor.one(famous.split("/")[0])
    assert not is_due(timedelta(hours=1))
    assert is_due(timedelta(days=2))


def test_an_endpoint_that_is_missing_is_not_queued(harness, famous):
    with harness.engine.begin() as connection:
        state.record_missing_endpoint(connection, "star_history", API_URL, harness.now())
    defer(harness.engine, harness.now())
    assert {row.kind for row in queued_tasks(harness.engine)} == {"extras"}
    defer(harness.engine, harness.now(), root="http://another.test")
    assert "star_history" in {row.kind for row in queued_tasks(harness.engine)}


def test_kinds_without_due_subjects_pause_in_proportion_to_the_query_time(harness, famous):
    """With few repositories due subjects are queried every minute."""
    resting, now = {}, harness.now()
    names = [name for (name,) in harness.rows("SELECT full_name FROM repository")]
    harness.read("star_history", *names)
    with harness.engine.begin() as connection:
        enqueue.enqueue_due_facts(connection, API_URL, now, resting)
    assert now < resting["star_history"] <= now + enqueue.MAX_BACKOFF
    assert "extras" not in resting
    with harness.engine.begin() as connection:
        connection.execute(text("DELETE FROM procrastinate_jobs"))
        connection.execute(text("DELETE FROM enrichment"))
        enqueue.enqueue_due_facts(connection, API_URL, now, resting)
    assert "star_history" not in {row.kind for row in queued_tasks(harness.engine)}
    defer(harness.engine, now)
    assert "star_history" not in {row.kind for row in queued_tasks(harness.engine)}  # the walk has the place
    with harness.engine.begin() as connection:
        connection.execute(text("DELETE FROM procrastinate_jobs"))
        enqueue.enqueue_due_facts(connection, API_URL, now + timedelta(minutes=11), resting)
    assert "star_history" in {row.kind for row in queued_tasks(harness.engine)}


def test_paused_or_unavailable_subjects_are_not_read(harness, famous):
    with harness.engine.begin() as connection:
        connection.execute(text("UPDATE tracked_account SET paused = true"))
    assert defer(harness.engine, harness.now()) == 0


def test_a_temporarily_wrong_clock_delays_nothing(harness, famous):
    harness.read("star_history", famous)
    with harness.engine.begin() as connection:
        connection.execute(text("UPDATE enrichment SET due_at = due_at + interval '5 years'"))
        assert due.still_due_ids(connection, FACT_KINDS["star_history"], harness.now(), [harness.id_of(famous)]) != []


def test_enrichment_gives_way_to_urgent_jobs(harness, famous):
    turn = TimeSlice(harness.engine, NeverSet(), max_seconds=60)
    turn._checked_at -= 2
    assert not turn.has_ended()
    with harness.engine.begin() as connection:
        jobs.defer_refresh(connection, [1], jobs.JobOrigin("person"), harness.now(), priority=jobs.PRIORITY_PERSON)
    turn._checked_at -= 2
    assert turn.has_ended()


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


def test_a_worker_resumes_the_jobs_of_a_killed_worker(harness, famous):
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
    wait_for(lambda: harness.ingestor.count("star_backfill") >= 3)
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
        wait_for(lambda: run_leader_minute(engine, sandbox) and all_stars_walked(harness))
        stored = harness.rows(
            "SELECT full_name, coalesce(sum(stars), 0) FROM repository JOIN star_day ON repository_id = id GROUP BY 1"
        )
        truth = {one["full_name"]: one["stars"] for one in sandbox.ground_truth(famous.split("/")[0])["repositories"]}
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


def wait_for(condition, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


def test_kinds_are_consistent():
    assert all(kind.interval <= kind.quiet_interval for kind in FACT_KINDS.values())
    assert {kind.task for kind in FACT_KINDS.values()} == {
        reading_kinds.STAR_HISTORY_TASK,
        reading_kinds.ENRICHMENT_TASK,
    }
