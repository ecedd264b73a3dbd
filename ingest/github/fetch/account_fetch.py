"""Fetching one account, as a generator of requests that reads from top to bottom: see `AccountFetch.steps`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import structlog

from ingest.github.api.graphql import GraphQL, PageRequest
from ingest.github.api.graphql_responses import AbsentAccount, AccountPage, LanguagePage
from ingest.github.api.models import Account, Extras, Repository
from ingest.github.api.rest import RepositoryPage, Rest
from ingest.github.errors import (
    AccountNotFound,
    BadCredentials,
    GitHubError,
    GraphQLUnavailable,
    InvalidResponse,
    PermissionDenied,
    RateLimited,
)
from ingest.github.fetch.repository_list import MAX_PASSES, RepositoryList
from ingest.github.fetch.requests import (
    ExtrasRequest,
    LanguagesRequest,
    Priority,
    RestRequest,
    Steps,
    send,
    send_all,
    send_groups,
)
from ingest.github.http.credentials import ANONYMOUS, Credential, CredentialPool
from ingest.github.http.etag_cache import CachedRefusal, ResponseCache
from ingest.github.http.transport import Tally
from ingest.github.types import AccountRequest, AccountResult, AccountSnapshot, ShouldFetchLanguages

log = structlog.get_logger()
REPEATED_PAGE = "a page names itself as the next one"
FOLLOWERS = "followers of organizations"
"""The scope of what tokens are denied: their other data may be granted all the same (`CredentialPool.deny`)."""


@dataclass(frozen=True)
class FetchServices:
    """Services that all fetches of one call share. `graphql` is None where only REST is to be used."""

    graphql: GraphQL | None
    rest: Rest
    pool: CredentialPool
    cache: ResponseCache
    should_fetch_languages: ShouldFetchLanguages
    include_extras: bool = False


@dataclass
class FetchedLanguages:
    """The outcome of the languages requests of an account, by the repository's GitHub id."""

    bytes_by_language: dict[int, dict[str, int]] = field(default_factory=dict)
    incomplete: set[int] = field(default_factory=set)
    refused: dict[int, str] = field(default_factory=dict)
    failed: dict[int, GitHubError] = field(default_factory=dict)


