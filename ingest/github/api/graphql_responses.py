"""Pure: what a GraphQL answer holds. Data and errors come together, and each part has its own fate."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ingest.github.api.graphql_queries import OPTIONAL_FIELDS
from ingest.github.api.models import PARSE_ERRORS, TIMESTAMP_ADAPTER, Account, Extras, Repository, clean_text
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
    """One entry of `errors`."""

    kind: str
    message: str
    path: tuple[str | int, ...]

    @property
    def is_request_too_large(self) -> bool:
        return self.kind in TOO_LARGE_ERROR_TYPES or bool(TOO_LARGE_PATTERN.search(self.message))

    @property
    def optional_field(self) -> str | None:
        """The field this server does not have, or refuses, if we can do without it."""
        found = UNKNOWN_FIELD_PATTERN.search(self.message) or UNKNOWN_ARGUMENT_PATTERN.search(self.message)
        name = found[1] if found else self.path[0] if self.path else None
        return name if isinstance(name, str) and name in OPTIONAL_FIELDS else None

    def to_exception(self, what: str) -> GitHubError:
        if self.kind in PERMISSION_ERROR_TYPES:
            return PermissionDenied(what, self.message)
        return ServerError(None, self.message or self.kind)


@dataclass(frozen=True)
class GraphQLResponse:
    """A whole GraphQL answer."""

    data: Mapping[str, Any]
    faults: tuple[ErrorEntry, ...]
    captured_at: datetime

    def errors_at(self, alias: str) -> tuple[ErrorEntry, ...]:
        return tuple(fault for fault in self.faults if fault.path and fault.path[0] == alias)

    @property
    def is_request_too_large(self) -> bool:
        return any(fault.is_request_too_large for fault in self.faults)

    def to_exception(self, what: str) -> GitHubError:
        """The error of an answer that cannot be used as a whole."""
        fault = next((fault for fault in self.faults if not fault.optional_field), None)
        error = fault.to_exception(what) if fault else ServerError(None, f"{what} are missing in the answer")
        error.is_request_too_large = self.is_request_too_large
        return error

    @property
    def points(self) -> int | None:
        cost = _mapping_or_empty(self.data.get("rateLimit")).get("cost")
        return cost if isinstance(cost, int) else None

    @property
    def viewer(self) -> str | None:
        login = _mapping_or_empty(self.data.get("viewer")).get("login")
        return login if isinstance(login, str) and login else None

    def limits(self) -> RateLimitStatus | None:
        """The state of the budget as the body tells it."""
        told = _mapping_or_empty(self.data.get("rateLimit"))
        try:
            resets_at = TIMESTAMP_ADAPTER.validate_python(told["resetAt"])
            resets_in = max(0.0, (resets_at - self.captured_at).total_seconds()) + 1
            return RateLimitStatus("graphql", int(told["limit"]), int(told["remaining"]), resets_in)
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
    """GitHub knows no account of this login."""


@dataclass(frozen=True)
class PartialPage:
    """GitHub told only a part, or nothing, and why; asked again in a smaller batch it may tell more."""

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
    """The languages of one repository, as far as this page goes."""

    bytes_by_language: dict[str, int]
    cursor: str | None


@dataclass(frozen=True)
class FailedNode:
    """GitHub failed to tell of one repository."""

    error: GitHubError


PageResult = AccountPage | AbsentAccount | PartialPage
NodeResult = dict[str, Any] | FailedNode | None


def read_errors(body: Mapping[str, Any]) -> tuple[ErrorEntry, ...]:
    errors = body.get("errors")
    return tuple(_parse_error(error) for error in errors if isinstance(error, dict)) if isinstance(errors, list) else ()


def read_account_page(told: GraphQLResponse, alias: str, login: str, *, first: bool) -> PageResult:
    """Read one account's part of a pulse."""
    what = f"account {login}"
    node, faults = told.data.get(alias), told.errors_at(alias)
    if not isinstance(node, dict):
        return _result_of_null(told, alias, what)
    try:
        listed = _parse_account_page(node, told.captured_at, first=first)
    except PARSE_ERRORS:
        if faults:
            return _partial_page(faults, what)
        return PartialPage(InvalidResponse(what, "it has another shape than GitHub's"))
    if faults or not listed.is_complete:
        return _partial_page(faults or told.faults, what, listed)
    return listed


