"""Accounts by REST: for nobody, who has no GraphQL. What did not change answers 304; languages come last."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

import structlog

from ingest.github.api.models import Account, Repository
from ingest.github.api.rest import RepositoryPage, Rest
from ingest.github.errors import AccountNotFound, GitHubError, RateLimited
from ingest.github.fetch.account_fetch import AccountFetch, CountMismatchCache, FinishFetch
from ingest.github.fetch.worker_pool import Task
from ingest.github.http.etag_cache import CachedRefusal
from ingest.github.http.transport import RequestContext
from ingest.github.types import ShouldFetchLanguages

log = structlog.get_logger()
Value = TypeVar("Value")

# Languages cost a request a repository: a part of the budget is left for the lists of the next accounts.
LANGUAGES_RESERVE = 0.2


class RestFetcher:
    """Brings visits of one credential to their end. *give_back* takes those that this credential cannot serve."""

    def __init__(
        self,
        rest: Rest,
        asking: Callable[[], RequestContext],
        languages_wanted: ShouldFetchLanguages,
        finish: FinishFetch,
        give_back: Callable[[AccountFetch, GitHubError], None],
        gaps: CountMismatchCache,
    ) -> None:
        self._rest = rest
        self._asking = asking
        self._should_fetch_languages = languages_wanted
        self._finish = finish
        self._retry_with_other_credential = give_back
        self._account_queue: deque[AccountFetch] = deque()
        self._page_tasks: deque[Task] = deque()
        self._languages: deque[tuple[AccountFetch, Repository]] = deque()
        self._lists_in_flight = 0
        self._count_mismatches = gaps
        self._languages_budget_error: GitHubError | None = None

    def add(self, visit: AccountFetch) -> None:
        self._account_queue.append(visit)

    def next(self) -> Task | None:
        if self._page_tasks:
            return self._page_tasks.popleft()
        if self._account_queue:
            return self._account(self._account_queue.popleft())
        if self._lists_in_flight:
            return None
        return self._language()

    def _language(self) -> Task | None:
        """The next repository whose languages are wanted, while the budget lasts."""
        while self._languages:
            visit, repository = self._languages.popleft()
            if self._languages_budget_error is None:
                return self._languages_task(visit, repository)
            self._record_languages_failure(visit, repository, self._languages_budget_error)
        return None

    def _task(
        self, visit: AccountFetch, work: Callable[[RequestContext], Value], done: Callable[[Value], None]
    ) -> Task:
        """A part of the list of *visit*; if it fails, so does the visit."""
        asking = self._asking()
        self._lists_in_flight += 1

        def ended() -> bool:
            self._lists_in_flight -= 1
            visit.share(asking.tally)
            return visit.is_finished

        def heard(value: Value) -> None:
            if not ended():
                done(value)

        def failed(error: GitHubError) -> None:
            if not ended():
                self._retry_with_other_credential(visit, error)

        return Task(lambda: work(asking), heard, failed)

    # The list of an account ----------------------------------------------------------------------------------------

    def _account(self, visit: AccountFetch) -> Task:
        def done(answer: tuple[Account, datetime]) -> None:
            visit.account, moment = answer
            visit.saw(moment)
            visit.total = visit.account.public_repositories
            self._start_paging(visit, visit.account)

        return self._task(visit, lambda asking: self._fetch_account(visit, asking), done)

    def _fetch_account(self, visit: AccountFetch, asking: RequestContext) -> tuple[Account, datetime]:
        """Ask by login, and where nobody has it, by id: the account may have another login now."""
        try:
            return self._rest.account(visit.login, asking)
        except AccountNotFound:
            if visit.ask.github_id is None:
                raise
        try:
            return self._rest.account_by_id(visit.ask.github_id, asking)
        except AccountNotFound as error:
            raise AccountNotFound(visit.ask.login) from error

    def _start_paging(self, visit: AccountFetch, account: Account) -> None:
        # A second walk compares nothing: what did not change would be wrong again.
        anew = visit.pager.number > 1
        visit.pending_parts = 1
        self._page_tasks.append(
            self._task(
                visit,
                lambda asking: self._rest.first_page(account, asking, anew=anew),
                lambda page: self._handle_page(visit, page, anew=anew),
            )
        )

    def _handle_page(self, visit: AccountFetch, page: RepositoryPage, *, anew: bool) -> None:
        visit.saw(page.captured_at)
        visit.pager.add(page.repositories)
        visit.pending_parts -= 1
        for url in page.others:
            visit.pending_parts += 1
            self._page_tasks.append(self._further(visit, url, anew=anew, is_last_known=page.has_all_urls))
        if visit.pending_parts:
            return
        if self._count_mismatches.finish_pass(visit):
            self._handle_complete_list(visit)
        else:
            self._account_queue.append(visit)  # its count may have moved, too

    def _further(self, visit: AccountFetch, url: str, *, anew: bool, is_last_known: bool) -> Task:
        def done(page: RepositoryPage) -> None:
            # The first page named all pages; only where it could not, each one names the next.
            self._handle_page(visit, replace(page, others=()) if is_last_known else page, anew=anew)

        return self._task(visit, lambda asking: self._rest.page(url, visit.login, asking, anew=anew), done)

    # Languages -----------------------------------------------------------------------------------------------------

    def _handle_complete_list(self, visit: AccountFetch) -> None:
        assert visit.account is not None
        visit.has_all_pages = True
        repositories, _ = visit.pager.result(visit.total)
        wanted = [r for r in repositories if self._should_fetch_languages(visit.account, r)]
        # The budget may not last: first those that most people look at.
        wanted.sort(key=lambda repository: -(repository.stars or 0))
        visit.pending_parts = len(wanted)
        self._languages.extend((visit, repository) for repository in wanted)
        self._settle(visit)

    def _languages_task(self, visit: AccountFetch, repository: Repository) -> Task:
        asking = self._asking()
        asking = replace(asking, reserve=max(asking.reserve, LANGUAGES_RESERVE), waits_for_budget=False)

        def done(found: dict[str, int] | CachedRefusal) -> None:
            visit.share(asking.tally)
            if isinstance(found, CachedRefusal):
                visit.refused[repository.github_id] = found.reason
            else:
                visit.languages[repository.github_id] = found
            visit.pending_parts -= 1
            self._settle(visit)

        def failed(error: GitHubError) -> None:
            visit.share(asking.tally)
            if isinstance(error, RateLimited) and self._languages_budget_error is None:
                self._languages_budget_error = error
                log.info("the budget is spent, languages are left for later", why=str(error))
            self._record_languages_failure(visit, repository, error)

        return Task(lambda: self._rest.languages(repository, asking), done, failed)

    def _record_languages_failure(self, visit: AccountFetch, repository: Repository, error: GitHubError) -> None:
        visit.languages_failed[repository.github_id] = error
        visit.pending_parts -= 1
        self._settle(visit)

    def _settle(self, visit: AccountFetch) -> None:
        if visit.has_all_pages and not visit.pending_parts and not visit.is_finished:
            self._finish(visit, None)
