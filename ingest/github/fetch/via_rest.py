"""Accounts by REST: for nobody, who has no GraphQL. What did not change answers 304; languages come last."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

import structlog

from ingest.github.api.models import Account, Repository
from ingest.github.api.rest import RepositoryPage, Rest
from ingest.github.fetch.account_fetch import AccountFetch, CountMismatchCache, FinishFetch
from ingest.github.fetch.types import ShouldFetchLanguages
from ingest.github.fetch.worker_pool import Task
from ingest.github.http.errors import AccountNotFound, GitHubError, RateLimited
from ingest.github.http.etag_cache import CachedRefusal
from ingest.github.http.transport import RequestContext

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
        self._languages_wanted = languages_wanted
        self._finish = finish
        self._give_back = give_back
        self._accounts: deque[AccountFetch] = deque()
        self._pages: deque[Task] = deque()
        self._languages: deque[tuple[AccountFetch, Repository]] = deque()
        self._lists_under_way = 0
        self._gaps = gaps
        self._no_more_languages: GitHubError | None = None

    def add(self, visit: AccountFetch) -> None:
        self._accounts.append(visit)

    def next(self) -> Task | None:
        if self._pages:
            return self._pages.popleft()
        if self._accounts:
            return self._account(self._accounts.popleft())
        if self._lists_under_way:
            return None
        return self._language()

    def _language(self) -> Task | None:
        """The next repository whose languages are wanted, while the budget lasts."""
        while self._languages:
            visit, repository = self._languages.popleft()
            if self._no_more_languages is None:
                return self._languages_of(visit, repository)
            self._unread(visit, repository, self._no_more_languages)
        return None

    def _task(
        self, visit: AccountFetch, work: Callable[[RequestContext], Value], done: Callable[[Value], None]
    ) -> Task:
        """A part of the list of *visit*; if it fails, so does the visit."""
        asking = self._asking()
        self._lists_under_way += 1

        def ended() -> bool:
            self._lists_under_way -= 1
            visit.share(asking.tally)
            return visit.is_finished

        def heard(value: Value) -> None:
            if not ended():
                done(value)

        def failed(error: GitHubError) -> None:
            if not ended():
                self._give_back(visit, error)

        return Task(lambda: work(asking), heard, failed)

    # The list of an account ----------------------------------------------------------------------------------------

    def _account(self, visit: AccountFetch) -> Task:
        def done(answer: tuple[Account, datetime]) -> None:
            visit.account, moment = answer
            visit.saw(moment)
            visit.total = visit.account.public_repositories
            self._begin_walk(visit, visit.account)

        return self._task(visit, lambda asking: self._find(visit, asking), done)

    def _find(self, visit: AccountFetch, asking: RequestContext) -> tuple[Account, datetime]:
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

    def _begin_walk(self, visit: AccountFetch, account: Account) -> None:
        # A second walk compares nothing: what did not change would be wrong again.
        anew = visit.walk.number > 1
        visit.under_way = 1
        self._pages.append(
            self._task(
                visit,
                lambda asking: self._rest.first_page(account, asking, anew=anew),
                lambda page: self._listed(visit, page, anew=anew),
            )
        )

    def _listed(self, visit: AccountFetch, page: RepositoryPage, *, anew: bool) -> None:
        visit.saw(page.captured_at)
        visit.walk.add(page.repositories)
        visit.under_way -= 1
        for url in page.others:
            visit.under_way += 1
            self._pages.append(self._further(visit, url, anew=anew, is_last_known=page.is_all_known))
        if visit.under_way:
            return
        if self._gaps.closes(visit):
            self._walked(visit)
        else:
            self._accounts.append(visit)  # its count may have moved, too

    def _further(self, visit: AccountFetch, url: str, *, anew: bool, is_last_known: bool) -> Task:
        def done(page: RepositoryPage) -> None:
            # The first page named all pages; only where it could not, each one names the next.
            self._listed(visit, replace(page, others=()) if is_last_known else page, anew=anew)

        return self._task(visit, lambda asking: self._rest.page(url, visit.login, asking, anew=anew), done)

    # Languages -----------------------------------------------------------------------------------------------------

    def _walked(self, visit: AccountFetch) -> None:
        assert visit.account is not None
        visit.is_listed = True
        repositories, _ = visit.walk.result(visit.total)
        wanted = [r for r in repositories if self._languages_wanted(visit.account, r)]
        # The budget may not last: first those that most people look at.
        wanted.sort(key=lambda repository: -(repository.stars or 0))
        visit.under_way = len(wanted)
        self._languages.extend((visit, repository) for repository in wanted)
        self._settle(visit)

    def _languages_of(self, visit: AccountFetch, repository: Repository) -> Task:
        asking = self._asking()
        asking = replace(asking, reserve=max(asking.reserve, LANGUAGES_RESERVE), waits_for_budget=False)

        def done(found: dict[str, int] | CachedRefusal) -> None:
            visit.share(asking.tally)
            if isinstance(found, CachedRefusal):
                visit.refused[repository.github_id] = found.reason
            else:
                visit.languages[repository.github_id] = found
            visit.under_way -= 1
            self._settle(visit)

        def failed(error: GitHubError) -> None:
            visit.share(asking.tally)
            if isinstance(error, RateLimited) and self._no_more_languages is None:
                self._no_more_languages = error
                log.info("the budget is spent, languages are left for later", why=str(error))
            self._unread(visit, repository, error)

        return Task(lambda: self._rest.languages(repository, asking), done, failed)

    def _unread(self, visit: AccountFetch, repository: Repository, error: GitHubError) -> None:
        visit.unread[repository.github_id] = error
        visit.under_way -= 1
        self._settle(visit)

    def _settle(self, visit: AccountFetch) -> None:
        if visit.is_listed and not visit.under_way and not visit.is_finished:
            self._finish(visit, None)
