"""The GraphQL queries and their cost in points. Names are those of GitHub's schema.

Scalars are free, connections are not: a query costs its connections / 100 points, rounded, and at least one.
Source: https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from core.budget.cost_model import CONNECTIONS_PER_ACCOUNT, CONNECTIONS_PER_NEW_ACCOUNT, PAGE_SIZE

# The maximum of `nodes(ids:)`; a query may contain several of them.
IDS_PER_LIST = 100

IDENTITY_FIELDS = ("__typename", "id", "login")
USER_FIELDS = (
    *("databaseId", "name", "company", "location", "websiteUrl", "bio", "avatarUrl", "createdAt"),
    "followers { totalCount }",
)
# Connections that no page needs at every refresh: each costs as much as the page of repositories.
RARE_USER_FIELDS = ("following { totalCount }", "gists(privacy: PUBLIC) { totalCount }")
ORGANIZATION_FIELDS = ("databaseId", "name", "location", "websiteUrl", "description", "avatarUrl", "createdAt")
REPOSITORY_FIELDS = (
    *("databaseId", "id", "name", "nameWithOwner", "description", "homepageUrl", "createdAt", "pushedAt"),
    *("isFork", "isArchived", "isTemplate", "isPrivate", "stargazerCount", "forkCount", "diskUsage"),
    *("primaryLanguage { name }", "defaultBranchRef { name }", "licenseInfo { spdxId }"),
    "owner { id login ... on User { databaseId } ... on Organization { databaseId } }",
)
EXTRAS_FIELDS = (
    "id",
    "watchers { totalCount }",
    "issues(states: OPEN) { totalCount }",
    "pullRequests(states: OPEN) { totalCount }",
    f"repositoryTopics(first: {PAGE_SIZE}) {{ nodes {{ topic {{ name }} }} }}",
)
LANGUAGE_FIELDS = ("edges { size node { name } }", "pageInfo { hasNextPage endCursor }")
# Fields that a server may lack or refuse while the response stays useful.
OPTIONAL_FIELDS = frozenset(
    {
        *("viewer", "rateLimit", "followers", "following", "gists", "watchers", "issues", "pullRequests"),
        *("avatarUrl", "company", "location", "websiteUrl", "bio", "description", "homepageUrl", "repositoryTopics"),
        *("isTemplate", "isArchived", "isPrivate", "diskUsage", "licenseInfo", "defaultBranchRef"),
    }
)
CONNECTIONS_PER_EXTRAS = 4
CONNECTIONS_PER_RARE_COUNTS = 2

NodeKind = Literal["Repository", "User"]

PageSelection = Literal["account with rare counts", "account", "further page"]
"""What a page of repositories comes with: its account with all counts or with the usual ones, or only the login."""
CONNECTIONS: dict[PageSelection, int] = {
    "account with rare counts": CONNECTIONS_PER_NEW_ACCOUNT,
    "account": CONNECTIONS_PER_ACCOUNT,
    "further page": 1,
}
_SELECTED: dict[PageSelection, str] = {
    "account with rare counts": "...Account ...RareCounts",
    "account": "...Account",
    "further page": "__typename login",
}


def pulse_query(pages: Sequence[PageSelection], unsupported: Collection[str] = ()) -> str:
    """Query a page of repositories of each account: variables `l0 c0 l1 c1` …, aliases `a0 a1` …"""
    variables = ", ".join(f"$l{i}: String!, $c{i}: String" for i in range(len(pages)))
    aliases = "\n".join(_account_alias(i, _SELECTED[page]) for i, page in enumerate(pages))
    account = _account_fragment(unsupported) if set(pages) - {"further page"} else ""
    rare = _rare_counts_fragment(unsupported) if "account with rare counts" in pages else ""
    return (
        f"query Pulse({variables}) {{\n{_rate_limit_and_viewer(unsupported)}\n{aliases}\n}}\n{account}{rare}"
        f"fragment Listed on RepositoryConnection {{\ntotalCount pageInfo {{ hasNextPage endCursor }}\n"
        f"nodes {{ {join_supported_fields(REPOSITORY_FIELDS, unsupported)} }}\n}}"
    )


def profiles_query(accounts: int, unsupported: Collection[str] = ()) -> str:
    """Query accounts without their repositories, at one connection each: variables `l0 l1` …, aliases `a0 a1` …"""
    variables = ", ".join(f"$l{i}: String!" for i in range(accounts))
    aliases = "\n".join(f"a{i}: repositoryOwner(login: $l{i}) {{ ...Profile }}" for i in range(accounts))
    return (
        f"query Profiles({variables}) {{\n{_rate_limit_and_viewer(unsupported)}\n{aliases}\n}}\n"
        "fragment Profile on RepositoryOwner { __typename id login\n"
        "... on User { databaseId name }\n... on Organization { databaseId name }\n"
        "repositories(first: 1, ownerAffiliations: [OWNER], privacy: PUBLIC) { totalCount } }"
    )


def pulse_connection_count(pages: Iterable[PageSelection]) -> int:
    return sum(CONNECTIONS[page] for page in pages)


def nodes_query(
    selection: Iterable[str], lists: int, unsupported: Collection[str] = (), kind: NodeKind = "Repository"
) -> str:
    """Query repositories or users by node id: variables `i0 i1` …, a hundred ids each, aliases `n0 n1` …"""
    variables = ", ".join(f"$i{i}: [ID!]!" for i in range(lists))
    aliases = "\n".join(f"n{i}: nodes(ids: $i{i}) {{ ...Wanted }}" for i in range(lists))
    return (
        f"query Nodes({variables}) {{\n{_rate_limit_and_viewer(unsupported)}\n{aliases}\n}}\n"
        f"fragment Wanted on {kind} {{ {join_supported_fields(selection, unsupported)} }}"
    )


def languages_selection() -> tuple[str, ...]:
    """Return the selection of a repository's first hundred languages."""
    return (
        "id",
        f"languages(first: {PAGE_SIZE}, orderBy: {{field: SIZE, direction: DESC}}) {{ {' '.join(LANGUAGE_FIELDS)} }}",
    )


