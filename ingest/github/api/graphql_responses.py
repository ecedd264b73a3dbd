"""Reading GraphQL responses, which may have data and errors: each part succeeds or fails on its own. No I/O."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ingest.github.api.graphql_queries import OPTIONAL_FIELDS
from ingest.github.api.models import (
    PARSE_ERRORS,
    TIMESTAMP_ADAPTER,
    Account,
    Extras,
    Repository,
    clean_text,
    is_count,
)
from ingest.github.errors import GitHubError, InvalidResponse, PermissionDenied, ServerError
from ingest.github.http.responses import RateLimitStatus, shorten_message

TOO_LARGE_ERROR_TYPES = frozenset({"RESOURCE_LIMITS_EXCEEDED", "MAX_NODE_LIMIT_EXCEEDED", "TIMEOUT", "GATEWAY_TIMEOUT"})
TOO_LARGE_PATTERN = re.compile(
    r"resource limits|something went wrong while executing|timed? ?out|timeout", re.IGNORECASE
)
PERMISSION_ERROR_TYPES = frozenset({"FORBIDDEN", "INSUFFICIENT_SCOPES", "SAML_FAILURE", "UNAUTHORIZED"})
UNKNOWN_FIELD_PATTERN = re.compile(r"""field ['"`]?(\w+)['"`]? (?:doesn't exist )?on type""", re.IGNORECASE)
UNKNOWN_ARGUMENT_PATTERN = re.compile(
    r"""(?:unknown argument ['"`]?\w+['"`]? on field ['"`]?(?:\w+\.)?|field ['"`]?(?=\w+['"`]? doesn't accept))(\w+)""",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class ErrorEntry:
    """One entry of `errors`.

    Source: https://spec.graphql.org/October2021/#sec-Errors
    """

    kind: str
    message: str
    path: tuple[str | int, ...]

    @property
    def is_request_too_large(self) -> bool:
        return self.kind in TOO_LARGE_ERROR_TYPES or bool(TOO_LARGE_PATTERN.search(self.message))

    def severity(self) -> tuple[bool, int]:
        """Sort by what an error costs: a response that was too large first, then those of whole nodes."""
        return not self.is_request_too_large, len(self.path)

    @property
    def optional_field(self) -> str | None:
        """The optional field that this server lacks or refuses, if that is the error."""
        found = UNKNOWN_FIELD_PATTERN.search(self.message) or UNKNOWN_ARGUMENT_PATTERN.search(self.message)
        name = found[1] if found else self.path[0] if self.path else None
        return name if isinstance(name, str) and name in OPTIONAL_FIELDS else None

    def to_exception(self, what: str) -> GitHubError:
        if self.kind in PERMISSION_ERROR_TYPES:
            return PermissionDenied(what, self.message)
        return ServerError(None, self.message or self.kind)


@dataclass(frozen=True)
class GraphQLResponse:
    """A whole GraphQL response."""

    data: Mapping[str, Any]
    errors: tuple[ErrorEntry, ...]
    captured_at: datetime

    def errors_at(self, alias: str) -> tuple[ErrorEntry, ...]:
        return tuple(error for error in self.errors if error.path and error.path[0] == alias)

    @property
    def is_request_too_large(self) -> bool:
        return any(error.is_request_too_large for error in self.errors)

    def to_exception(self, what: str) -> GitHubError:
        """Return the exception for a response that is unusable as a whole."""
        entry = next((error for error in self.errors if not error.optional_field), None)
        exception = entry.to_exception(what) if entry else ServerError(None, f"{what} are missing in the response")
        exception.is_request_too_large = self.is_request_too_large
        return exception

    @property
    def points(self) -> int | None:
        cost = _mapping_or_empty(self.data.get("rateLimit")).get("cost")
        return cost if isinstance(cost, int) else None

    @property
    def viewer(self) -> str | None:
        login = _mapping_or_empty(self.data.get("viewer")).get("login")
        return login if isinstance(login, str) and login else None

    def rate_limit_status(self) -> RateLimitStatus | None:
        """Return the rate limit that the body reports."""
        reported = _mapping_or_empty(self.data.get("rateLimit"))
        try:
            resets_at = TIMESTAMP_ADAPTER.validate_python(reported["resetAt"])
            resets_in = max(0.0, (resets_at - self.captured_at).total_seconds()) + 1
            return RateLimitStatus("graphql", int(reported["limit"]), int(reported["remaining"]), resets_in)
        except PARSE_ERRORS:
            return None


@dataclass(frozen=True)
class AccountPage:
    """A page of an account's repositories; the account itself comes with the first one."""

    account: Account | None
    repositories: tuple[Repository, ...]
    total: int
    cursor: str | None
    captured_at: datetime
    is_complete: bool


@dataclass(frozen=True)
class AbsentAccount:
    """GitHub has no account with this login."""


@dataclass(frozen=True)
class PartialPage:
    """GitHub reported only a part, or nothing, with an error; a retry in a smaller batch may bring more."""

    error: GitHubError
    listed: AccountPage | None = None
    is_request_too_large: bool = False


@dataclass(frozen=True)
class ContributionCalendar:
    """A user's contributions by day."""

    days: Mapping[date, int]
    captured_at: datetime


@dataclass(frozen=True)
class LanguagePage:
    """One page of a repository's languages, and the cursor of the next; some may be missing where GitHub failed."""

    bytes_by_language: dict[str, int]
    cursor: str | None
    is_complete: bool = True


@dataclass(frozen=True)
class FailedNode:
    """GitHub failed to report one node."""

    error: GitHubError


PageResult = AccountPage | AbsentAccount | PartialPage
NodeResult = dict[str, Any] | FailedNode | None


def read_errors(body: Mapping[str, Any]) -> tuple[ErrorEntry, ...]:
    errors = body.get("errors")
    return tuple(_parse_error(error) for error in errors if isinstance(error, dict)) if isinstance(errors, list) else ()


def read_account_page(response: GraphQLResponse, alias: str, login: str, *, first: bool) -> PageResult:
    """Read one account's part of a pulse query."""
    what = f"account {login}"
    node, errors = response.data.get(alias), response.errors_at(alias)
    if not isinstance(node, dict):
        return _result_of_null(response, alias, what)
    try:
        listed = _parse_account_page(node, response.captured_at, first=first)
    except PARSE_ERRORS:
        if errors:
            return _partial_page(errors, what)
        return PartialPage(InvalidResponse(what, "unexpected JSON structure"))
    if errors or not listed.is_complete:
        return _partial_page(errors or response.errors, what, listed)
    return listed


def read_nodes(response: GraphQLResponse, alias: str, count: int, what: str) -> list[NodeResult]:
    """Read the nodes of `nodes(ids:)`, in the order of the ids. Raises GitHubError where all of them are missing."""
    nodes = response.data.get(alias)
    if not isinstance(nodes, list) or len(nodes) != count:
        raise response.to_exception(what)
    by_index: dict[object, ErrorEntry] = {}
    for error in sorted(response.errors_at(alias), key=ErrorEntry.severity):
        by_index.setdefault(error.path[1] if len(error.path) > 1 else None, error)
    for error in response.errors:
        if not error.path or error.is_request_too_large:
            by_index.setdefault(None, error)
    return [
        _node_result(node, by_index.get(index), by_index.get(None), what, depth=2) for index, node in enumerate(nodes)
    ]


def read_node(response: GraphQLResponse, alias: str, what: str) -> NodeResult:
    errors = sorted(response.errors_at(alias), key=ErrorEntry.severity)
    return _node_result(response.data.get(alias), errors[0] if errors else None, None, what, depth=1)


def read_languages(node: Mapping[str, Any]) -> LanguagePage | FailedNode:
    """Read bytes by language, and the cursor of the next page. An edge that is null or unreadable costs itself only."""
    try:
        connection = node["languages"]
        edges = [_language_edge(edge) for edge in connection["edges"]]
        sizes = dict(edge for edge in edges if edge is not None)
        return LanguagePage(sizes, _next_cursor(connection), is_complete=None not in edges)
    except PARSE_ERRORS:
        return FailedNode(InvalidResponse("languages", "unexpected JSON structure"))


def read_contribution_calendar(node: Mapping[str, Any], captured_at: datetime) -> ContributionCalendar | FailedNode:
    try:
        days = {
            date.fromisoformat(day["date"]): int(day["contributionCount"])
            for name, span in node.items()
            if name.startswith("y")
            for week in span["contributionCalendar"]["weeks"]
            for day in week["contributionDays"]
        }
    except PARSE_ERRORS:
        return FailedNode(InvalidResponse("contributions", "unexpected JSON structure"))
    return ContributionCalendar(days, captured_at)


def read_extras(node: dict[str, Any]) -> Extras | FailedNode:
    try:
        return Extras.from_graphql(node)
    except PARSE_ERRORS:
        return FailedNode(InvalidResponse("extras", "unexpected JSON structure"))


def read_repository(node: dict[str, Any]) -> Repository | FailedNode:
    try:
        return Repository.from_graphql(node)
    except PARSE_ERRORS:
        return FailedNode(InvalidResponse("a repository", "unexpected JSON structure"))


def _node_result(
    node: object, own: ErrorEntry | None, shared: ErrorEntry | None, what: str, *, depth: int
) -> NodeResult:
    """Read one node, whose path has *depth* parts. An error below it costs a part of it, unless a retry may help."""
    is_present = isinstance(node, dict) and bool(node)
    if own and own.kind != "NOT_FOUND" and not (is_present and _concerns_part(own, depth)):
        return FailedNode(own.to_exception(what))
    if isinstance(node, dict) and node:
        return node
    return FailedNode(shared.to_exception(what)) if shared and own is None else None


def _language_edge(edge: Any) -> tuple[str, int] | None:
    try:
        name, size = clean_text(edge["node"]["name"]), int(edge["size"])
    except PARSE_ERRORS:
        return None
    return (name, size) if isinstance(name, str) and name and is_count(size) else None


def _concerns_part(error: ErrorEntry, depth: int) -> bool:
    """Return whether *error* costs a part of the node: an item of a list in it, or a field that was not too much."""
    below = error.path[depth:]
    return any(isinstance(step, int) for step in below) or (bool(below) and not error.is_request_too_large)


def _result_of_null(response: GraphQLResponse, alias: str, what: str) -> PageResult:
    """Read a null part: the account is absent, unless an error concerns this part or the whole response."""
    errors = response.errors_at(alias)
    if errors:
        is_absent = all(error.kind == "NOT_FOUND" for error in errors)
        return AbsentAccount() if is_absent else _partial_page(errors, what)
    general = [error for error in response.errors if not error.path or error.is_request_too_large]
    return _partial_page(general, what) if general or alias not in response.data else AbsentAccount()


def _partial_page(errors: Sequence[ErrorEntry], what: str, listed: AccountPage | None = None) -> PartialPage:
    error = errors[0].to_exception(what) if errors else InvalidResponse(what, "a part of it is missing")
    return PartialPage(error, listed, any(error.is_request_too_large for error in errors))


def _parse_account_page(node: dict[str, Any], captured_at: datetime, *, first: bool) -> AccountPage:
    connection = node["repositories"]
    nodes = connection["nodes"]
    repositories = tuple(one for item in nodes if (one := _listed_repository(item)) is not None)
    return AccountPage(
        account=Account.from_graphql(node) if first else None,
        repositories=repositories,
        total=int(connection["totalCount"]),
        cursor=_next_cursor(connection),
        captured_at=captured_at,
        is_complete=len(repositories) == len(nodes),
    )


def _listed_repository(item: dict[str, Any] | None) -> Repository | None:
    try:
        return Repository.from_graphql(item) if item else None
    except PARSE_ERRORS:
        return None


def _next_cursor(connection: Mapping[str, Any]) -> str | None:
    info = connection.get("pageInfo") or {}
    return info.get("endCursor") if info.get("hasNextPage") else None


def _parse_error(error: dict[str, Any]) -> ErrorEntry:
    message = shorten_message(str(error.get("message", "")))
    kind = str(error.get("type") or _mapping_or_empty(error.get("extensions")).get("code") or "").upper()
    if not kind and message.startswith("Could not resolve to"):
        kind = "NOT_FOUND"
    path = error.get("path")
    return ErrorEntry(kind, message, tuple(path) if isinstance(path, list) else ())


def _mapping_or_empty(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
