"""Facts besides the pulse: star history, contributors, releases, commits, traffic. One conditional request each."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Generic, TypeVar
from urllib.parse import quote

from ingest.github.api import fact_types
from ingest.github.api.fact_types import CommitWeek, Contributor, Release, StarWeek, TrafficDay
from ingest.github.api.graphql import GraphQL
from ingest.github.api.graphql_responses import FailedNode
from ingest.github.api.models import PARSE_ERRORS, Extras
from ingest.github.api.rest import FetchedBody, Rest
from ingest.github.errors import (
    BadCredentials,
    EndpointNotSupported,
    GraphQLUnavailable,
    InvalidResponse,
    RepositoryNameReused,
    RepositoryNotFound,
    StatisticsNotReady,
    UnexpectedStatus,
)
from ingest.github.http.credentials import CredentialPool
from ingest.github.http.rate_gate import StopSignal
from ingest.github.http.transport import RequestContext, Tally

T = TypeVar("T")
ACCEPTED, NO_CONTENT = 202, 204
PAGE_SIZE = 100
# GitHub names at most so many contributors: the first 500 e-mail addresses of a history.
MAX_CONTRIBUTOR_PAGES = 5
REPOSITORY_ID_IN_URL = re.compile(r"/repositories/(\d+)(?:/|$|\?)")


@dataclass(frozen=True)
class FactSubject:
    """A repository to ask about, who is asked for it, and how much of the budget has to be left for others."""

    github_id: int
    full_name: str
    token: str | None = None
    reserve: float = 0.0
    node_id: str | None = None
    tally: Tally = field(default_factory=Tally)
    """What asking has cost so far, whether it was answered or not."""

    @property
    def login(self) -> str:
        return self.full_name.partition("/")[0]


@dataclass(frozen=True)
class FetchedFact(Generic[T]):
    """What GitHub said, when, and whether more follows."""

    value: T
    captured_at: datetime
    has_more: bool = False


class Facts:
    """Reads facts of one repository a call. Safe to use from many threads.

    All raise RateLimited as soon as the budget is down to the subject's reserve: they wait for nobody's budget.
    """

    def __init__(self, rest: Rest, graphql: GraphQL, pool: CredentialPool) -> None:
        self._rest = rest
        self._graphql = graphql
        self._pool = pool

    def star_weeks(
        self, subject: FactSubject, page: int = 1, *, stop: StopSignal | None = None
    ) -> FetchedFact[list[StarWeek]]:
        """Read thirty weeks of surviving stars by the day they were given, newest first.

        Raises RepositoryGone for a repository, or a server, that has no such thing.
        Source: https://docs.github.com/en/rest/activity/starring
        """
        path = "/stargazers/history" + (f"?page={page}" if page > 1 else "")
        # A page of the walk is read once: keeping it for a 304 would only fill the cache.
        return self._read(subject, path, "its star history", fact_types.parse_star_weeks, stop, keep=page == 1)

    def contributors(self, subject: FactSubject, *, stop: StopSignal | None = None) -> FetchedFact[list[Contributor]]:
        """Read who committed, most commits first: people whom GitHub knows by their e-mail, five hundred at most.

        Raises PermissionDenied where the history is too large for GitHub to tell.
        Source: https://docs.github.com/en/rest/repos/repos#list-repository-contributors
        """
        found, moments = list[Contributor](), list[datetime]()
        for page in range(1, MAX_CONTRIBUTOR_PAGES + 1):
            path = f"/contributors?per_page={PAGE_SIZE}" + (f"&page={page}" if page > 1 else "")
            read = self._read(subject, path, "its contributors", fact_types.parse_contributors, stop)
            found += read.value
            moments.append(read.captured_at)
            if not read.has_more:
                break
        return FetchedFact(found, min(moments), read.has_more)

    def releases(self, subject: FactSubject, *, stop: StopSignal | None = None) -> FetchedFact[list[Release]]:
        """Read the newest hundred releases, drafts left out.

        Source: https://docs.github.com/en/rest/releases/releases#list-releases
        """
        return self._read(subject, f"/releases?per_page={PAGE_SIZE}", "its releases", fact_types.parse_releases, stop)

    def commit_weeks(self, subject: FactSubject, *, stop: StopSignal | None = None) -> FetchedFact[list[CommitWeek]]:
        """Read the commits of each day of the last year, merges left out.

        Raises NotReady while GitHub computes, which it may do for ever.
        Source: https://docs.github.com/en/rest/metrics/statistics#get-the-last-year-of-commit-activity
        """
        return self._read(subject, "/stats/commit_activity", "its commit activity", fact_types.parse_commit_weeks, stop)

    def traffic(self, subject: FactSubject, *, stop: StopSignal | None = None) -> FetchedFact[list[TrafficDay]]:
        """Read views and clones of the last two weeks.

        Raises PermissionDenied where we may not push.
        Source: https://docs.github.com/en/rest/metrics/traffic
        """
        views = self._read(subject, "/traffic/views", "its views", lambda b: fact_types.parse_traffic(b, "views"), stop)
        clones = self._read(
            subject, "/traffic/clones", "its clones", lambda b: fact_types.parse_traffic(b, "clones"), stop
        )
        days = fact_types.merge_traffic(views.value, clones.value)
        return FetchedFact(days, min(views.captured_at, clones.captured_at))

    def contributions(
        self, subject: FactSubject, spans: Sequence[tuple[date, date]], *, stop: StopSignal | None = None
    ) -> FetchedFact[Mapping[date, int]]:
        """Read a user's public contributions by day, of spans of a year at most.

        Raises RepositoryGone when GitHub shows no such user, NoSuchEndpoint where there is no GraphQL.
        """
        what = f"the contributions of {subject.full_name}"
        found = self._by_graphql(
            subject, what, stop, lambda by: self._graphql.contribution_calendar(subject.node_id or "", spans, by)
        )
        if found is None:
            raise RepositoryNotFound(what)
        return FetchedFact(found.days, found.captured_at)

    def extras(
        self, subject: FactSubject, node_ids: Sequence[str], *, stop: StopSignal | None = None
    ) -> FetchedFact[list[Extras | FailedNode | None]]:
        """Read watchers, open issues and change requests, topics, of a hundred repositories at most.

        None for one that GitHub does not show, Lost for one it could not tell.
        """
        ask = self._graphql.extras_with_timestamp
        return self._by_graphql(subject, "extras", stop, lambda by: FetchedFact(*ask(node_ids, by)))

    def _by_graphql(
        self, subject: FactSubject, what: str, stop: StopSignal | None, ask: Callable[[RequestContext], T]
    ) -> T:
        if self._graphql.is_missing:
            raise EndpointNotSupported(what)
        try:
            return self._with_any_credential(subject, stop, ask)
        except GraphQLUnavailable as error:
            raise EndpointNotSupported(what) from error

    def _read(
        self,
        subject: FactSubject,
        path: str,
        what: str,
        read: Callable[[object], T],
        stop: StopSignal | None,
        *,
        keep: bool = True,
    ) -> FetchedFact[T]:
        url = f"{self._rest.root}/repos/{quote(subject.full_name)}{path}"
        named = f"{subject.full_name}, {what}"
        found = self._with_any_credential(subject, stop, lambda asking: self._get(url, named, asking, keep=keep))
        self._check_repository_id(subject, found)
        try:
            value = read(found.body)
        except PARSE_ERRORS as error:
            raise InvalidResponse(named, "it has another shape than GitHub's") from error
        return FetchedFact(value, found.captured_at, "next" in found.links)

    def _get(self, url: str, what: str, asking: RequestContext, *, keep: bool) -> FetchedBody:
        try:
            return self._rest.get(url, what, asking, force=not keep, keep=keep)
        except UnexpectedStatus as error:
            if error.status == ACCEPTED:
                raise StatisticsNotReady(what) from error
            if error.status == NO_CONTENT and error.captured_at is not None:
                return FetchedBody([], {}, error.captured_at)  # an empty repository
            raise

    def _with_any_credential(
        self, subject: FactSubject, stop: StopSignal | None, ask: Callable[[RequestContext], T]
    ) -> T:
        """Ask as the one the account is pinned to; should GitHub refuse that one now, as another."""
        while True:
            credential = self._pool.choose(subject.login, subject.token)
            if credential is None:
                raise BadCredentials("every token there is")
            asking = RequestContext(credential, subject.reserve, False, stop, subject.tally)
            try:
                return ask(asking)
            except BadCredentials:
                if not self._pool.refused(credential):
                    raise

    @staticmethod
    def _check_repository_id(subject: FactSubject, found: FetchedBody) -> None:
        """Addresses of further pages bear the repository's number: names get reused, numbers do not."""
        for link in found.links.values():
            told = REPOSITORY_ID_IN_URL.search(link)
            if told and int(told[1]) != subject.github_id:
                raise RepositoryNameReused(subject.full_name)