class AccountFetch:
    """One account being fetched. Used by the dispatcher's thread only."""

    def __init__(self, request: AccountRequest, services: FetchServices) -> None:
        self.request = request
        self.credential: Credential | None = None
        """Who sends the requests that `steps` yielded last."""
        self._services = services
        self._rest = services.rest
        self._requests = self._points = self._not_modified = 0.0

    def add_cost(self, tally: Tally, share: float) -> None:
        """Add this account's share of what a request cost; the sum covers failed attempts and credentials, too."""
        self._requests += tally.requests * share
        self._points += tally.points * share
        self._not_modified += tally.not_modified * share

    def result(self, snapshot: AccountSnapshot | None, error: GitHubError | None) -> AccountResult:
        return AccountResult(self.request, snapshot, error, self._requests, self._points, round(self._not_modified))

    def steps(self) -> Steps[AccountSnapshot]:
        """Fetch the account with one credential after another until one is not rejected, exhausted or denied access.

        Raises the error after which a retry is most likely to succeed, or one that another credential would meet.
        """
        pool, login = self._services.pool, self.request.login
        errors: dict[str, GitHubError] = {}
        while credential := pool.choose(login, self.request.token, errors):
            self.credential = credential
            try:
                return (yield from self._with_credential(credential))
            except (RateLimited, BadCredentials) as error:
                errors[credential.fingerprint] = error
            except PermissionDenied as error:
                if not error.may_depend_on_token:
                    raise
                pool.deny(credential, login, error.message)
                errors[credential.fingerprint] = error
            except AccountNotFound as error:
                if not any(isinstance(one, PermissionDenied) for one in errors.values()):
                    raise
                errors[credential.fingerprint] = error  # the denial shows that it exists
        if not errors:
            raise pool.unusable_error(login)
        raise max(
            errors.values(), key=lambda error: (isinstance(error, RateLimited), isinstance(error, PermissionDenied))
        )

    def _with_credential(self, credential: Credential) -> Steps[AccountSnapshot]:
        graphql = self._services.graphql
        if graphql is not None and not graphql.is_missing and credential.fingerprint != ANONYMOUS:
            try:
                return (yield from self._by_graphql(credential))
            except GraphQLUnavailable as error:
                log.debug("account fetched by REST", login=self.request.login, reason=str(error))
        return (yield from self._by_rest(credential))

    # GraphQL: all pages of repositories, then languages, extras and an organization's followers together.

    def _by_graphql(self, credential: Credential) -> Steps[AccountSnapshot]:
        listing = RepositoryList()
        account: Account | None = None
        page = yield from self._first_graphql_page()
        while True:
            account = page.account or account
            assert account is not None  # every first page has it
            listing.total = page.total
            listing.has_all_nodes &= page.is_complete
            listing.add(page.repositories, page.captured_at)
            if not page.cursor and not self._start_second_pass(account, listing):
                break
            left = max(0, (listing.total or 0) - len(listing.seen))
            cursor = page.cursor
            page = yield from self._graphql_page(PageRequest(account.login, cursor, left))
            if cursor and page.cursor == cursor:
                raise InvalidResponse(f"the repositories of {account.login}", REPEATED_PAGE)
        return (yield from self._with_graphql_details(credential, account, listing))

    def _with_graphql_details(
        self, credential: Credential, account: Account, listing: RepositoryList
    ) -> Steps[AccountSnapshot]:
        repositories = [one for one in listing.repositories() if one.node_id]
        with_languages = [one for one in repositories if self._services.should_fetch_languages(account, one)]
        with_extras = repositories if self._services.include_extras else []
        # GraphQL has no followers of organizations: a conditional REST request has them.
        organization_request = RestRequest(Priority.ORGANIZATION, partial(self._rest.organization, account.login))
        is_organization = account.kind == "organization"
        is_denied = is_organization and self._services.pool.denial(credential, account.login, FOLLOWERS)
        first_languages, extras, organizations = yield from send_groups(
            [LanguagesRequest(one.node_id or "") for one in with_languages],
            [ExtrasRequest(one.node_id or "") for one in with_extras],
            [organization_request] * (is_organization and not is_denied),
        )
        languages = yield from self._all_graphql_languages(with_languages, first_languages)
        if is_organization:
            account = yield from self._with_followers(account, organization_request, organizations)
        return self._snapshot(
            credential,
            account,
            listing,
            languages,
            _successful_extras(account, with_extras, extras),
            next((error for error in extras if isinstance(error, GitHubError)), None),
        )

    def _with_followers(
        self, account: Account, request: RestRequest, responses: Sequence[Account | GitHubError]
    ) -> Steps[Account]:
        """Add an organization's details from REST; where this token is denied them, try the others, then no token."""
        pool, tried = self._services.pool, set[str]()
        while True:
            assert self.credential is not None
            tried.add(self.credential.fingerprint)
            response = responses[0] if responses else None
            if isinstance(response, Account):
                is_same = response.github_id == account.github_id
                return account.with_organization_details(response) if is_same else account
            if isinstance(response, PermissionDenied) and response.may_depend_on_token:
                pool.deny(self.credential, account.login, response.message, FOLLOWERS)
            elif response is not None:
                break
            other = pool.choose(account.login, None, tried, scope=FOLLOWERS)
            if other is None:
                break
            self.credential = other
            responses = yield [request]
        log.warning("organization followers not available", login=account.login, error=str(response or "denied"))
        return account

    def _first_graphql_page(self) -> Steps[AccountPage]:
        """Fetch by login, or where no account has it, by the login that the account with this id has now.

        Without an id, REST is asked once: it redirects from a former login, which GraphQL does not know.
        """
        login, github_id = self.request.login, self.request.github_id
        expected = self.request.repositories
        page = yield from send(PageRequest(login, None, expected))
        if isinstance(page, AbsentAccount):
            account, _ = yield from (self._rest_account() if github_id is None else self._account_by_id(github_id))
            # Found by id but not by login: it is being deleted.
            if account.login.lower() != login.lower():
                page = yield from send(PageRequest(account.login, None, expected))
        return self._present(page)

    def _graphql_page(self, request: PageRequest) -> Steps[AccountPage]:
        return self._present((yield from send(request)))

    def _present(self, page: AccountPage | AbsentAccount) -> AccountPage:
        if isinstance(page, AbsentAccount):
            raise AccountNotFound(self.request.login)
        return page

    def _account_by_id(self, github_id: int) -> Steps[tuple[Account, datetime]]:
        request = RestRequest(Priority.ACCOUNT, partial(self._rest.account_by_id, github_id))
        try:
            account: tuple[Account, datetime] = yield from send(request)
        except AccountNotFound as error:
            raise AccountNotFound(self.request.login) from error
        return account

    def _all_graphql_languages(
        self, repositories: Sequence[Repository], responses: Sequence[LanguagePage | GitHubError | None]
    ) -> Steps[FetchedLanguages]:
        """Collect the first pages of languages, then fetch further ones, which few repositories have."""
        found = FetchedLanguages()
        cursors: dict[int, str] = {}
        while True:
            further: list[tuple[Repository, LanguagesRequest]] = []
            for repository, response in zip(repositories, responses, strict=True):
                cursor = response.cursor if isinstance(response, LanguagePage) else None
                if cursor and cursor == cursors.get(repository.github_id):
                    error = InvalidResponse(f"the languages of {repository.full_name}", REPEATED_PAGE)
                    _collect_languages(found, repository, error)
                    continue
                _collect_languages(found, repository, response)
                if cursor:
                    further.append((repository, LanguagesRequest(repository.node_id or "", cursor)))
                    cursors[repository.github_id] = cursor
            if not further:
                return found
            repositories = [repository for repository, _ in further]
            responses = yield [request for _, request in further]

    # REST: the account, its pages, then languages while the rate budget lasts.

    def _by_rest(self, credential: Credential) -> Steps[AccountSnapshot]:
        listing = RepositoryList()
        while True:
            account, captured_at = yield from self._rest_account()
            listing.total = account.public_repositories
            listing.add_time(captured_at)
            for page in (yield from self._rest_pages(account, force=listing.passes > 1)):
                listing.has_all_nodes &= page.is_complete
                listing.add(page.repositories, page.captured_at)
            # In a second pass the account is fetched again, because its count may have changed, too.
            if not self._start_second_pass(account, listing):
                break
        wanted = [one for one in listing.repositories() if self._services.should_fetch_languages(account, one)]
        # The most starred first, because the budget may not last for all of them.
        wanted.sort(key=lambda repository: -(repository.stars or 0))
        responses = yield [RestRequest(Priority.LANGUAGES, partial(self._rest.languages, one)) for one in wanted]
        languages = FetchedLanguages()
        for repository, response in zip(wanted, responses, strict=True):
            _collect_languages(languages, repository, response)
        without_extras = GraphQLUnavailable(
            "it needs a token" if credential.fingerprint == ANONYMOUS else "REST does not report them"
        )
        is_incomplete = self._services.include_extras and listing.repositories()
        return self._snapshot(
            credential, account, listing, languages, extras_error=without_extras if is_incomplete else None
        )

    def _rest_account(self) -> Steps[tuple[Account, datetime]]:
        """Fetch by login, or where no account has it, by id: the account may have another login now."""
        login, github_id = self.request.login, self.request.github_id
        try:
            account: tuple[Account, datetime] = yield from send(
                RestRequest(Priority.ACCOUNT, partial(self._rest.account, login))
            )
        except AccountNotFound:
            if github_id is None:
                raise
            return (yield from self._account_by_id(github_id))
        return account

    def _rest_pages(self, account: Account, *, force: bool) -> Steps[list[RepositoryPage]]:
        """Fetch all pages: together where the first one names them all, else each after the one before.

        *force* fetches unchanged pages, too: in a second pass a 304 would only repeat what was incomplete.
        """
        first = partial(self._rest.first_page, account, force=force)
        pages = [(yield from send(RestRequest(Priority.PAGE, first)))]
        requested = set[str]()
        while pages[-1].others:
            if not requested.isdisjoint(pages[-1].others):
                raise InvalidResponse(f"the repositories of {account.login}", REPEATED_PAGE)
            requested.update(pages[-1].others)
            further = [
                RestRequest(Priority.PAGE, partial(self._rest.page, url, account.login, force=force))
                for url in pages[-1].others
            ]
            has_all_urls = pages[-1].has_all_urls
            pages += yield from send_all(further)
            if has_all_urls:
                break
        return pages

    # Both.

    def _start_second_pass(self, account: Account, listing: RepositoryList) -> bool:
        """Start a second pass where GitHub counts more repositories than it listed; False when the list is final.

        A mismatch that remains after two passes is cached for a day, so that it does not cost a second pass each time.
        """
        mismatch = listing.count_mismatch
        if not mismatch or not listing.has_all_nodes:  # GitHub would leave out the same nodes again
            return False
        if mismatch == self._services.cache.count_mismatch(account.github_id):
            return False
        if listing.passes == MAX_PASSES:
            self._services.cache.save_count_mismatch(account.github_id, mismatch)
            return False
        log.info("repository list changed while paging, fetching again", login=account.login, mismatch=mismatch)
        listing.start_second_pass()
        return True

    def _snapshot(
        self,
        credential: Credential,
        account: Account,
        listing: RepositoryList,
        languages: FetchedLanguages,
        extras: dict[int, Extras] | None = None,
        extras_error: GitHubError | None = None,
    ) -> AccountSnapshot:
        assert listing.captured_at is not None
        return AccountSnapshot(
            account=account,
            repositories=tuple(
                one.with_extras(extras[one.github_id]) if extras and one.github_id in extras else one
                for one in listing.repositories()
            ),
            languages=languages.bytes_by_language,
            captured_at=listing.captured_at,
            is_complete=listing.is_complete(),
            token=None if credential.fingerprint == ANONYMOUS else credential.fingerprint,
            languages_refused=languages.refused,
            languages_incomplete=frozenset(languages.incomplete),
            languages_failed=tuple(languages.failed),
            languages_error=next(iter(languages.failed.values()), None),
            extras_error=extras_error,
        )


