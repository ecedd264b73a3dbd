"""Accounts by GraphQL: a pulse of many accounts a query, then languages and extras of their repositories."""

from collections import deque
from collections.abc import Callable

import structlog

from core.budget.cost_model import ACCOUNTS_PER_QUERY
from ingest.github.api.graphql import GraphQL, PageRequest
from ingest.github.api.graphql_responses import AbsentAccount, AccountPage, GraphQLResponse, PageResult
from ingest.github.api.models import Account
from ingest.github.api.rest import Rest
from ingest.github.errors import TRANSIENT_ERRORS, AccountNotFound, GitHubError, InvalidResponse, ServerError
from ingest.github.fetch import node_batcher
from ingest.github.fetch.account_fetch import AccountFetch, CountMismatchCache, FinishFetch
from ingest.github.fetch.batch_size import AdaptiveBatchSize, split_in_halves
from ingest.github.fetch.node_batcher import NodeRequest
from ingest.github.fetch.worker_pool import Task
from ingest.github.http.transport import RequestContext
from ingest.github.types import ShouldFetchLanguages

log = structlog.get_logger()

# Four connections an account and a hundred accounts' worth of pages: one point, at most 2,500 repositories.
MAX_TRIES = 6
MAX_TRIES_WITHOUT_SPLITTING = 2
MAX_TRIES_UNREACHABLE = 1
RETRY_DELAY_SECONDS = 0.5


