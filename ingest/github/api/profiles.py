"""Profiles of accounts without their repositories, for people who are about to track them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import structlog

from core.budget.cost_model import PAGE_SIZE
from ingest.github.api.graphql import GraphQL
from ingest.github.api.graphql_responses import GraphQLResponse
from ingest.github.api.models import PARSE_ERRORS, Account
from ingest.github.api.rest import Rest
from ingest.github.errors import (
    AccountNotFound,
    BadCredentials,
    GitHubError,
    GraphQLUnavailable,
    InvalidResponse,
    PermissionDenied,
    Stopped,
)
from ingest.github.http.credential_fallback import ask, ask_each
from ingest.github.http.credentials import ANONYMOUS, Credential, CredentialPool
from ingest.github.http.rate_gate import StopSignal
from ingest.github.http.responses import page_number, with_page_number
from ingest.github.http.transport import RequestContext
from ingest.github.http.urls import resolve_api_url

log = structlog.get_logger()
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
            yield from zip(batch, self._lookup_batch(batch, stop), strict=True)

    def members(self, organization: str, *, stop: StopSignal | None = None) -> list[str]:
        """List the logins of an organization's public members, at most a thousand.

        Raises AccountNotFound where there is no such organization.
        Source: https://docs.github.com/en/rest/orgs/members#list-public-organization-members
        """
        return ask(
            self._pool,
            organization,
            lambda credential: self._list_members(organization, RequestContext(credential, stop=stop)),
        )

    def _list_members(self, organization: str, context: RequestContext) -> list[str]:
        what = f"the members of {organization}"
        self._rest.organization(organization, context)
        url: str | None = f"{self._rest.root}/orgs/{quote(organization, safe='')}/public_members?per_page={PAGE_SIZE}"
        logins: list[str] = []
        while url and len(logins) < MAX_MEMBERS:
            found = self._rest.get(url, what, context)
            try:
                logins += [str(one["login"]) for one in found.body]
            except PARSE_ERRORS as error:
                raise InvalidResponse(what, "unexpected JSON structure") from error
            following = found.links.get("next") if found.body else None
            if following is None and len(found.body) == PAGE_SIZE:
                # As of contributors: without a change of its own, a full page may have got a next one.
                following = with_page_number(url, (page_number(url) or 1) + 1)
            url = resolve_api_url(self._rest.root, following, url) if following else None
        return logins[:MAX_MEMBERS]

    def _lookup_batch(self, logins: Sequence[str], stop: StopSignal | None) -> list[Profile | GitHubError]:
        def send(credential: Credential, indexes: Sequence[int]) -> list[Profile | GitHubError]:
            asked, context = [logins[index] for index in indexes], RequestContext(credential, stop=stop)
            if self._use_graphql and not self._graphql.is_missing and credential.fingerprint != ANONYMOUS:
                try:
                    return self._lookup_by_graphql(asked, context)
                except (GraphQLUnavailable, PermissionDenied):  # the query as a whole: this token may not use GraphQL
                    log.debug("profiles fetched by REST", credential=credential.name)
            return [self._lookup_one(login, context) for login in asked]

        try:
            return ask_each(self._pool, logins, send)
        except Stopped:
            raise
        except GitHubError as error:
            return [error] * len(logins)

    def _lookup_by_graphql(self, logins: Sequence[str], context: RequestContext) -> list[Profile | GitHubError]:
        response = self._graphql.profiles(logins, context)
        found = [read_profile(response, f"a{i}", login) for i, login in enumerate(logins)]
        # GraphQL does not know a former login, where REST redirects.
        return [
            self._lookup_one(login, context) if isinstance(profile, AccountNotFound) else profile
            for login, profile in zip(logins, found, strict=True)
        ]

    def _lookup_one(self, login: str, context: RequestContext) -> Profile | GitHubError:
        try:
            return profile_from_account(self._rest.account(login, context)[0])
        except (Stopped, BadCredentials):
            raise
        except GitHubError as error:
            return error


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