def read_nodes(told: GraphQLResponse, alias: str, count: int, what: str) -> list[NodeResult]:
    """Read what `nodes(ids:)` answered, in the order of the ids. Raises where all of it is missing."""
    answered = told.data.get(alias)
    if not isinstance(answered, list) or len(answered) != count:
        raise told.to_exception(what)
    by_place: dict[object, ErrorEntry] = {}
    for fault in told.errors_at(alias):
        by_place.setdefault(fault.path[1] if len(fault.path) > 1 else None, fault)
    for fault in told.faults:
        if not fault.path or fault.is_request_too_large:
            by_place.setdefault(None, fault)
    return [_node_result(node, by_place.get(place), by_place.get(None), what) for place, node in enumerate(answered)]


def read_node(told: GraphQLResponse, alias: str, what: str) -> NodeResult:
    faults = told.errors_at(alias)
    return _node_result(told.data.get(alias), faults[0] if faults else None, None, what)


def read_languages(node: Mapping[str, Any]) -> LanguagePage | FailedNode:
    """Read bytes by language, and where the list goes on."""
    try:
        connection = node["languages"]
        sizes = {str(clean_text(edge["node"]["name"])): int(edge["size"]) for edge in connection["edges"]}
        return LanguagePage(sizes, _next_cursor(connection))
    except PARSE_ERRORS:
        return FailedNode(InvalidResponse("languages", "they have another shape than GitHub's"))


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
        return FailedNode(InvalidResponse("contributions", "they have another shape than GitHub's"))
    return ContributionCalendar(days, captured_at)


def read_extras(node: dict[str, Any]) -> Extras | FailedNode:
    try:
        return Extras.from_graphql(node)
    except PARSE_ERRORS:
        return FailedNode(InvalidResponse("extras", "they have another shape than GitHub's"))


def read_repository(node: dict[str, Any]) -> Repository | FailedNode:
    try:
        return Repository.from_graphql(node)
    except PARSE_ERRORS:
        return FailedNode(InvalidResponse("a repository", "it has another shape than GitHub's"))


def _node_result(node: object, own: ErrorEntry | None, shared: ErrorEntry | None, what: str) -> NodeResult:
    if own and own.kind != "NOT_FOUND":
        return FailedNode(own.to_exception(what))
    if isinstance(node, dict) and node:
        return node
    return FailedNode(shared.to_exception(what)) if shared and own is None else None


def _result_of_null(told: GraphQLResponse, alias: str, what: str) -> PageResult:
    """Null without a word of its own means absent, unless the answer says that it is not whole."""
    faults = told.errors_at(alias)
    if faults:
        absent = all(fault.kind == "NOT_FOUND" for fault in faults)
        return AbsentAccount() if absent else _partial_page(faults, what)
    lost = [fault for fault in told.faults if not fault.path or fault.is_request_too_large]
    return _partial_page(lost, what) if lost or alias not in told.data else AbsentAccount()


def _partial_page(faults: Sequence[ErrorEntry], what: str, listed: AccountPage | None = None) -> PartialPage:
    error = faults[0].to_exception(what) if faults else InvalidResponse(what, "a part of it is missing")
    return PartialPage(error, listed, any(fault.is_request_too_large for fault in faults))


def _parse_account_page(node: dict[str, Any], captured_at: datetime, *, first: bool) -> AccountPage:
    connection = node["repositories"]
    nodes = connection["nodes"]
    repositories = tuple(Repository.from_graphql(item) for item in nodes if item)
    return AccountPage(
        account=Account.from_graphql(node) if first else None,
        repositories=repositories,
        total=int(connection["totalCount"]),
        cursor=_next_cursor(connection),
        captured_at=captured_at,
        is_complete=len(repositories) == len(nodes),
    )


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