class GraphQLFetcher:
    """Brings visits of one credential to their end. *hand_over* takes those that GraphQL cannot serve."""

    def __init__(
        self,
        graphql: GraphQL,
        rest: Rest,
        asking: Callable[[], RequestContext],
        languages_wanted: ShouldFetchLanguages,
        finish: FinishFetch,
        hand_over: Callable[[AccountFetch, GitHubError], None],
        gaps: CountMismatchCache,
        *,
        extras: bool = False,
    ) -> None:
        self._graphql = graphql
        self._rest = rest
        self._asking = asking
        self._should_fetch_languages = languages_wanted
        self._finish = finish
        self._fall_back = hand_over
        self._count_mismatches = gaps
        self._size = AdaptiveBatchSize(ACCOUNTS_PER_QUERY)
        self._first: deque[AccountFetch] = deque()
        self._further: deque[AccountFetch] = deque()
        self._again: deque[tuple[list[AccountFetch], float]] = deque()
        """Batches to repeat, and after how many seconds."""
        self._renamed: deque[AccountFetch] = deque()
        self._organization_queue: deque[AccountFetch] = deque()
        self._pulses_in_flight = 0
        self._first_pulses_in_flight = 0
        self._languages, self._more_languages_batcher = node_batcher.language_batchers(graphql, asking, self._settle)
        self._extras = node_batcher.extras_batcher(graphql, asking, self._settle) if extras else None

    def add(self, visit: AccountFetch) -> None:
        self._first.append(visit)

    def next(self) -> Task | None:
        """First what others wait for: accounts before their further pages, pages before languages."""
        pulse = self._next_pulse_task()
        if pulse:
            return pulse
        quiet = not (self._pulses_in_flight or self._renamed)
        return (
            self._languages.next(flush=quiet)
            or self._more_languages_batcher.next(flush=quiet)
            or (self._extras.next(flush=quiet) if self._extras else None)
            or (self._organization(self._organization_queue.popleft()) if self._organization_queue else None)
        )

    # Pulses -------------------------------------------------------------------------------------------------------

    def _next_pulse_task(self) -> Task | None:
        if self._renamed:
            return self._account_by_id_task(self._renamed.popleft())
        if self._again:
            return self._pulse_task(*self._again.popleft())
        if self._first:
            return self._pulse_task(self._take_batch(self._first))
        # Further pages of many accounts go together: wait until no more can come from first pages.
        if self._further and (len(self._further) >= self._size.now or not self._first_pulses_in_flight):
            return self._pulse_task(self._take_batch(self._further))
        return None

    def _take_batch(self, queue: deque[AccountFetch]) -> list[AccountFetch]:
        return [queue.popleft() for _ in range(min(self._size.now, len(queue)))]

    def _pulse_task(self, batch: list[AccountFetch], delay: float = 0.0) -> Task:
        batch = sorted(batch, key=lambda visit: visit.cursor is not None)  # first pages come first in a query
        asking = self._asking()
        pages = [PageRequest(visit.login, visit.cursor) for visit in batch]
        has_first = pages[0].cursor is None
        self._pulses_in_flight += 1
        self._first_pulses_in_flight += has_first

        def ended() -> None:
            self._pulses_in_flight -= 1
            self._first_pulses_in_flight -= has_first
            for visit in batch:
                visit.share(asking.tally, 1 / len(batch))

        def done(answer: tuple[list[PageResult], GraphQLResponse]) -> None:
            ended()
            self._handle_response(batch, *answer)

        def failed(error: GitHubError) -> None:
            ended()
            self._failed(batch, error)

        return Task(lambda: self._graphql.pulse(pages, asking, after=delay), done, failed)

    def _handle_response(self, batch: list[AccountFetch], parts: list[PageResult], told: GraphQLResponse) -> None:
        if told.is_request_too_large:
            self._size.shrink(len(batch))
        else:
            self._size.record_success()
        again = []
        for visit, part in zip(batch, parts, strict=True):
            if isinstance(part, AccountPage):
                self._handle_page(visit, part, told)
            elif isinstance(part, AbsentAccount):
                self._handle_absent_account(visit)
            elif visit.tries < MAX_TRIES_WITHOUT_SPLITTING or (
                part.is_request_too_large and visit.tries < MAX_TRIES and len(batch) > 1
            ):
                visit.tries += 1
                again.append(visit)
            elif part.listed:
                # What is missing stays missing; what was told is worth having.
                visit.is_complete = visit.is_complete and part.listed.is_complete
                self._handle_page(visit, part.listed, told)
            else:
                self._finish(visit, part.error)
        # What failed without being too much may pass: give it a moment.
        delay = 0.0 if told.is_request_too_large else RETRY_DELAY_SECONDS
        self._again.extend((half, delay) for half in split_in_halves(again))

    def _failed(self, batch: list[AccountFetch], error: GitHubError) -> None:
        # A batch that failed several times as it was is taken for too large, too.
        smaller = error.is_request_too_large or isinstance(error, ServerError | InvalidResponse)
        if smaller and len(batch) > 1:
            self._size.shrink(len(batch))
        most = (MAX_TRIES if len(batch) > 1 else MAX_TRIES_WITHOUT_SPLITTING) if smaller else MAX_TRIES_UNREACHABLE
        again = []
        for visit in batch:
            visit.tries += 1
            if isinstance(error, TRANSIENT_ERRORS) and visit.tries <= most:
                again.append(visit)
            else:
                self._fall_back(visit, error)
        self._again.extend((part, 0.0) for part in (split_in_halves(again) if smaller else [again] if again else []))

    # An account ---------------------------------------------------------------------------------------------------

    def _handle_page(self, visit: AccountFetch, listed: AccountPage, told: GraphQLResponse) -> None:
        visit.tries = 0
        visit.saw(told.captured_at)
        if listed.account:
            self._met(visit, listed.account)
        visit.total = listed.total
        visit.cursor = listed.cursor
        fresh = visit.pager.add(listed.repositories)
        assert visit.account is not None
        for repository in fresh:
            if repository.node_id is None:
                continue
            want = NodeRequest(visit, repository.github_id, repository.node_id)
            if self._should_fetch_languages(visit.account, repository):
                visit.pending_parts += 1
                self._languages.add(want)
            if self._extras:
                visit.pending_parts += 1
                self._extras.add(want)
        if listed.cursor:
            self._further.append(visit)
        elif self._count_mismatches.finish_pass(visit):
            visit.has_all_pages = True
            self._settle(visit)
        else:
            self._first.append(visit)

    def _met(self, visit: AccountFetch, account: Account) -> None:
        is_new = visit.account is None
        visit.account = account
        if is_new and account.kind == "organization":
            visit.pending_parts += 1
            self._organization_queue.append(visit)

    def _handle_absent_account(self, visit: AccountFetch) -> None:
        """Nobody has this login: perhaps the account we mean has another one now."""
        if visit.ask.github_id is not None and not visit.is_looked_up_by_id and visit.account is None:
            visit.is_looked_up_by_id = True
            self._renamed.append(visit)
        else:
            self._finish(visit, AccountNotFound(visit.ask.login))

    def _account_by_id_task(self, visit: AccountFetch) -> Task:
        asking = self._asking()
        github_id = visit.ask.github_id or 0
        self._pulses_in_flight += 1

        def done(answer: tuple[Account, object]) -> None:
            self._pulses_in_flight -= 1
            visit.share(asking.tally)
            if answer[0].login.lower() == visit.login.lower():
                self._finish(visit, AccountNotFound(visit.ask.login))  # shown by id, not by name: being deleted
                return
            visit.login = answer[0].login
            self._first.append(visit)

        def failed(error: GitHubError) -> None:
            self._pulses_in_flight -= 1
            visit.share(asking.tally)
            is_gone = isinstance(error, AccountNotFound)
            self._finish(visit, AccountNotFound(visit.ask.login) if is_gone else error)

        return Task(lambda: self._rest.account_by_id(github_id, asking), done, failed)

    def _organization(self, visit: AccountFetch) -> Task:
        """Followers of an organization are not in GraphQL: one conditional request."""
        asking = self._asking()
        login = visit.account.login if visit.account else visit.login

        def done(organization: Account) -> None:
            if visit.account and organization.github_id == visit.account.github_id:
                visit.organization = organization
            over()

        def failed(error: GitHubError) -> None:
            log.warning("an organization's followers were not told", login=login, why=str(error))
            over()

        def over() -> None:
            visit.share(asking.tally)
            visit.pending_parts -= 1
            self._settle(visit)

        return Task(lambda: self._rest.organization(login, asking), done, failed)

    def _settle(self, visit: AccountFetch) -> None:
        if visit.has_all_pages and not visit.pending_parts and not visit.is_finished:
            self._finish(visit, None)
