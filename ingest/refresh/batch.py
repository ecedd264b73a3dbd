"""One batch of accounts, from question to committed snapshot. Safe to repeat, whole accounts only."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, OperationalError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from core.db.data_version import publish_data_version
from core.db.errors import is_connection_error
from core.errors import AlmanacError
from core.queue.jobs import JobOrigin
from core.tracking import accounts
from core.tracking.login import BadLogin, parse_login
from ingest.alerts import evaluate as alerts
from ingest.github import Account, AccountRequest, AccountResult, AccountSnapshot, GitHub, Repository
from ingest.github.errors import AccountNotFound, RateLimited, Stopped
from ingest.github.http.rate_gate import StopSignal
from ingest.history_import import adopt_repositories
from ingest.planning import change_rate, due_accounts
from ingest.refresh import diff, growth, language_rollups, reused_login, run_log, stored_state, writer
from ingest.refresh.diff import AccountDiff, ChangeEntry, LanguagesState, StoredAccount
from ingest.refresh.missing_repositories import MissingRepositories, find_missing_repositories
from ingest.refresh.run_log import IngestItem, Run
from ingest.refresh.stored_state import BatchState

log = structlog.get_logger()
PUBLISH_INTERVAL_SECONDS = 60.0
PROGRESS_INTERVAL_SECONDS = 0.5
NOT_FOUND_RETRY_DELAY = timedelta(days=1)
DEADLOCK_SQLSTATE, SERIALIZATION_SQLSTATE = "40P01", "40001"

ItemCallback = Callable[[IngestItem], None]


def now_utc() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class RefreshRequest:
    """What to refresh and how. Accounts by our id, or by a login that a person gave."""

    asked: JobOrigin
    account_ids: Sequence[int] = ()
    logins: Sequence[str] = ()
    extras: bool = False
    urgent: bool = False
    job_id: int | None = None


@dataclass
class Refresher:
    """The ingestor's hands: the client, the store and the clock it works with."""

    github: GitHub
    engine: Engine
    every: timedelta
    clock: Callable[[], datetime] = now_utc
    rng: random.Random = field(default_factory=random.Random)
    rollup_throttle: language_rollups.DutyCycleThrottle = field(default_factory=language_rollups.DutyCycleThrottle)

    def run(
        self, order: RefreshRequest, *, stop: StopSignal | None = None, watch: ItemCallback = lambda _item: None
    ) -> Run:
        """Refresh what *order* names and report what became of each account.

        Errors of one account are its own: the rest is stored. *stop* ends the run between two answers; what was not
        reached stays due.
        """
        targets, unusable = self._resolve_targets(order)
        before, started = self.github.usage, time.monotonic()
        with (
            run_log.record_run(
                self.engine, order.asked, len(targets) + len(unusable), self.clock(), order.job_id
            ) as run,
            structlog.contextvars.bound_contextvars(run_id=run.id),
        ):
            log.info("refresh started", accounts=len(targets), trigger=order.asked.trigger)
            for item in self._refuse(run, unusable):
                watch(item)
            published = told = time.monotonic()
            for item in self._each(run, order, targets, stop):
                run.items.append(item)
                watch(item)
                self._update_usage(run, before)
                if time.monotonic() - told > PROGRESS_INTERVAL_SECONDS:
                    self._tell(run)
                    told = time.monotonic()
                if time.monotonic() - published > PUBLISH_INTERVAL_SECONDS:
                    self._publish(run)
                    published = time.monotonic()
            self._update_usage(run, before)
            run.stopped = stop is not None and stop.is_set() and len(run.items) < len(targets) + len(unusable)
            self._finish(run)
            run.seconds = time.monotonic() - started
            log.info(
                "refresh finished", stored=run.stored, failed=run.failed, requests=run.requests, points=run.points,
                not_modified=run.not_modified, rows=run.rows_written, seconds=round(run.seconds, 2),
            )  # fmt: skip
        return run

    # From names to questions -------------------------------------------------------------------------------------

    def _resolve_targets(
        self, order: RefreshRequest
    ) -> tuple[list[tuple[int | None, AccountRequest]], list[tuple[str, BadLogin]]]:
        with self.engine.begin() as connection:
            targets: list[tuple[int | None, AccountRequest]] = list(
                due_accounts.account_requests(
                    connection, due_accounts.unfinished_account_ids(connection, order.account_ids, order.job_id)
                )
            )
            unusable: list[tuple[str, BadLogin]] = []
            known = {ask.login.lower() for _, ask in targets}
            for text in order.logins:
                try:
                    login = parse_login(text)
                except BadLogin as error:
                    unusable.append((text, error))
                    continue
                if login.lower() not in known:
                    known.add(login.lower())
                    targets.append(_target_by_login(connection, login))
        return targets, unusable

    def _refuse(self, run: Run, unusable: Sequence[tuple[str, BadLogin]]) -> Iterator[IngestItem]:
        for text, error in unusable:
            item = IngestItem(text[:100], "failed", error_code=error.code, error=str(error))
            with self.engine.begin() as connection:
                run_log.write_item(connection, run.id, item)
            run.items.append(item)
            yield item

    # From answers to rows ----------------------------------------------------------------------------------------

    def _each(
        self,
        run: Run,
        order: RefreshRequest,
        targets: Sequence[tuple[int | None, AccountRequest]],
        stop: StopSignal | None,
    ) -> Iterator[IngestItem]:
        ids = {ask: account_id for account_id, ask in targets}
        with self.engine.begin() as connection:
            holding = stored_state.load_batch_state(connection, [id_ for id_ in ids.values() if id_ is not None])

        def read(asks: Sequence[AccountRequest]) -> Iterator[AccountResult]:
            return self.github.accounts(
                asks,
                should_fetch_languages=lambda _account, repository: self._should_fetch_languages(
                    holding.looks, repository
                ),
                extras=order.extras,
                urgent=order.urgent,
                stop=stop,
            )

        by_id = set(order.account_ids)
        for outcome in read(list(ids)):
            # Who is asked for by login is whoever bears it now; who is tracked is one account whatever its name.
            if ids[outcome.account_request] in by_id and reused_login.is_other_account(outcome):
                outcome = reused_login.fetch_renamed_account(self.github, outcome, lambda ask: next(read([ask])), stop)  # noqa: PLW2901
            if isinstance(outcome.error, Stopped):
                continue
            yield self._store_or_record_failure(run, ids[outcome.account_request], outcome, holding, stop)

    def _should_fetch_languages(self, looks: Mapping[int, LanguagesState], repository: Repository) -> bool:
        return diff.should_fetch_languages(looks.get(repository.github_id), repository, self.clock())

    def _store_or_record_failure(
        self, run: Run, account_id: int | None, outcome: AccountResult, holding: BatchState, stop: StopSignal | None
    ) -> IngestItem:
        try:
            if outcome.snapshot is not None:
                absent = find_missing_repositories(self.github, outcome.snapshot, holding.listed, stop)
                return self._store_with_retries(run, outcome, outcome.snapshot, absent)
            error: Exception | None = outcome.error
        except (DBAPIError, ValueError, TypeError, LookupError) as surprise:
            if is_connection_error(surprise):
                raise  # nobody's own fault: the job is tried again
            # One account's surprise must not cost the others theirs; the traceback is in the log.
            log.exception("account not stored", login=outcome.account_request.login)
            error = StoreFailed(outcome.account_request.login, surprise)
        return self._failed(run, account_id, outcome, error)

    def _store_with_retries(
        self, run: Run, outcome: AccountResult, answer: AccountSnapshot, absent: MissingRepositories
    ) -> IngestItem:
        for attempt in Retrying(
            retry=retry_if_exception(_is_retryable),
            stop=stop_after_attempt(4),
            wait=wait_random_exponential(0.05, 1),
            reraise=True,
        ):
            with attempt, self.engine.begin() as connection:
                started = time.monotonic()
                item = self._store(connection, run, outcome.account_request, answer, absent)
                return _record_item(connection, run, item, outcome, started)
        raise AssertionError("unreachable")

    def _store(
        self,
        connection: Connection,
        run: Run,
        ask: AccountRequest,
        answer: AccountSnapshot,
        absent: MissingRepositories,
    ) -> IngestItem:
        account = answer.account
        repositories = (*answer.repositories, *absent.still_owned)
        account_id = stored_state.lock_or_create_account(connection, account)
        holding = stored_state.load_account(connection, account_id, _github_ids(repositories))
        at = diff.capture_timestamp(holding, answer.captured_at)
        if at is None:
            log.info("older answer dropped", login=account.login)
            return IngestItem(ask.login, "unchanged", account_id, len(repositories))
        answer = replace(answer, captured_at=at)
        plan = diff.diff_account(holding, account, repositories)
        ids = self._write_diff(connection, run, holding, plan, answer, absent)
        languages = {ids[github_id]: found for github_id, found in answer.languages.items() if github_id in ids}
        pushed = {ids[one.github_id]: one.pushed_at for one in repositories if one.github_id in ids}
        rows = len(plan.counts) + len(plan.new) + len(plan.extras) + (plan.totals is not None)
        rows += writer.write_languages(connection, languages, pushed, at)
        writer.write_account(connection, account_id, account, at, answer.token)
        writer.write_capture(connection, account_id, at, run.id)
        look = change_rate.observe_changes(holding, plan, at, repositories)
        due_accounts.record_success(connection, account_id, self.clock(), self.every, self.rng, look)
        if answer.languages_failed:
            log.info("languages left for later", login=account.login, repositories=len(answer.languages_failed))
        state: run_log.ItemState = "unchanged" if plan.is_empty and not rows else "stored"
        item = IngestItem(ask.login, state, account_id, len(repositories), rows)
        is_complete = answer.is_complete or len(repositories) >= (account.public_repositories or 0)
        return item if is_complete else _incomplete_item(item, account)

    def _write_diff(
        self,
        connection: Connection,
        run: Run,
        holding: StoredAccount,
        plan: AccountDiff,
        answer: AccountSnapshot,
        absent: MissingRepositories,
    ) -> dict[int, int]:
        at, account_id = answer.captured_at, holding.id
        ids = {github_id: one.id for github_id, one in holding.repositories.items()}
        ids |= writer.insert_repositories(connection, account_id, plan.new)
        if plan.new:
            adopt_repositories.adopt_imported_history(connection, [ids[one.github_id] for one in plan.new])
        writer.update_details(connection, account_id, plan.details)
        changed = [*plan.new, *plan.counts]
        writer.write_counts(connection, ids, changed, at)
        extras = plan.extras | {one.github_id: diff.extras_of(one) for one in plan.new}
        writer.write_extras(connection, ids, extras, at)
        if changed:
            growth.update_growth(connection, [ids[one.github_id] for one in changed], at)
        if plan.totals is not None:
            writer.write_account_snapshot(connection, account_id, at, plan.totals)
        entries = plan.entries + self._write_missing_repositories(connection, plan, absent, at)
        writer.write_change_entries(connection, account_id, ids, entries, at, run.id)
        return ids

    def _write_missing_repositories(
        self, connection: Connection, plan: AccountDiff, absent: MissingRepositories, at: datetime
    ) -> list[ChangeEntry]:
        """Write what became of the repositories that this account no longer has."""
        entries = []
        for one in plan.missing:
            if one.github_id in absent.gone:
                reason = absent.gone[one.github_id]
                writer.mark_gone(connection, one.id, reason, at)
                entries.append(ChangeEntry("gone", one.details.full_name, reason, one.github_id))
            elif one.github_id in absent.moved:
                moved = absent.moved[one.github_id]
                writer.update_details(connection, stored_state.get_or_create_owner_id(connection, moved), [moved])
                entries.append(ChangeEntry("transferred", one.details.full_name, moved.full_name, one.github_id))
        return entries

    def _failed(self, run: Run, account_id: int | None, outcome: AccountResult, error: Exception | None) -> IngestItem:
        code = getattr(error, "code", "error")
        is_gone = (
            isinstance(error, AccountNotFound)
            and account_id is not None
            and outcome.account_request.github_id is not None
        )
        log.warning("account not refreshed", login=outcome.account_request.login, code=code, error=str(error))
        item = IngestItem(
            outcome.account_request.login,
            "gone" if is_gone else "failed",
            account_id,
            error_code=code,
            error=str(error),
        )
        with self.engine.begin() as connection:
            if account_id is not None:
                not_before = error.resets_at if isinstance(error, RateLimited) else None
                if is_gone:  # a refusal costs a request each time
                    not_before = self.clock() + NOT_FOUND_RETRY_DELAY
                due_accounts.record_failure(connection, account_id, self.clock(), self.every, not_before, self.rng)
                if is_gone:
                    writer.mark_account_gone(connection, account_id, "not found", self.clock(), run.id)
            return _record_item(connection, run, item, outcome, time.monotonic())

    # The end of a run --------------------------------------------------------------------------------------------

    def _update_usage(self, run: Run, before: object) -> None:
        spent = self.github.usage
        for name in ("requests", "points", "not_modified"):
            setattr(run, name, round(getattr(spent, name) - getattr(before, name)))

    def _tell(self, run: Run) -> None:
        with self.engine.begin() as connection:
            run_log.write_progress(connection, run)

    def _publish(self, run: Run) -> None:
        with self.engine.begin() as connection:
            publish_data_version(connection, run.id)

    def _finish(self, run: Run) -> None:
        """Bring the rollups up to date and let the pages see it: always, for a look is news even if nothing moved."""
        if not run.stored and not any(item.state == "gone" for item in run.items):
            return
        with self.engine.begin() as connection:
            if run.rows_written and self.rollup_throttle.is_allowed:
                # What is left out here the leader sums up within minutes.
                with self.rollup_throttle.measure():
                    language_rollups.update_language_day(connection, self.clock().date())
            publish_data_version(connection, run.id)
        self._raise_alerts(run)

    def _raise_alerts(self, run: Run) -> None:
        try:
            with self.engine.begin() as connection:
                raised = alerts.raise_event_alerts(connection, run.id, self.clock())
        except DBAPIError as error:
            # What was stored stays stored: a rule that fails is not worth a run.
            log.exception("alerts not raised", exc_info=not is_connection_error(error))
        else:
            if raised:
                log.info("alerts raised", alerts=raised)


