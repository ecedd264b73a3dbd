"""GitHub's REST API as typed models. Requests are conditional; an unchanged body comes from the ETag cache."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from core.budget.cost_model import PAGE_SIZE
from ingest.github.api.models import PARSE_ERRORS, Account, Repository, clean_text, is_count
from ingest.github.errors import (
    AccountNotFound,
    Blocked,
    InvalidResponse,
    PermissionDenied,
    RepositoryNotFound,
    UnexpectedStatus,
)
from ingest.github.http.etag_cache import CachedRefusal, CachedResponse, ResponseCache
from ingest.github.http.responses import (
    FORBIDDEN,
    NOT_MODIFIED,
    OK,
    page_number,
    parse_link_header,
    response_error,
    with_page_number,
)
from ingest.github.http.transport import ApiRequest, RequestContext, Transport
from ingest.github.http.urls import resolve_api_url
from ingest.github.types import MissingRepository

NOT_FOUND, CONFLICT = 404, 409
# No account has a hundred thousand public repositories: a larger number of the last page is not believed.
MAX_PAGES_TOGETHER = 1_000
# An order that a push or a star does not change: a changed repository stays on its page, the other pages respond 304.
STABLE_ORDER_QUERY = f"per_page={PAGE_SIZE}&sort=full_name&direction=asc"


@dataclass(frozen=True)
class RepositoryPage:
    """One page of a list of repositories, and the URLs of the pages after it as far as they are known."""

    repositories: tuple[Repository, ...]
    captured_at: datetime
    others: tuple[str, ...] = ()
    has_all_urls: bool = True
    """Whether `others` are all pages after this one; if not, the last of them has the URL of the next."""
    is_complete: bool = True
    """False where an item could not be read; that costs the item, not the page."""


@dataclass(frozen=True)
class FetchedBody:
    """A body, new or from the cache, with its Link header by relation; `captured_at` is the response's Date."""

    body: Any
    links: dict[str, str]
    captured_at: datetime


