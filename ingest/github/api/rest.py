"""REST: one thing an address. Asked conditionally, answered from what is kept where nothing changed."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from ingest.github.api.models import PARSE_ERRORS, Account, Repository
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
    RateLimitStatus,
    page_number,
    parse_link_header,
    response_error,
    with_page_number,
)
from ingest.github.http.transport import ApiRequest, RequestContext, Transport
from ingest.github.http.urls import resolve_api_url
from ingest.github.types import MissingRepository

PAGE_SIZE = 100
USED_RESOURCES = ("core", "graphql")
NOT_FOUND, CONFLICT = 404, 409
# An order that a push or a star does not change: what changed stays on its page, and the others answer 304.
STABLE_ORDER_QUERY = f"per_page={PAGE_SIZE}&sort=full_name&direction=asc"


@dataclass(frozen=True)
class RepositoryPage:
    """One page of a list, and the addresses of those that follow as far as they are known."""

    repositories: tuple[Repository, ...]
    captured_at: datetime
    others: tuple[str, ...] = ()
    has_all_urls: bool = True
    """Whether `others` are all that follow; if not, the last of them tells the next."""


@dataclass(frozen=True)
class FetchedBody:
    """A body, new or kept, with the Link that belongs to it."""

    body: Any
    links: dict[str, str]
    captured_at: datetime


class Rest:
    """The REST methods that Almanac needs. Safe to use from many threads."""

    def __init__(self, transport: Transport, cache: ResponseCache) -> None:
        self._transport = transport
        self._cache = cache

    def account(self, login: str, asking: RequestContext) -> tuple[Account, datetime]:
        """Read a user or organization; the moment is GitHub's.

        Raises AccountNotFound.
        Source: https://docs.github.com/en/rest/users/users#get-a-user
        """
        return self._account(f"/users/{quote(login, safe='')}", login, asking)

    def account_by_id(self, github_id: int, asking: RequestContext) -> tuple[Account, datetime]:
        """Read an account whatever its login is now.

        Raises AccountNotFound.
        Source: https://docs.github.com/en/rest/users/users#get-a-user-using-their-id
        """
        return self._account(f"/user/{github_id}", f"id {github_id}", asking)

    def organization(self, login: str, asking: RequestContext) -> Account:
        """Read what only this address tells of an organization, its followers above all.

        Raises AccountNotFound.
        Source: https://docs.github.com/en/rest/orgs/orgs#get-an-organization
        """
        return self._account(f"/orgs/{quote(login, safe='')}", login, asking)[0]

    def first_page(self, account: Account, asking: RequestContext, *, force: bool = False) -> RepositoryPage:
        """Read the first hundred public repositories of *account*, in a steady order.

        *force* asks for the whole page even if nothing changed.
        Source: https://docs.github.com/en/rest/repos/repos#list-repositories-for-a-user
        """
        login = quote(account.login, safe="")
        of_organization = account.kind == "organization"
        path = f"/orgs/{login}/repos?type=public&" if of_organization else f"/users/{login}/repos?type=owner&"
        return self.page(self._transport.root + path + STABLE_ORDER_QUERY, account.login, asking, force=force)

    def page(self, url: str, login: str, asking: RequestContext, *, force: bool = False) -> RepositoryPage:
        """Read one page of a list of repositories."""
        what = f"the repositories of {login}"
        found = self.get(url, what, asking, force=force)
        if not isinstance(found.body, list):
            raise InvalidResponse(what, "it is no list")
        try:
            repositories = tuple(Repository.from_rest(body) for body in found.body)
        except PARSE_ERRORS as error:
            raise InvalidResponse(what, "a repository in it has another shape than GitHub's") from error
        public = tuple(repository for repository in repositories if not repository.is_private)
        others, is_all_known = self._further_page_urls(url, found.links)
        return RepositoryPage(public, found.captured_at, others, is_all_known)

    def languages(self, repository: Repository, asking: RequestContext) -> dict[str, int] | CachedRefusal:
        """Read the bytes of each language; a refusal is remembered for a day, because each one is charged.

        Source: https://docs.github.com/en/rest/repos/repos#list-repository-languages
        """
        url = f"{self._transport.root}/repos/{quote(repository.full_name)}/languages"
        known = self._cache.refusal(asking.credential.fingerprint, url)
        if known:
            return known
        try:
            body = self.get(url, f"the languages of {repository.full_name}", asking).body
        except (RepositoryNotFound, PermissionDenied, Blocked) as error:
            refused = _to_cached_refusal(error)
            self._cache.store_refusal(asking.credential.fingerprint, url, refused)
            return refused
        except UnexpectedStatus as error:
            if error.status != CONFLICT:
                raise
            return {}  # an empty repository
        if not isinstance(body, dict):
            raise InvalidResponse(f"the languages of {repository.full_name}", "it is no object")
        return {str(name): size for name, size in body.items() if isinstance(size, int)}

    def locate_repository(self, github_id: int, asking: RequestContext) -> Repository | MissingRepository:
        """Tell where a repository is now, whoever owns it and whatever it is called, or why it is gone."""
        what = f"repository {github_id}"
        try:
            found = self.get(f"{self._transport.root}/repositories/{github_id}", what, asking)
            repository = Repository.from_rest(found.body)
        except RepositoryNotFound:
            return MissingRepository(github_id, "not_found", NOT_FOUND)
        except Blocked as error:
            return MissingRepository(github_id, error.reason, error.status, error.url)
        except PermissionDenied:
            return MissingRepository(github_id, "permission_denied", FORBIDDEN)
        except PARSE_ERRORS as error:
            raise InvalidResponse(what, "it has another shape than GitHub's") from error
        return MissingRepository(github_id, "private") if repository.is_private else repository

    def rate_limits(self, asking: RequestContext) -> list[RateLimitStatus]:
        """Read what is left of each budget; that is free of charge.

        Source: https://docs.github.com/en/rest/rate-limit/rate-limit
        """
        found = self.get(f"{self._transport.root}/rate_limit", "the rate limits", asking, force=True)
        try:
            told = {name: found.body["resources"].get(name) for name in USED_RESOURCES}
            now = found.captured_at.timestamp()
            return [
                RateLimitStatus(name, one["limit"], one["remaining"], max(0.0, one["reset"] - now) + 1)
                for name, one in told.items()
                if one
            ]
        except PARSE_ERRORS as error:
            raise InvalidResponse("the rate limits", "they have another shape than GitHub's") from error

    def _account(self, path: str, login: str, asking: RequestContext) -> tuple[Account, datetime]:
        try:
            found = self.get(self._transport.root + path, f"account {login}", asking)
            return Account.from_rest(found.body), found.captured_at
        except RepositoryNotFound as error:
            raise AccountNotFound(login) from error
        except PARSE_ERRORS as error:
            raise InvalidResponse(f"account {login}", "it has another shape than GitHub's") from error

    @property
    def root(self) -> str:
        return self._transport.root

    def get(
        self, url: str, what: str, asking: RequestContext, *, force: bool = False, keep: bool = True
    ) -> FetchedBody:
        """Ask for what changed since we last asked; what did not change comes from the cache.

        *force* asks for all of it, *keep* keeps it for the next time. Raises UnexpectedStatus for what is neither a
        refusal nor 200.
        """
        fingerprint = asking.credential.fingerprint
        kept = None if force else self._cache.find(fingerprint, url)
        call = ApiRequest(url, what, asking, headers=kept.conditional_headers() if kept else {})
        reply = self._transport.send(call)
        answer = reply.response
        if answer.status == NOT_MODIFIED:
            return self._cached_body(kept, call, answer.date)
        refused = response_error(answer, what)
        if refused or answer.status != OK:
            raise refused or UnexpectedStatus(answer.status, what, captured_at=answer.date)
        if keep:
            self._cache.store(fingerprint, url, answer.headers, answer.body)
        return FetchedBody(reply.body, parse_link_header(answer.headers), answer.date)

    def _cached_body(self, kept: CachedResponse | None, call: ApiRequest, captured_at: datetime) -> FetchedBody:
        if kept is None:  # nobody asked it to compare
            raise UnexpectedStatus(NOT_MODIFIED, call.what)
        return FetchedBody(json.loads(kept.body), parse_link_header(kept.headers), captured_at)

    def _further_page_urls(self, url: str, links: dict[str, str]) -> tuple[tuple[str, ...], bool]:
        """Name the pages that follow: all at once where the last one is known by number, else the next one."""
        following = self._resolve_url(links.get("next"), url)
        if following is None:
            return (), True
        last = self._resolve_url(links.get("last"), url)
        here, end = page_number(following), page_number(last) if last else None
        if here is None or end is None:
            return (following,), False
        return tuple(with_page_number(following, number) for number in range(here, end + 1)), True

    def _resolve_url(self, link: str | None, asked: str) -> str | None:
        return resolve_api_url(self._transport.root, link, asked) if link else None


def _to_cached_refusal(error: RepositoryNotFound | PermissionDenied | Blocked) -> CachedRefusal:
    if isinstance(error, Blocked):
        return CachedRefusal(error.status, error.reason)
    if isinstance(error, PermissionDenied):
        return CachedRefusal(FORBIDDEN, error.code)
    return CachedRefusal(NOT_FOUND, "not_found")
