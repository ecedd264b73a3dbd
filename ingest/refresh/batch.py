"""One batch of accounts, from request to committed snapshots.

Safe to repeat. An account is stored in one transaction, with others whose responses are complete at the same time.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import psycopg
import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from core.clock import now_utc
from core.db.data_version import publish_data_version
from core.db.engine import run_transaction
from core.db.errors import is_conflict, is_connection_error, is_server_unavailable
from core.errors import AlmanacError
from core.queue.enrichment import IDLE_RESERVE
from core.queue.jobs import JobOrigin
from core.tracking import accounts
from core.tracking.login import BadLogin, parse_login
from ingest.alerts import evaluate as alerts
from ingest.github import AccountRequest, AccountResult, GitHub
from ingest.github.errors import AccountNotFound, RateLimited, Stopped
from ingest.github.http.rate_gate import StopSignal
from ingest.planning import due_accounts
from ingest.refresh import language_rollups, reused_login, run_log, store, stored_state, writer
from ingest.refresh.comparison import Response
from ingest.refresh.languages import LanguagesState, should_fetch_languages
from ingest.refresh.missing_repositories import find_missing_repositories
from ingest.refresh.run_log import IngestItem, Run

log = structlog.get_logger()
PUBLISH_INTERVAL_SECONDS = 60.0
PROGRESS_INTERVAL_SECONDS = 0.5
NOT_FOUND_RETRY_DELAY = timedelta(days=1)
DATA_ERRORS = (ValueError, TypeError, LookupError)
STORE_ERRORS = (DBAPIError, *DATA_ERRORS)

ItemCallback = Callable[[IngestItem], None]


@dataclass(frozen=True)
class FetchedAccount:
    """A response to store; *account_id* is ours of the account that was requested, None where it was not stored."""

    account_id: int | None
    result: AccountResult
    response: Response


@dataclass(frozen=True)
class RefreshRequest:
    """What to refresh and how: accounts by our id, or by a login that a person entered."""

    origin: JobOrigin
    account_ids: Sequence[int] = ()
    logins: Sequence[str] = ()
    extras: bool = False
    urgent: bool = False
    job_id: int | None = None


@dataclass
class Refresher:
    """Refreshes accounts with a GitHub client and a database."""

    github: GitHub
    engine: Engine
    default_cadence: timedelta
    clock: Callable[[], datetime] = now_utc
    rng: random.Random = field(default_factory=random.Random)
    rollup_throttle: language_rollups.DutyCycleThrottle = field(default_factory=language_rollups.DutyCycleThrottle)

    def run(
        self, request: RefreshRequest, *, stop: StopSignal | None = None, on_item: ItemCallback = lambda _item: None
    ) -> Run:
        """Refresh the accounts of *request* and return the outcome of each; *on_item* gets them one by one.

        An error of one account does not affect the others. *stop* ends the run between two accounts; those not reached
        stay due. Raises DBAPIError when Postgres is unavailable.
        """
        targets, bad_logins = run_transaction(
            self.engine, lambda connection: self._resolve_targets(connection, request)
        )
        before, started = self.github.usage, time.monotonic()
        with (
            run_log.record_run(
                self.engine, request.origin, len(targets) + len(bad_logins), self.clock(), request.job_id
            ) as run,
            structlog.contextvars.bound_contextvars(run_id=run.id),
        ):
            log.info("refresh started", accounts=len(targets), trigger=request.origin.trigger)
            for item in self._record_bad_logins(run, bad_logins):
                on_item(item)
            published_at = progress_at = time.monotonic()
            for item in self._refresh_each(run, request, targets, stop):
                run.items.append(item)
                on_item(item)
                self._update_usage(run, before)
                if time.monotonic() - progress_at > PROGRESS_INTERVAL_SECONDS:
                    self._write_progress(run)
                    progress_at = time.monotonic()
                if time.monotonic() - published_at > PUBLISH_INTERVAL_SECONDS:
                    self._publish(run)
                    published_at = time.monotonic()
            self._update_usage(run, before)
            run.stopped = stop is not None and stop.is_set() and len(run.items) < len(targets) + len(bad_logins)
            self._finish(run)
            run.seconds = time.monotonic() - started
            log.info(
                "refresh finished", stored=run.stored, failed=run.failed, requests=run.requests, points=run.points,
                not_modified=run.not_modified, rows=run.rows_written, seconds=round(run.seconds, 2),
            )  # fmt: skip
        return run

    def _resolve_targets(
        self, connection: Connection, request: RefreshRequest
    ) -> tuple[list[tuple[int | None, AccountRequest]], list[tuple[str, BadLogin]]]:
        targets: list[tuple[int | None, AccountRequest]] = list(
            due_accounts.account_requests(
                connection, due_accounts.unfinished_account_ids(connection, request.account_ids, request.job_id)
            )
        )
        bad_logins: list[tuple[str, BadLogin]] = []
        logins = {target.login.lower() for _, target in targets}
        by_login: list[tuple[int | None, str]] = []
        for text in request.logins:
            try:
                login = parse_login(text)
            except BadLogin as error:
                bad_logins.append((text, error))
                continue
            if login.lower() not in logins:
                logins.add(login.lower())
                by_login.append((accounts.find_account_id(connection, login), login))
        stored = dict(due_accounts.account_requests(connection, [id_ for id_, _ in by_login if id_ is not None]))
        targets += [(id_, AccountRequest(login) if id_ is None else stored[id_]) for id_, login in by_login]
        return targets, bad_logins

    def _record_bad_logins(self, run: Run, bad_logins: Sequence[tuple[str, BadLogin]]) -> Iterator[IngestItem]:
        for text, error in bad_logins:
            item = IngestItem(text[:100], "failed", error_code=error.code, error=str(error))
            with self.engine.begin() as connection:
                run_log.write_items(connection, run.id, [item])
            run.items.append(item)
            yield item

    def _refresh_each(
        self,
        run: Run,
        request: RefreshRequest,
        targets: Sequence[tuple[int | None, AccountRequest]],
        stop: StopSignal | None,
    ) -> Iterator[IngestItem]:
        ids = {target: account_id for account_id, target in targets}
        stored_ids = [id_ for id_ in ids.values() if id_ is not None]
        state = run_transaction(self.engine, lambda connection: stored_state.load_batch_state(connection, stored_ids))

        is_idle = not request.urgent and self._has_idle_budget()

        def fetch(account_requests: Sequence[AccountRequest]) -> Iterator[list[AccountResult]]:
            return self.github.account_groups(
                account_requests,
                should_fetch_languages=lambda account, repository: (
                    state.is_wanted(account, repository)
                    and (request.urgent or not repository.is_fork)
                    and should_fetch_languages(
                        state.languages.get(repository.github_id), repository, self.clock(), is_idle=is_idle
                    )
                ),
                extras=request.extras,
                urgent=request.urgent,
                stop=stop,
            )

        by_id = set(request.account_ids)
        for results in fetch(list(ids)):
            fetched = []
            for result in results:
                # A requested login means whichever account has it now; a tracked account is the same under any login.
                if ids[result.account_request] in by_id and reused_login.is_other_account(result):
                    result = reused_login.fetch_renamed_account(  # noqa: PLW2901
                        self.github, result, lambda one: next(fetch([one]))[0], stop
                    )
                account_id = ids[result.account_request]
                if result.snapshot is None:
                    if not isinstance(result.error, Stopped):
                        yield self._record_failure(run, account_id, result, result.error)
                    continue
                try:
                    missing = find_missing_repositories(self.github, result.snapshot, state.listed, stop)
                except DATA_ERRORS as error:
                    yield self._record_not_stored(run, account_id, result, error)
                else:
                    response = Response(result.account_request.login, result.snapshot, missing)
                    fetched.append(FetchedAccount(account_id, result, response))
            for group in _groups(fetched):
                yield from self._store_group(run, group, state.languages)

    def _has_idle_budget(self) -> bool:
        """Return whether every token's points are reported, and at least IDLE_RESERVE of them left."""
        points = [bucket for bucket in self.github.rate_budgets() if bucket.resource == "graphql"]
        return bool(points) and all(bucket.remaining >= IDLE_RESERVE * bucket.limit for bucket in points)

    def _store_group(
        self, run: Run, group: Sequence[FetchedAccount], language_states: Mapping[int, LanguagesState]
    ) -> Iterator[IngestItem]:
        """Store *group* in one transaction; where that fails, each account in its own, as one may be the cause."""
        if len(group) > 1:
            try:
                items = self._store_together(run, group, language_states)
            except STORE_ERRORS as error:
                log.info("accounts stored one by one", accounts=len(group), reason=type(error).__name__)
            else:
                yield from items
                return
        for one in group:
            yield self._store_or_record_failure(run, one, language_states)

    def _store_or_record_failure(
        self, run: Run, fetched: FetchedAccount, language_states: Mapping[int, LanguagesState]
    ) -> IngestItem:
        try:
            for attempt in Retrying(
                retry=retry_if_exception(_is_retryable),
                stop=stop_after_attempt(4),
                wait=wait_random_exponential(0.05, 1),
                reraise=True,
            ):
                with attempt:
                    return self._store_together(run, [fetched], language_states)[0]
            raise AssertionError("unreachable")
        except STORE_ERRORS as error:
            if is_server_unavailable(error) and not is_conflict(error):
                raise  # not caused by this account: the job is retried
            return self._record_not_stored(run, fetched.account_id, fetched.result, error)

    def _store_together(
        self, run: Run, group: Sequence[FetchedAccount], language_states: Mapping[int, LanguagesState]
    ) -> list[IngestItem]:
        started = time.monotonic()
        with self.engine.begin() as connection:
            items = store.store_accounts(
                connection,
                run.id,
                [one.response for one in group],
                language_states=language_states,
                now=self.clock(),
                default_cadence=self.default_cadence,
                rng=self.rng,
            )
            seconds = (time.monotonic() - started) / len(group)
            items = [_with_usage(item, one.result, seconds) for item, one in zip(items, group, strict=True)]
            run_log.write_items(connection, run.id, items)
        return items

    def _record_not_stored(
        self, run: Run, account_id: int | None, result: AccountResult, error: Exception
    ) -> IngestItem:
        """Record that a response could not be stored: the other accounts of the batch must not fail with this one."""
        login = result.account_request.login
        log.exception("account not stored", login=login)
        return self._record_failure(run, account_id, result, StoreFailed(login, error))

    def _record_failure(
        self, run: Run, account_id: int | None, result: AccountResult, error: Exception | None
    ) -> IngestItem:
        login, code = result.account_request.login, getattr(error, "code", "error")
        is_gone = (
            isinstance(error, AccountNotFound)
            and account_id is not None
            and result.account_request.github_id is not None
        )
        log.warning("account not refreshed", login=login, code=code, error=str(error))
        item = IngestItem(login, "deleted" if is_gone else "failed", account_id, error_code=code, error=str(error))
        item = _with_usage(item, result)

        def record(connection: Connection) -> IngestItem:
            is_unknown = isinstance(error, AccountNotFound) and not is_gone
            # Never an account: nothing of the name stays, unless history of it was imported.
            if account_id is None or (is_unknown and accounts.forget_name(connection, account_id)):
                nameless = replace(item, account_id=None)
                run_log.write_items(connection, run.id, [nameless])
                return nameless
            not_before = error.resets_at if isinstance(error, RateLimited) else None
            if is_gone:  # each 404 is charged
                not_before = self.clock() + NOT_FOUND_RETRY_DELAY
            due_accounts.record_failure(
                connection, account_id, self.clock(), self.default_cadence, not_before, self.rng
            )
            if is_gone:
                writer.mark_account_gone(connection, account_id, "not found", self.clock(), run.id)
            run_log.write_items(connection, run.id, [item])
            return item

        return run_transaction(self.engine, record)

    def _update_usage(self, run: Run, before: object) -> None:
        usage = self.github.usage
        for name in ("requests", "points", "not_modified"):
            setattr(run, name, round(getattr(usage, name) - getattr(before, name)))

    def _write_progress(self, run: Run) -> None:
        with self.engine.begin() as connection:
            run_log.write_progress(connection, run)

    def _publish(self, run: Run) -> None:
        with self.engine.begin() as connection:
            publish_data_version(connection, run.id, keeps_past=True)

    def _finish(self, run: Run) -> None:
        """Update the rollups, publish a new data version and evaluate the event rules.

        Unchanged accounts are published too: their freshness changed.
        """
        if not run.has_news:
            return

        def finish(connection: Connection) -> None:
            if self.rollup_throttle.is_allowed:
                # A run that skips the rollup leaves it to the scheduler, which updates it within minutes.
                with self.rollup_throttle.measure():
                    language_rollups.update_language_day(connection)
            publish_data_version(connection, run.id, keeps_past=True)

        run_transaction(self.engine, finish)
        self._raise_alerts(run)

    def _raise_alerts(self, run: Run) -> None:
        try:
            raised = run_transaction(
                self.engine, lambda connection: alerts.raise_event_alerts(connection, run.id, self.clock())
            )
        except DBAPIError as error:
            # The stored accounts stay valid, and the scheduler tries again.
            if is_connection_error(error):
                log.warning("alerts not evaluated, Postgres unavailable")
            else:
                log.exception("alert evaluation failed")
        else:
            if raised:
                log.info("alerts raised", alerts=raised)