def more_languages_query(repositories: int, unsupported: Collection[str] = ()) -> str:
    """Query further languages of single repositories: variables `i0 c0` …, aliases `n0` …"""
    variables = ", ".join(f"$i{i}: ID!, $c{i}: String!" for i in range(repositories))
    fields = " ".join(LANGUAGE_FIELDS)
    page = f"(first: {PAGE_SIZE}, after: $c%d, orderBy: {{field: SIZE, direction: DESC}}) {{ {fields} }}"
    aliases = "\n".join(
        f"n{i}: node(id: $i{i}) {{ ... on Repository {{ id languages{page % i} }} }}" for i in range(repositories)
    )
    return f"query Languages({variables}) {{\n{_rate_limit_and_viewer(unsupported)}\n{aliases}\n}}"


def contribution_calendar_query(spans: int, unsupported: Collection[str] = ()) -> str:
    """Query a user's contributions by day: variables `i`, `f0 t0 f1 t1` …, aliases `y0 y1` … in `n0`.

    A span is at most a year. The query has no connection, so it costs one point for any number of spans.
    Source: https://docs.github.com/en/graphql/reference/objects#contributionscollection
    """
    variables = "".join(f", $f{i}: DateTime!, $t{i}: DateTime!" for i in range(spans))
    days = "contributionCalendar { weeks { contributionDays { date contributionCount } } }"
    aliases = " ".join(f"y{i}: contributionsCollection(from: $f{i}, to: $t{i}) {{ {days} }}" for i in range(spans))
    user = f"n0: node(id: $i) {{ ... on User {{ id {aliases} }} }}"
    return f"query Calendar($i: ID!{variables}) {{\n{_rate_limit_and_viewer(unsupported)}\n{user}\n}}"


def cost_in_points(connections: int) -> int:
    """Return the cost of a query with this many connections."""
    return max(1, round(connections / 100))


def join_supported_fields(names: Iterable[str], unsupported: Collection[str]) -> str:
    """Join selected fields, without those that this server does not support."""
    return " ".join(name for name in names if name.partition("(")[0].partition(" ")[0] not in unsupported)


def _account_alias(i: int, selection: str) -> str:
    return (
        f"a{i}: repositoryOwner(login: $l{i}) {{ {selection} repositories(first: {PAGE_SIZE}, after: $c{i}, "
        "ownerAffiliations: [OWNER], privacy: PUBLIC, orderBy: {field: CREATED_AT, direction: ASC}) { ...Listed } }"
    )


def _account_fragment(unsupported: Collection[str]) -> str:
    identity, user, organization = (
        join_supported_fields(fields, unsupported) for fields in (IDENTITY_FIELDS, USER_FIELDS, ORGANIZATION_FIELDS)
    )
    return (
        f"fragment Account on RepositoryOwner {{\n{identity}\n"
        f"... on User {{ {user} }}\n... on Organization {{ {organization} }}\n}}\n"
    )


def _rare_counts_fragment(unsupported: Collection[str]) -> str:
    fields = join_supported_fields(("__typename", *RARE_USER_FIELDS), unsupported)
    return f"fragment RareCounts on RepositoryOwner {{ ... on User {{ {fields} }} }}\n"


def _rate_limit_and_viewer(unsupported: Collection[str]) -> str:
    return join_supported_fields(("rateLimit { cost limit remaining resetAt }", "viewer { login }"), unsupported)
