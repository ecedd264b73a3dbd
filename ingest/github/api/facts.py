"""Fetching enrichment facts of one repository: star history, contributors, releases, commit activity, traffic."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Generic, Literal, TypeVar
from urllib.parse import quote

from core.budget.cost_model import PAGE_SIZE
from ingest.github.api import fact_types
from ingest.github.api.fact_types import CommitWeek, Contributor, Release, StarWeek, TrafficDay
from ingest.github.api.graphql import GraphQL
from ingest.github.api.graphql_responses import FailedNode, LanguagePage
from ingest.github.api.models import PARSE_ERRORS, Extras, RareCounts
from ingest.github.api.rest import FetchedBody, Rest
from ingest.github.errors import (
    EndpointNotSupported,
    GitHubError,
    GraphQLUnavailable,
    InvalidResponse,
    RepositoryNameReused,
    RepositoryNotFound,
    StatisticsNotReady,
    UnexpectedStatus,
)
from ingest.github.http.credential_fallback import ask, ask_each
from ingest.github.http.credentials import Credential, CredentialPool
from ingest.github.http.rate_gate import StopSignal
from ingest.github.http.transport import RequestContext, Tally

T = TypeVar("T")
ACCEPTED, NO_CONTENT = 202, 204
# GitHub lists at most 500 contributors, by e-mail address. Source:
# https://docs.github.com/en/rest/repos/repos#list-repository-contributors
MAX_CONTRIBUTOR_PAGES = 5
REPOSITORY_ID_IN_URL = re.compile(r"/repositories/(\d+)(?:/|$|\?)")


@dataclass(frozen=True)
class FactSubject:
    """The repository (or user) whose facts are fetched.

    token    fingerprint of the token it is pinned to
    reserve  share of the rate budget to leave for people who are waiting
    """

    github_id: int
    full_name: str
    token: str | None = None
    reserve: float = 0.0
    node_id: str | None = None
    tally: Tally = field(default_factory=Tally)
    """What requests have cost so far, failed ones included."""

    @property
    def login(self) -> str:
        return self.full_name.partition("/")[0]


@dataclass(frozen=True)
class FetchedFact(Generic[T]):
    """A fact, the time of the response (UTC), and whether there are more pages."""

    value: T
    captured_at: datetime
    has_more: bool = False


class Facts:
    """Fetches one fact of one subject per call, with conditional requests. Thread-safe.

    All methods raise RateLimited as soon as the rate budget is down to the subject's reserve; they do not wait for it
    to reset. What the pinned token is denied, others are asked for, then anonymously (see `http.fallback`). They raise
    RepositoryNameReused where the response is about another repository.
    """

    def __init__(self, rest: Rest, graphql: GraphQL, pool: CredentialPool) -> None:
        self._rest = rest
        self._graphql = graphql
        self._pool = pool

    def star_weeks(
        self, subject: FactSubject, page: int = 1, *, stop: StopSignal | None = None
    ) -> FetchedFact[list[StarWeek]]:
        """Fetch thirty weeks of surviving stars by the day they were given, newest first.

        Raises RepositoryNotFound for a missing repository, and on a server without this endpoint.
        Source: https://docs.github.com/en/rest/activity/starring
        """
        path = "/stargazers/history" + (f"?page={page}" if page > 1 else "")
        # A backfill fetches further pages only once: caching them would only fill the cache.
        return self._read(subject, path, "its star history", fact_types.parse_star_weeks, stop, store=page == 1)

    def contributors(self, subject: FactSubject, *, stop: StopSignal | None = None) -> FetchedFact[list[Contributor]]:
        """Fetch contributors, most commits first, at most 500: those whose e-mail address belongs to an account.

        Raises PermissionDenied where the commit history is too large for GitHub.
        Source: https://docs.github.com/en/rest/repos/repos#list-repository-contributors
        """
        found, captured_at = list[Contributor](), list[datetime]()
        for page in range(1, MAX_CONTRIBUTOR_PAGES + 1):
            path = f"/contributors?per_page={PAGE_SIZE}" + (f"&page={page}" if page > 1 else "")
            read = self._read(subject, path, "its contributors", fact_types.parse_contributors, stop)
            found += read.value
            captured_at.append(read.captured_at)
            # A full page may have got a next one without a change of its own: the Link header of a 304 is the old one.
            if not read.has_more and len(read.value) < PAGE_SIZE:
                break
        return FetchedFact(found, min(captured_at), read.has_more)

    def releases(self, subject: FactSubject, *, stop: StopSignal | None = None) -> FetchedFact[list[Release]]:
        """Fetch the newest hundred releases, without drafts.

        Source: https://docs.github.com/en/rest/releases/releases#list-releases
        """
        return self._read(subject, f"/releases?per_page={PAGE_SIZE}", "its releases", fact_types.parse_releases, stop)

    def commit_weeks(self, subject: FactSubject, *, stop: StopSignal | None = None) -> FetchedFact[list[CommitWeek]]:
        """Fetch the commits on each day of the last year, without merges.

        Raises StatisticsNotReady while GitHub computes them, possibly forever.
        Source: https://docs.github.com/en/rest/metrics/statistics#get-the-last-year-of-commit-activity
        """
        return self._read(subject, "/stats/commit_activity", "its commit activity", fact_types.parse_commit_weeks, stop)

    def traffic(self, subject: FactSubject, *, stop: StopSignal | None = None) -> FetchedFact[list[TrafficDay]]:
        """Fetch views and clones of the last two weeks, with the token that has push access.

        Raises PermissionDenied where none has.
        Source: https://docs.github.com/en/rest/metrics/traffic
        """
        views = self._traffic(subject, "views", stop)
        clones = self._traffic(subject, "clones", stop)
        days = fact_types.merge_traffic(views.value, clones.value)
        return FetchedFact(days, min(views.captured_at, clones.captured_at))

    def _traffic(
        self, subject: FactSubject, what: Literal["views", "clones"], stop: StopSignal | None
    ) -> FetchedFact[list[TrafficDay]]:
        def parse(body: object) -> list[TrafficDay]:
            return fact_types.parse_traffic(body, what)

        return self._read(subject, f"/traffic/{what}", f"its {what}", parse, stop, right="push access")

    def contributions(
        self, subject: FactSubject, spans: Sequence[tuple[date, date]], *, stop: StopSignal | None = None
    ) -> FetchedFact[Mapping[date, int]]:
        """Fetch a user's public contributions by day, for spans of at most a year.

        Raises RepositoryNotFound when GitHub shows no such user, EndpointNotSupported without GraphQL.
        """
        what = f"the contributions of {subject.full_name}"
        found = self._by_graphql(
            subject,
            what,
            stop,
            lambda context: self._graphql.contribution_calendar(subject.node_id or "", spans, context),
        )
        if found is None:
            raise RepositoryNotFound(what)
        return FetchedFact(found.days, found.captured_at)

    def extras(
        self, subjects: Sequence[FactSubject], *, stop: StopSignal | None = None
    ) -> FetchedFact[list[Extras | FailedNode | None]]:
        """Fetch watchers, open issues, open change requests and topics of at most a hundred repositories.

        None for one that GitHub does not show, FailedNode for one it failed to report.
        """
        return self._each_by_graphql(subjects, "extras", stop, self._graphql.extras_with_timestamp)

    def languages(
        self, subjects: Sequence[FactSubject], *, stop: StopSignal | None = None
    ) -> FetchedFact[list[dict[str, int] | FailedNode | None]]:
        """Fetch the languages of repositories in bytes. Results as for `extras`."""

        def fetch(
            node_ids: Sequence[str], context: RequestContext
        ) -> tuple[list[dict[str, int] | FailedNode | None], datetime]:
            pages, at = self._graphql.languages_with_timestamp(node_ids, context)
            return [_complete_languages(page) for page in pages], at

        return self._each_by_graphql(subjects, "languages", stop, fetch)

    def rare_counts(
        self, subjects: Sequence[FactSubject], *, stop: StopSignal | None = None
    ) -> FetchedFact[list[RareCounts | FailedNode | None]]:
        """Fetch how many accounts users follow and how many public gists they have. Results as for `extras`."""
        return self._each_by_graphql(subjects, "accounts", stop, self._graphql.rare_counts_with_timestamp)

    def _by_graphql(
        self, subject: FactSubject, what: str, stop: StopSignal | None, fetch: Callable[[RequestContext], T]
    ) -> T:
        if self._graphql.is_missing:
            raise EndpointNotSupported(what)
        try:
            return ask(
                self._pool,
                subject.login,
                lambda credential: fetch(_context(credential, subject, stop)),
                pinned=subject.token,
                scope=what,
                may_be_anonymous=False,
            )
        except GraphQLUnavailable as error:
            raise EndpointNotSupported(what) from error

    def _each_by_graphql(
        self,
        subjects: Sequence[FactSubject],
        what: str,
        stop: StopSignal | None,
        fetch: Callable[[Sequence[str], RequestContext], tuple[list[T | FailedNode | None], datetime]],
    ) -> FetchedFact[list[T | FailedNode | None]]:
        """Fetch nodes of one token's accounts together; those that it is denied, with another token."""
        if self._graphql.is_missing:
            raise EndpointNotSupported(what)
        times: list[datetime] = []

        def send(credential: Credential, indexes: Sequence[int]) -> list[T | GitHubError | None]:
            node_ids = [subjects[index].node_id or "" for index in indexes]
            nodes, at = fetch(node_ids, _context(credential, subjects[0], stop))
            times.append(at)
            return [node.error if isinstance(node, FailedNode) else node for node in nodes]

        try:
            found = ask_each(
                self._pool,
                [subject.login for subject in subjects],
                send,
                pinned=subjects[0].token,
                scope=what,
                may_be_anonymous=False,
            )
        except GraphQLUnavailable as error:
            raise EndpointNotSupported(what) from error
        nodes = [FailedNode(node) if isinstance(node, GitHubError) else node for node in found]
        if not times and isinstance(nodes[0], FailedNode):
            raise nodes[0].error
        return FetchedFact(nodes, min(times))

    def _read(
        self,
        subject: FactSubject,
        path: str,
        what: str,
        parse: Callable[[object], T],
        stop: StopSignal | None,
        *,
        store: bool = True,
        right: str = "",
    ) -> FetchedFact[T]:
        """Fetch and parse one page. What one token is denied, another or anybody may see.

        Where it needs a *right*, a token that had it for another repository of the account is asked first.
        """
        url = f"{self._rest.root}/repos/{quote(subject.full_name)}{path}"
        named = f"{subject.full_name}, {what}"

        pool, login = self._pool, subject.login

        def send(credential: Credential) -> FetchedBody:
            body = self._get(url, named, _context(credential, subject, stop), store=store)
            if right:
                pool.grant(credential, login, right)
            return body

        if right:  # of one repository
            pinned, scope = pool.granted(login, right) or subject.token, f"{right} {subject.github_id}"
            found = ask(pool, login, send, pinned=pinned, scope=scope, may_be_anonymous=False, is_public=False)
        else:
            found = ask(pool, login, send, pinned=subject.token, scope=what)
        self._check_repository_id(subject, found)
        try:
            value = parse(found.body)
        except PARSE_ERRORS as error:
            raise InvalidResponse(named, "unexpected JSON structure") from error
        return FetchedFact(value, found.captured_at, "next" in found.links)

    def _get(self, url: str, what: str, context: RequestContext, *, store: bool) -> FetchedBody:
        try:
            return self._rest.get(url, what, context, force=not store, store=store)
        except UnexpectedStatus as error:
            if error.status == ACCEPTED:
                raise StatisticsNotReady(what) from error
            if error.status == NO_CONTENT and error.captured_at is not None:
                return FetchedBody([], {}, error.captured_at)  # an empty repository
            raise

    @staticmethod
    def _check_repository_id(subject: FactSubject, found: FetchedBody) -> None:
        """Check the repository id in the URLs of further pages: names get reused, ids do not."""
        for link in found.links.values():
            match = REPOSITORY_ID_IN_URL.search(link)
            if match and int(match[1]) != subject.github_id:
                raise RepositoryNameReused(subject.full_name)


def _context(credential: Credential, subject: FactSubject, stop: StopSignal | None) -> RequestContext:
    return RequestContext(credential, subject.reserve, False, stop, subject.tally)


def _complete_languages(page: LanguagePage | FailedNode | None) -> dict[str, int] | FailedNode | None:
    """Return all languages of a repository; FailedNode where there are more than one page or some are missing."""
    if not isinstance(page, LanguagePage):
        return page
    if page.cursor or not page.is_complete:
        return FailedNode(InvalidResponse("languages", "some of them are missing"))
    return page.bytes_by_language