class StoreFailed(AlmanacError):
    """A reported account could not be stored."""

    code = "not_stored"

    def __init__(self, login: str, error: Exception) -> None:
        super().__init__(f"The response for {login} could not be stored ({type(error).__name__}); see the log")


def _record_item(
    connection: Connection, run: Run, item: IngestItem, outcome: AccountResult, started: float
) -> IngestItem:
    """Write down what became of an account, in the transaction that made it so."""
    noted = replace(
        item,
        requests=outcome.requests,
        points=outcome.points,
        not_modified=outcome.not_modified,
        duration_ms=round((time.monotonic() - started) * 1000),
    )
    run_log.write_item(connection, run.id, noted)
    return noted


def _incomplete_item(item: IngestItem, account: Account) -> IngestItem:
    told = f"GitHub counts {account.public_repositories} repositories of {account.login} and listed {item.repositories}"
    return replace(
        item, error_code="incomplete", error=f"{told}; the list moved while it was read, the next look tells"
    )


def _target_by_login(connection: Connection, login: str) -> tuple[int | None, AccountRequest]:
    account_id = accounts.find_account_id(connection, login)
    if account_id is None:
        return None, AccountRequest(login)
    found, ask = due_accounts.account_requests(connection, [account_id])[0]
    return found, ask


def _github_ids(repositories: Sequence[Repository]) -> list[int]:
    return [repository.github_id for repository in repositories]


def _is_retryable(error: BaseException) -> bool:
    """Two transactions in each other's way, or a server that was restarted: the same again is right."""
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    return (
        state in {DEADLOCK_SQLSTATE, SERIALIZATION_SQLSTATE}
        or error.connection_invalidated
        or isinstance(error, OperationalError)
    )