class Rest:
    """The REST methods that Almanac needs. Thread-safe."""

    def __init__(self, transport: Transport, cache: ResponseCache) -> None:
        self._transport = transport
        self._cache = cache

    def account(self, login: str, context: RequestContext) -> tuple[Account, datetime]:
        """Fetch a user or organization, with the time of the response. Raises AccountNotFound.

        Source: https://docs.github.com/en/rest/users/users#get-a-user
        """
        return self._account(f"/users/{quote(login, safe='')}", login, context)

    def account_by_id(self, github_id: int, context: RequestContext) -> tuple[Account, datetime]:
        """Fetch an account by id, whatever its login is now. Raises AccountNotFound.

        Source: https://docs.github.com/en/rest/users/users#get-a-user-using-their-id
        """
        return self._account(f"/user/{github_id}", f"id {github_id}", context)

    def organization(self, login: str, context: RequestContext) -> Account:
        """Fetch an organization with its followers, which GraphQL does not report. Raises AccountNotFound.

        Source: https://docs.github.com/en/rest/orgs/orgs#get-an-organization
        """
        return self._account(f"/orgs/{quote(login, safe='')}", login, context)[0]

    def first_page(self, account: Account, context: RequestContext, *, force: bool = False) -> RepositoryPage:
        """Fetch the first hundred public repositories of *account*, ordered by full name.

        *force* fetches the page even if it is unchanged.
        Source: https://docs.github.com/en/rest/repos/repos#list-repositories-for-a-user
        https://docs.github.com/en/rest/repos/repos#list-organization-repositories
        """
        login = quote(account.login, safe="")
        of_organization = account.kind == "organization"
        path = f"/orgs/{login}/repos?type=public&" if of_organization else f"/users/{login}/repos?type=owner&"
        return self.page(self._transport.root + path + STABLE_ORDER_QUERY, account.login, context, force=force)

    def page(self, url: str, login: str, context: RequestContext, *, force: bool = False) -> RepositoryPage:
        """Fetch one page of a list of repositories; private ones are left out."""
        what = f"the repositories of {login}"
        found = self.get(url, what, context, force=force)
        if not isinstance(found.body, list):
            raise InvalidResponse(what, "it is not a list")
        repositories = [_read_listed(body) for body in found.body]
        if repositories and not any(repositories):
            raise InvalidResponse(what, "no repository has the expected JSON structure")
        public = tuple(one for one in repositories if one is not None and not one.is_private)
        others, is_all_known = self._further_page_urls(url, found.links)
        return RepositoryPage(public, found.captured_at, others, is_all_known, None not in repositories)

    def languages(self, repository: Repository, context: RequestContext) -> dict[str, int] | CachedRefusal:
        """Fetch the bytes of each language. A refusal is cached for a day, because each counts against the rate limit.

        Source: https://docs.github.com/en/rest/repos/repos#list-repository-languages
        """
        url = f"{self._transport.root}/repos/{quote(repository.full_name)}/languages"
        known = self._cache.refusal(context.credential.fingerprint, url)
        if known:
            return known
        try:
            body = self.get(url, f"the languages of {repository.full_name}", context).body
        except (RepositoryNotFound, PermissionDenied, Blocked) as error:
            refused = _to_cached_refusal(error)
            self._cache.store_refusal(context.credential.fingerprint, url, refused)
            return refused
        except UnexpectedStatus as error:
            if error.status != CONFLICT:
                raise
            return {}  # an empty repository
        if not isinstance(body, dict):
            raise InvalidResponse(f"the languages of {repository.full_name}", "it is not an object")
        return {str(clean_text(name)): size for name, size in body.items() if is_count(size)}

    def locate_repository(self, github_id: int, context: RequestContext) -> Repository | MissingRepository:
        """Find a repository by id, whatever its owner and name are now, or the reason why GitHub does not show it.

        Raises PermissionDenied, which may concern this credential only.
        This endpoint is not documented; links to further pages of a repository use it.
        """
        what = f"repository {github_id}"
        try:
            found = self.get(f"{self._transport.root}/repositories/{github_id}", what, context)
            repository = Repository.from_rest(found.body)
        except RepositoryNotFound:
            return MissingRepository(github_id, "not_found", NOT_FOUND)
        except Blocked as error:
            return MissingRepository(github_id, error.reason, error.status, error.url)
        except PARSE_ERRORS as error:
            raise InvalidResponse(what, "unexpected JSON structure") from error
        return MissingRepository(github_id, "private") if repository.is_private else repository

    def _account(self, path: str, login: str, context: RequestContext) -> tuple[Account, datetime]:
        try:
            found = self.get(self._transport.root + path, f"account {login}", context)
            return Account.from_rest(found.body), found.captured_at
        except RepositoryNotFound as error:
            raise AccountNotFound(login) from error
        except PARSE_ERRORS as error:
            raise InvalidResponse(f"account {login}", "unexpected JSON structure") from error

    @property
    def root(self) -> str:
        return self._transport.root

    def get(
        self, url: str, what: str, context: RequestContext, *, force: bool = False, store: bool = True
    ) -> FetchedBody:
        """Send a conditional GET request; an unchanged body comes from the cache.

        *force* makes it unconditional, *store* caches the response. Raises UnexpectedStatus for a status that is
        neither 200 nor has an error class of its own, and what `Transport.send` raises.
        """
        fingerprint = context.credential.fingerprint
        cached = None if force else self._cache.find(fingerprint, url)
        request = ApiRequest(url, what, context, headers=cached.conditional_headers() if cached else {})
        parsed = self._transport.send(request)
        response = parsed.response
        if response.status == NOT_MODIFIED:
            return self._cached_body(cached, request, response.date)
        refused = response_error(response, what)
        if refused or response.status != OK:
            raise refused or UnexpectedStatus(response.status, what, captured_at=response.date)
        if store:
            self._cache.store(fingerprint, url, response.headers, response.body)
        return FetchedBody(parsed.body, parse_link_header(response.headers), response.date)

    def _cached_body(self, cached: CachedResponse | None, request: ApiRequest, captured_at: datetime) -> FetchedBody:
        if cached is None:  # the request was not conditional
            raise UnexpectedStatus(NOT_MODIFIED, request.what)
        return FetchedBody(json.loads(cached.body), parse_link_header(cached.headers), captured_at)

    def _further_page_urls(self, url: str, links: dict[str, str]) -> tuple[tuple[str, ...], bool]:
        """List the URLs of the pages after this one, and whether these are all of them."""
        following = self._resolve_url(links.get("next"), url)
        if following is None:
            return (), True
        last = self._resolve_url(links.get("last"), url)
        first_page, last_page = page_number(following), page_number(last) if last else None
        if first_page is None or last_page is None or last_page - first_page >= MAX_PAGES_TOGETHER:
            return (following,), False
        return tuple(with_page_number(following, number) for number in range(first_page, last_page + 1)), True

    def _resolve_url(self, link: str | None, requested_url: str) -> str | None:
        return resolve_api_url(self._transport.root, link, requested_url) if link else None


def _read_listed(body: Any) -> Repository | None:
    try:
        return Repository.from_rest(body)
    except PARSE_ERRORS:
        return None


def _to_cached_refusal(error: RepositoryNotFound | PermissionDenied | Blocked) -> CachedRefusal:
    if isinstance(error, Blocked):
        return CachedRefusal(error.status, error.reason)
    if isinstance(error, PermissionDenied):
        return CachedRefusal(FORBIDDEN, error.code)
    return CachedRefusal(NOT_FOUND, "not_found")
