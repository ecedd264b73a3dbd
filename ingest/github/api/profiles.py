"""Profiles of accounts without their repositories, for people who are about to track them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ingest.github.api.graphql import GraphQL
from ingest.github.api.graphql_responses import GraphQLResponse
from ingest.github.api.models import PARSE_ERRORS, Account
from ingest.github.api.rest import PAGE_SIZE, Rest
from ingest.github.errors import AccountNotFound, GitHubError, InvalidResponse, Stopped
from ingest.github.http.credentials import CredentialPool
from ingest.github.http.rate_gate import StopSignal
from ingest.github.http.transport import RequestContext
from ingest.github.http.urls import resolve_api_url

LOGINS_PER_QUERY = 100
"""Each is a connection, so a full query costs one point."""
MAX_MEMBERS = 1_000


@dataclass(frozen=True)
class Profile:
    """The account behind a login. `public_repositories` counts owned ones only."""

    login: str
    github_id: int
    kind: str
    name: str | None
    public_repositories: int


class Profiles:
    """Fetches profiles of logins. Thread-safe. A person is waiting, so it may spend the reserve of the rate budget."""

    def __init__(self, rest: Rest, graphql: GraphQL, pool: CredentialPool, *, use_graphql: bool) -> None:
        self._rest = rest
        self._graphql = graphql
        self._pool = pool
        self._use_graphql = use_graphql

    def of(
        self, logins: Sequence[str], *, stop: StopSignal | None = None
    ) -> Iterator[tuple[str, Profile | GitHubError]]:
        """Yield the profile of each login, or the error that prevented it, in the order of *logins*. Raises Stopped."""
        for start in range(0, len(logins), LOGINS_PER_QUERY):
            batch = logins[start : start + LOGINS_PER_QUERY]
            if self._use_graphql and not self._graphql.is_missing:
                yield from self._lookup_batch(batch, stop)
            else:
                yield from ((login, self._lookup_one(login, stop)) for login in batch)

    def members(self, organization: str, *, stop: StopSignal | None = None) -> list[str]:
        """List the logins of an organization's public members, at most a thousand.

        Raises AccountNotFound where there is no such organization.
        Source: https://docs.github.com/en/rest/orgs/members#list-public-organization-members
        """
        what = f"the members of {organization}"
        context = self._context_for(organization, stop)
        self._rest.organization(organization, context)
        url: str | None = f"{self._rest.root}/orgs/{quote(organization, safe='')}/public_members?per_page={PAGE_SIZE}"
        logins: list[str] = []
        while url and len(logins) < MAX_MEMBERS:
            found = self._rest.get(url, what, context)
            try:
                logins += [str(one["login"]) for one in found.body]
            except PARSE_ERRORS as error:
                raise InvalidResponse(what, "unexpected JSON structure") from error
            following = found.links.get("next")
            url = resolve_api_url(self._rest.root, following, url) if following else None
        return logins[:MAX_MEMBERS]

    def _lookup_batch(
        self, logins: Sequence[str], stop: StopSignal | None
    ) -> Iterator[tuple[str, Profile | GitHubError]]:
        try:
            response = self._graphql.profiles(logins, self._context_for(logins[0], stop))
        except Stopped:
            raise
        except GitHubError as error:
            yield from ((login, error) for login in logins)
            return
        for i, login in enumerate(logins):
            profile = read_profile(response, f"a{i}", login)
            # GraphQL does not know a former login, where REST redirects.
            yield login, self._lookup_one(login, stop) if isinstance(profile, AccountNotFound) else profile

    def _lookup_one(self, login: str, stop: StopSignal | None) -> Profile | GitHubError:
        try:
            return profile_from_account(self._rest.account(login, self._context_for(login, stop))[0])
        except Stopped:
            raise
        except GitHubError as error:
            return error

    def _context_for(self, login: str, stop: StopSignal | None) -> RequestContext:
        return RequestContext(self._pool.require(login), stop=stop)


def read_profile(response: GraphQLResponse, alias: str, login: str) -> Profile | GitHubError:
    """Read one account of a GraphQL response."""
    node: Any = response.data.get(alias)
    if node is None:
        errors = [error for error in response.errors_at(alias) if error.kind != "NOT_FOUND"]
        return errors[0].to_exception(f"account {login}") if errors else AccountNotFound(login)
    try:
        return Profile(
            login=str(node["login"]),
            github_id=int(node["databaseId"]),
            kind=str(node["__typename"]).lower(),
            name=node.get("name") or None,
            public_repositories=int(node["repositories"]["totalCount"]),
        )
    except PARSE_ERRORS:
        return InvalidResponse(f"account {login}", "unexpected JSON structure")


def profile_from_account(account: Account) -> Profile:
    return Profile(account.login, account.github_id, account.kind, account.name, account.public_repositories or 0)