class StoreFailed(AlmanacError):
    """A reported account could not be stored."""

    code = "not_stored"

    def __init__(self, login: str, error: Exception) -> None:
        super().__init__(f"The response for {login} could not be stored ({type(error).__name__}); see the log")


def _groups(fetched: Iterable[FetchedAccount]) -> Iterator[list[FetchedAccount]]:
    """Divide accounts into groups to store together: no two responses about one account or one repository."""
    group: list[FetchedAccount] = []
    account_ids, repository_ids = set[int](), set[int]()
    for one in fetched:
        account_id, ids = one.response.account.github_id, one.response.repository_ids
        if account_id in account_ids or not repository_ids.isdisjoint(ids):
            yield group
            group, account_ids, repository_ids = [], set(), set()
        group.append(one)
        account_ids.add(account_id)
        repository_ids |= ids
    if group:
        yield group


def _with_usage(item: IngestItem, result: AccountResult, seconds: float = 0) -> IngestItem:
    return replace(
        item,
        requests=result.requests,
        points=result.points,
        not_modified=result.not_modified,
        duration_ms=round(seconds * 1000),
    )


def _is_retryable(error: BaseException) -> bool:
    """Return True for deadlocks, serialization failures, lost connections, and rows that another refresh wrote too."""
    return isinstance(error, DBAPIError) and (
        is_conflict(error)
        or error.connection_invalidated
        or isinstance(error, OperationalError)
        or isinstance(error.orig, psycopg.errors.UniqueViolation)
    )
