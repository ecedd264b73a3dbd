"""One enrichment job: fetches and stores one kind of fact for some repositories or users of one token.

A job ends early when the rate budget, its time or the worker ends; subjects not reached stay due.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from core.clock import now_utc
from core.db.data_version import announce_past_change, is_late, publish_data_version
from core.db.engine import run_transaction
from core.queue.enrichment import FACT_KINDS, FactKind, has_waiting_urgent_jobs
from ingest.enrichment import due, run_log, state
from ingest.enrichment.due import Target
from ingest.enrichment.handlers import BATCH_HANDLERS, FACT_HANDLERS, StoreResult
from ingest.enrichment.run_log import EnrichmentRun
from ingest.enrichment.state import FailureOutcome
from ingest.github import GitHub
from ingest.github.api.facts import FactSubject
from ingest.github.api.graphql_responses import FailedNode
from ingest.github.errors import (
    TRANSIENT_ERRORS,
    BadCredentials,
    EndpointNotSupported,
    GitHubError,
    RateLimited,
    RepositoryNotFound,
    Stopped,
)
from ingest.github.http.rate_gate import StopSignal

log = structlog.get_logger()
# After this time, or when a more urgent job waits, a job ends so that refreshes find a free worker.
MAX_JOB_SECONDS = 60.0
QUEUE_CHECK_INTERVAL_SECONDS = 1.0
MAX_CONSECUTIVE_FAILURES = 3
OUTAGE_RETRY_DELAY = timedelta(minutes=5)


class JobLimits:
    """The time that one job may take, and what it may cost."""

    def __init__(
        self, engine: Engine, stop: StopSignal, max_seconds: float, run: EnrichmentRun, max_cost: int | None = None
    ) -> None:
        self._engine = engine
        self._run = run
        self._max_cost = max_cost
        self._stop = stop
        self._ends_at = time.monotonic() + max_seconds
        self._checked_at = time.monotonic()

    def stop_reason(self) -> str | None:
        """Return why the job has to end now; None: it may go on. The queue is read once a second."""
        now = time.monotonic()
        if self._stop.is_set():
            return "the worker was stopped"
        if now >= self._ends_at:
            return "its time limit was reached"
        if self._max_cost is not None and self._run.cost >= self._max_cost:
            return "its cost limit was reached"
        if now - self._checked_at < QUEUE_CHECK_INTERVAL_SECONDS:
            return None
        self._checked_at = now
        with self._engine.begin() as connection:
            return "a more urgent job is waiting" if has_waiting_urgent_jobs(connection) else None


@dataclass
class Enricher:
    """Fetches and stores facts with a GitHub client and a database."""

    github: GitHub
    engine: Engine
    api_root: str
    clock: Callable[[], datetime] = now_utc
    max_seconds: float = MAX_JOB_SECONDS

    def run(
        self,
        kind_name: str,
        ids: Sequence[int],
        *,
        token: str | None = None,
        stop: StopSignal | None = None,
        job_id: int | None = None,
        force: bool = False,
        max_cost: int | None = None,
        for_people: bool = False,
    ) -> EnrichmentRun:
        """Fetch one kind of fact for the subjects *ids* and return the run; `run.retry_at` says when to continue.

        Subjects that are no longer due are skipped unless *force* is true. Subjects not reached stay due. It ends
        when it has cost *max_cost* requests or points; *for_people* is recorded.
        """
        kind, stop = FACT_KINDS[kind_name], stop or threading.Event()

        def open_run(connection: Connection) -> tuple[list[int], EnrichmentRun]:
            now = self.clock()
            due_ids = list(ids) if force else due.still_due_ids(connection, kind, now, ids)
            if not due_ids or (due.is_endpoint_missing(connection, kind.name, self.api_root, now) and not force):
                return [], EnrichmentRun(kind=kind.name)
            return due_ids, run_log.open_run(
                connection, kind.name, token, job_id, len(due_ids), now, for_people=for_people
            )

        due_ids, run = run_transaction(self.engine, open_run)
        try:
            self._run_batches(run, kind, due_ids, stop, JobLimits(self.engine, stop, self.max_seconds, run, max_cost))
        finally:
            if due_ids:
                self._close_run(run)
        return run

    def _run_batches(
        self, run: EnrichmentRun, kind: FactKind, ids: Sequence[int], stop: StopSignal, limits: JobLimits
    ) -> None:
        failures = 0
        for i in range(0, len(ids), kind.batch_size):
            batch = ids[i : i + kind.batch_size]
            run.stop_reason = limits.stop_reason()
            if run.stop_reason is not None:
                return
            try:
                if kind.batch_size > 1:
                    self._fetch_batch(run, kind, batch, stop)
                else:
                    self._fetch_pages(run, kind, batch[0], stop, limits)
                    run.stored += 1
                failures = 0
            except (RateLimited, EndpointNotSupported, Stopped, BadCredentials) as error:
                if isinstance(error, RateLimited) and error.is_of_fallback:
                    log.info("enrichment left for later", kind=kind.name, subjects=list(batch), reason=str(error))
                    continue
                # Not caused by this subject: the others would fail the same way.
                self._end_early(run, kind, error)
                return
            except (GitHubError, DBAPIError, ValueError) as error:
                failures = failures + 1 if isinstance(error, TRANSIENT_ERRORS) else 0
                for subject_id in batch:
                    self._record_failure(run, kind, subject_id, error)
                if failures >= MAX_CONSECUTIVE_FAILURES:
                    run.stop_reason, run.retry_at = str(error), self.clock() + OUTAGE_RETRY_DELAY
                    return

    def _fetch_pages(
        self, run: EnrichmentRun, kind: FactKind, subject_id: int, stop: StopSignal, limits: JobLimits
    ) -> None:
        """Fetch one subject, as many pages as there are and the limits allow; those stored before an error count."""
        while True:
            target = self._load_targets(kind, [subject_id])[0]
            if target is None:
                return
            result = self._fetch_and_store(run, kind, target, stop)
            run.rows_written += result.rows
            if not result.has_more or limits.stop_reason() is not None:
                return

    def _fetch_and_store(self, run: EnrichmentRun, kind: FactKind, target: Target, stop: StopSignal) -> StoreResult:
        handler = FACT_HANDLERS[kind.name]
        try:
            fact = handler.fetch(self.github.facts, target, self._subject(run, kind, target), stop)
        except RepositoryNotFound as error:
            if self._is_endpoint_missing(kind, target, stop):
                raise EndpointNotSupported(kind.label) from error
            raise

        def store(connection: Connection) -> StoreResult:
            stored_at = state.lock_and_get_captured_at(connection, kind, target.id)
            if stored_at is not None and stored_at > fact.captured_at:
                return StoreResult(0)  # a newer response is stored
            result = handler.store(connection, target, fact, stored_at)
            # A backfill with more pages stays due.
            if result.first_day is not None or not result.has_more:
                state.record_success(connection, kind, target.id, fact.captured_at, self.clock(), result.first_day)
            if is_late(fact.captured_at):
                announce_past_change(connection)
            return result

        return run_transaction(self.engine, store)

    def _load_targets(self, kind: FactKind, ids: Sequence[int]) -> list[Target | None]:
        return run_transaction(
            self.engine,
            lambda connection: [due.load_target(connection, kind, subject_id, self.clock()) for subject_id in ids],
        )

    def _fetch_batch(self, run: EnrichmentRun, kind: FactKind, ids: Sequence[int], stop: StopSignal) -> None:
        """Fetch several subjects with one request; each is stored, or recorded as failed, by itself."""
        targets = [
            target for target in self._load_targets(kind, ids) if target is not None and target.node_id is not None
        ]
        if not targets:
            return
        subjects = [self._subject(run, kind, target) for target in targets]
        fact = BATCH_HANDLERS[kind.name].fetch(self.github.facts, subjects, stop)
        for target, reported in zip(targets, fact.value, strict=True):
            if reported is None:
                self._record_failure(run, kind, target.id, RepositoryNotFound(target.full_name or target.login))
            elif isinstance(reported, FailedNode):
                self._record_failure(run, kind, target.id, reported.error)
            else:
                run.rows_written += self._store_batched(kind, target, reported, fact.captured_at)
                run.stored += 1

    def _store_batched(self, kind: FactKind, target: Target, reported: object, at: datetime) -> int:
        def store(connection: Connection) -> int:
            stored_at = state.lock_and_get_captured_at(connection, kind, target.id)
            if stored_at is not None and stored_at > at:
                return 0
            state.record_success(connection, kind, target.id, at, self.clock())
            rows = BATCH_HANDLERS[kind.name].store(connection, target.id, reported, at)
            if is_late(at):
                announce_past_change(connection)
            return rows

        return run_transaction(self.engine, store)

    def _subject(self, run: EnrichmentRun, kind: FactKind, target: Target) -> FactSubject:
        reserve, name = kind.reserve_for(is_anonymous=self.github.is_anonymous), target.full_name or target.login
        return FactSubject(target.github_id, name, target.token_fingerprint, reserve, target.node_id, run.tally)

    def _is_endpoint_missing(self, kind: FactKind, target: Target, stop: StopSignal) -> bool:
        """Return whether the server lacks the endpoint: it never answered, though the repository exists."""
        with self.engine.begin() as connection:
            if state.was_ever_stored(connection, kind.name):
                return False
        return self.github.is_repository_visible(target.github_id, stop=stop)

    def _record_failure(self, run: EnrichmentRun, kind: FactKind, subject_id: int, error: Exception) -> None:
        def record(connection: Connection) -> FailureOutcome:
            now = self.clock()
            target = due.load_target(connection, kind, subject_id, now)
            outcome = state.failure_outcome(kind, error, now, target.failed_attempts if target else 0)
            state.record_failure(connection, kind, subject_id, outcome)
            return outcome

        outcome = run_transaction(self.engine, record)
        # What GitHub has just begun to compute is neither stored nor failed.
        is_computing = outcome.state == "computing"
        run.failed += not is_computing
        message = "enrichment postponed" if is_computing else "enrichment failed"
        log.info(message, kind=kind.name, subject=subject_id, state=outcome.state, reason=outcome.reason)

    def _end_early(self, run: EnrichmentRun, kind: FactKind, error: GitHubError) -> None:
        run.stop_reason = str(error)
        if isinstance(error, RateLimited):
            run.retry_at, run.is_at_reserve = error.resets_at, error.is_exhausted
        elif isinstance(error, BadCredentials):
            run.retry_at = self.clock() + OUTAGE_RETRY_DELAY
        elif isinstance(error, EndpointNotSupported):
            with self.engine.begin() as connection:
                state.record_missing_endpoint(connection, kind.name, self.api_root, self.clock())
        log.info("enrichment stopped early", kind=kind.name, reason=run.stop_reason)

    def _close_run(self, run: EnrichmentRun) -> None:
        with self.engine.begin() as connection:
            run_log.close_run(connection, run, self.clock())
            if run.rows_written:
                publish_data_version(connection, keeps_past=True)
        log.info(
            "enrichment finished", kind=run.kind, stored=run.stored, failed=run.failed, requests=run.tally.requests,
            not_modified=run.tally.not_modified, rows=run.rows_written, stop_reason=run.stop_reason,
        )  # fmt: skip
