"""One job of readings: some subjects, one kind, one token. Ends early when the budget, the time or the worker does."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from core.db.data_version import publish_data_version
from core.queue.enrichment import FACT_KINDS, FactKind, has_waiting_urgent_jobs
from ingest.enrichment import backoff, counts, due, run_log, state
from ingest.enrichment.due import Target
from ingest.enrichment.handlers import FACT_HANDLERS, StoreResult
from ingest.enrichment.run_log import EnrichmentRun
from ingest.github import GitHub
from ingest.github.api.facts import FactSubject
from ingest.github.api.graphql_responses import FailedNode
from ingest.github.api.models import Extras
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
# A job gives way after so long, and when another one waits: refreshes want workers, too.
MAX_JOB_SECONDS = 60.0
QUEUE_CHECK_INTERVAL_SECONDS = 1.0
MAX_CONSECUTIVE_FAILURES = 3
OUTAGE_RETRY_DELAY = timedelta(minutes=5)


def now_utc() -> datetime:
    return datetime.now(UTC)


class TimeSlice:
    """How long a job may go on."""

    def __init__(self, engine: Engine, stop: StopSignal, max_seconds: float) -> None:
        self._engine = engine
        self._stop = stop
        self._until = time.monotonic() + max_seconds
        self._checked_at = time.monotonic()

    def has_ended(self) -> bool:
        """Told to stop, at it for long, or somebody else waits; that is looked for once a second."""
        now = time.monotonic()
        if self._stop.is_set() or now >= self._until:
            return True
        if now - self._checked_at < QUEUE_CHECK_INTERVAL_SECONDS:
            return False
        self._checked_at = now
        with self._engine.begin() as connection:
            return has_waiting_urgent_jobs(connection)


@dataclass
class Enricher:
    """The client, the store and the clock that readings work with."""

    github: GitHub
    engine: Engine
    api_root: str
    clock: Callable[[], datetime] = now_utc
    max_seconds: float = MAX_JOB_SECONDS

    def run(
        self, kind_name: str, ids: Sequence[int], *, token: str | None = None, stop: StopSignal | None = None,
        job_id: int | None = None, anew: bool = False,
    ) -> EnrichmentRun:  # fmt: skip
        """Read one kind of fact of *ids* and report; `run.until` says when it is worth going on.

        What was read since the job was queued is left out, unless it is wanted *anew*. What is not reached stays due.
        """
        kind, stop = FACT_KINDS[kind_name], stop or threading.Event()
        with self.engine.begin() as connection:
            now = self.clock()
            wanted = list(ids) if anew else due.still_due_ids(connection, kind, now, ids)
            if due.is_endpoint_missing(connection, kind.name, self.api_root, now) and not anew:
                wanted = []
            run = (
                run_log.open_run(connection, kind.name, token, job_id, len(wanted), now) if wanted else EnrichmentRun()
            )
        try:
            self._each(run, kind, wanted, stop)
        finally:
            if wanted:
                self._close_run(run)
        return run

    def _each(self, run: EnrichmentRun, kind: FactKind, ids: Sequence[int], stop: StopSignal) -> None:
        turn, failures = TimeSlice(self.engine, stop, self.max_seconds), 0
        for i in range(0, len(ids), kind.batch_size):
            batch = ids[i : i + kind.batch_size]
            if turn.has_ended():
                run.stop_reason = "the worker was told to stop" if stop.is_set() else "other work is waiting"
                return
            try:
                if kind.batch_size > 1:
                    self._fetch_batch(run, kind, batch, stop)
                else:
                    run.rows_written += self._read(run, kind, batch[0], stop, turn)
                    run.stored += 1
                failures = 0
            except (RateLimited, EndpointNotSupported, Stopped, BadCredentials) as error:
                # None of these is this subject's own: the others would meet the same.
                self._end_early(run, kind, error)
                return
            except (GitHubError, DBAPIError, ValueError) as error:
                failures = failures + 1 if isinstance(error, TRANSIENT_ERRORS) else 0
                for subject_id in batch:
                    self._note(run, kind, subject_id, error)
                if failures >= MAX_CONSECUTIVE_FAILURES:
                    run.stop_reason, run.until = str(error), self.clock() + OUTAGE_RETRY_DELAY
                    return

    def _read(self, run: EnrichmentRun, kind: FactKind, subject_id: int, stop: StopSignal, turn: TimeSlice) -> int:
        """Ask for one subject, as many pages as there are and the time allows; returns how many rows were written."""
        rows = 0
        while True:
            with self.engine.begin() as connection:
                target = due.load_target(connection, kind, subject_id, self.clock())
            if target is None:
                return rows
            stored = self._fetch_and_store(run, kind, target, stop)
            rows += stored.rows
            if not stored.has_more or turn.has_ended():
                return rows

    def _fetch_and_store(self, run: EnrichmentRun, kind: FactKind, target: Target, stop: StopSignal) -> StoreResult:
        way = FACT_HANDLERS[kind.name]
        try:
            reading = way.ask(self.github.facts, target, self._subject(run, kind, target), stop)
        except RepositoryNotFound as error:
            if self._is_endpoint_missing(kind, target, stop):
                raise EndpointNotSupported(kind.label) from error
            raise
        with self.engine.begin() as connection:
            before = state.lock_and_get_last_read_at(connection, kind, target.id)
            if before is not None and before > reading.captured_at:
                return StoreResult(0)  # a newer answer is held
            stored = way.store(connection, target, reading, before)
            # A walk that is cut short stays due.
            if stored.first_day is not None or not stored.has_more:
                state.record_success(connection, kind, target.id, reading.captured_at, self.clock(), stored.first_day)
            return stored

    def _fetch_batch(self, run: EnrichmentRun, kind: FactKind, ids: Sequence[int], stop: StopSignal) -> None:
        """Ask for several at once; each is stored, or noted as not told, by itself."""
        with self.engine.begin() as connection:
            found = [due.load_target(connection, kind, subject_id, self.clock()) for subject_id in ids]
        targets = [target for target in found if target is not None and target.node_id is not None]
        if not targets:
            return
        subject = self._subject(run, kind, targets[0])
        reading = self.github.facts.extras(subject, [target.node_id or "" for target in targets], stop=stop)
        for target, told in zip(targets, reading.value, strict=True):
            if told is None:
                self._note(run, kind, target.id, RepositoryNotFound(target.full_name or target.login))
            elif isinstance(told, FailedNode):
                self._note(run, kind, target.id, told.error)
            else:
                run.rows_written += self._store_extras(kind, target, told, reading.captured_at)
                run.stored += 1

    def _store_extras(self, kind: FactKind, target: Target, told: Extras, at: datetime) -> int:
        with self.engine.begin() as connection:
            before = state.lock_and_get_last_read_at(connection, kind, target.id)
            if before is not None and before > at:
                return 0
            state.record_success(connection, kind, target.id, at, self.clock())
            return counts.store(connection, target.id, told, at)

    def _subject(self, run: EnrichmentRun, kind: FactKind, target: Target) -> FactSubject:
        reserve, name = kind.reserve_for(is_anonymous=self.github.is_anonymous), target.full_name or target.login
        return FactSubject(target.github_id, name, target.token_fingerprint, reserve, target.node_id, run.tally)

    def _is_endpoint_missing(self, kind: FactKind, target: Target, stop: StopSignal) -> bool:
        """Whether nobody is told: it never was, and the repository that was asked for is there."""
        with self.engine.begin() as connection:
            if state.was_ever_read(connection, kind.name):
                return False
        return self.github.is_repository_visible(target.github_id, stop=stop)

    # When it did not work ----------------------------------------------------------------------------------------

    def _note(self, run: EnrichmentRun, kind: FactKind, subject_id: int, error: Exception) -> None:
        run.failed += 1
        with self.engine.begin() as connection:
            target = due.load_target(connection, kind, subject_id, self.clock())
            now = self.clock()
            verdict = backoff.failure_outcome(kind, error, now, target.failed_attempts if target else 0)
            state.record_failure(
                connection, kind, subject_id, verdict.state, verdict.due_at, verdict.failed_attempts, verdict.reason
            )
        log.info("reading failed", kind=kind.name, subject=subject_id, state=verdict.state, why=verdict.reason)

    def _end_early(self, run: EnrichmentRun, kind: FactKind, error: GitHubError) -> None:
        run.stop_reason = str(error)
        if isinstance(error, RateLimited):
            run.until = error.resets_at
        elif isinstance(error, BadCredentials):
            run.until = self.clock() + OUTAGE_RETRY_DELAY
        elif isinstance(error, EndpointNotSupported):
            with self.engine.begin() as connection:
                state.record_missing_endpoint(connection, kind.name, self.api_root, self.clock())
        log.info("readings end early", kind=kind.name, why=run.stop_reason)

    def _close_run(self, run: EnrichmentRun) -> None:
        with self.engine.begin() as connection:
            run_log.close_run(connection, run, self.clock())
            if run.rows_written:
                publish_data_version(connection, None)
        log.info(
            "readings finished", kind=run.kind, stored=run.stored, failed=run.failed, requests=run.tally.requests,
            not_modified=run.tally.not_modified, rows=run.rows_written, stop_reason=run.stop_reason,
        )  # fmt: skip
