"""What a worker does with a job that raised."""

import threading
from types import SimpleNamespace

import procrastinate
import pytest
from procrastinate.jobs import Job

from core.queue import jobs
from ingest import worker
from ingest.github import Stopped


@pytest.fixture
def app():
    refresher = SimpleNamespace(github=SimpleNamespace(api_url="https://github.test"), engine=None)
    return worker.build_app("", refresher, threading.Event(), 1, None)


def retry_of(app, task, error, attempts=0):
    job = Job(id=1, queue=jobs.QUEUE, lock="one", queueing_lock="one", task_name=task, attempts=attempts)
    return app.tasks[task].get_retry_exception(error, job)


@pytest.mark.parametrize("error", [Stopped(), ConnectionError()], ids=["the worker stops", "a server is unavailable"])
def test_a_lookup_that_was_interrupted_is_run_again_before_its_request_expires(app, error):
    """Its state stays under way, so that nobody else would start it: without a retry it is lost."""
    first = retry_of(app, jobs.LOOKUP, error)
    assert isinstance(first, procrastinate.exceptions.JobRetry)
    last = next(attempts for attempts in range(100) if retry_of(app, jobs.LOOKUP, error, attempts) is None)
    assert 3 <= last <= 6


@pytest.mark.parametrize(("attempts", "is_recorded"), [(0, False), (5, True)], ids=["first", "last"])
def test_a_lookup_is_recorded_as_failed_with_its_last_attempt_only(app, monkeypatch, attempts, is_recorded):
    recorded = []

    def fail(*_):
        raise ConnectionError

    monkeypatch.setattr(worker.redis_client, "redis", lambda: None)
    monkeypatch.setattr(worker.lookups, "run_lookup", fail)
    monkeypatch.setattr(worker.lookups, "record_failure", lambda _redis, lookup_id, _error: recorded.append(lookup_id))
    job = Job(id=1, queue=jobs.QUEUE, lock="one", queueing_lock="one", task_name=jobs.LOOKUP, attempts=attempts)
    with pytest.raises(ConnectionError):
        app.tasks[jobs.LOOKUP].func(SimpleNamespace(job=job), "one")
    assert recorded == (["one"] if is_recorded else [])