def _collect_languages(found: FetchedLanguages, repository: Repository, response: Any) -> None:
    """Add one response: a page or all of the languages, a refusal, None for a repository not shown, or an error."""
    github_id = repository.github_id
    if isinstance(response, PermissionDenied):
        found.refused[github_id] = response.code
    elif isinstance(response, GitHubError):
        found.failed[github_id] = response
        found.bytes_by_language.pop(github_id, None)  # part of the pages would look like languages that were removed
    elif isinstance(response, CachedRefusal):
        found.refused[github_id] = response.reason
    elif response is None:
        found.refused[github_id] = "not_found"
    else:
        page = response.bytes_by_language if isinstance(response, LanguagePage) else response
        found.bytes_by_language.setdefault(github_id, {}).update(page)
        if isinstance(response, LanguagePage) and not response.is_complete:
            found.incomplete.add(github_id)


def _successful_extras(
    account: Account, repositories: Sequence[Repository], responses: Sequence[Extras | GitHubError | None]
) -> dict[int, Extras]:
    failed = [response for response in responses if isinstance(response, GitHubError)]
    if failed:
        log.warning("extras not available", login=account.login, repositories=len(failed), error=str(failed[0]))
    return {
        repository.github_id: response
        for repository, response in zip(repositories, responses, strict=True)
        if isinstance(response, Extras)
    }
