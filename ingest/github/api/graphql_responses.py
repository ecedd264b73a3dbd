"""Pure: what a GraphQL answer holds. Data and errors come together, and each part has its own fate."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ingest.github.api.graphql_queries import OPTIONAL
from ingest.github.api.models import MISSHAPEN, MOMENT, Account, Extras, Repository, clean
from ingest.github.http.errors import GitHubError, PermissionDenied, ServerFailed, UnreadableAnswer
from ingest.github.http.responses import Limits, short

TOO_MUCH = frozenset({"RESOURCE_LIMITS_EXCEEDED", "MAX_NODE_LIMIT_EXCEEDED", "TIMEOUT", "GATEWAY_TIMEOUT"})
TOO_MUCH_TEXT = re.compile(r"resource limits|something went wrong while executing|timed? ?out|timeout", re.IGNORECASE)
DENIED = frozenset({"FORBIDDEN", "INSUFFICIENT_SCOPES", "SAML_FAILURE", "UNAUTHORIZED"})
UNKNOWN_FIELD = re.compile(r"""field ['"`]?(\w+)['"`]? (?:doesn't exist )?on type""", re.IGNORECASE)
UNKNOWN_ARGUMENT = re.compile(
    r"""(?:unknown argument ['"`]?\w+['"`]? on field ['"`]?(?:\w+\.)?|field ['"`]?(?=\w+['"`]? doesn't accept))(\w+)""",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Fault:
    """One entry of `errors`."""

    kind: str
    message: str
    path: tuple[str | int, ...]

    @property
    def asks_too_much(self) -> bool:
        return self.kind in TOO_MUCH or bool(TOO_MUCH_TEXT.search(self.message))

    @property
    def optional_field(self) -> str | None:
        """The field this server does not have, or refuses, if we can do without it."""
        found = UNKNOWN_FIELD.search(self.message) or UNKNOWN_ARGUMENT.search(self.message)
        name = found[1] if found else self.path[0] if self.path else None
        return name if isinstance(name, str) and name in OPTIONAL else None

    def as_error(self, what: str) -> GitHubError:
        if self.kind in DENIED:
            return PermissionDenied(what, self.message)
        return ServerFailed(None, self.message or self.kind)


@dataclass(frozen=True)
class Told:
    """A whole GraphQL answer."""

    data: Mapping[str, Any]
    faults: tuple[Fault, ...]
    captured_at: datetime

    def faults_of(self, alias: str) -> tuple[Fault, ...]:
        return tuple(fault for fault in self.faults if fault.path and fault.path[0] == alias)

    @property
    def asks_too_much(self) -> bool:
        return any(fault.asks_too_much for fault in self.faults)

    def as_error(self, what: str) -> GitHubError:
        """The error of an answer that cannot be used as a whole."""
        fault = next((fault for fault in self.faults if not fault.optional_field), None)
        error = fault.as_error(what) if fault else ServerFailed(None, f"{what} are missing in the answer")
        error.asked_too_much = self.asks_too_much
        return error

    @property
    def points(self) -> int | None:
        cost = _object(self.data.get("rateLimit")).get("cost")
        return cost if isinstance(cost, int) else None

    @property
    def viewer(self) -> str | None:
        login = _object(self.data.get("viewer")).get("login")
        return login if isinstance(login, str) and login else None

    def limits(self) -> Limits | None:
        """The state of the budget as the body tells it."""
        told = _object(self.data.get("rateLimit"))
        try:
            resets_at = MOMENT.validate_python(told["resetAt"])
            resets_in = max(0.0, (resets_at - self.captured_at).total_seconds()) + 1
            return Limits("graphql", int(told["limit"]), int(told["remaining"]), resets_in)
        except MISSHAPEN:
            return None


@dataclass(frozen=True)
class Listed:
    """A page of an account's repositories; the account itself comes with the first one."""

    account: Account | None
    repositories: tuple[Repository, ...]
    total: int
    cursor: str | None
    is_whole: bool


@dataclass(frozen=True)
class Absent:
    """GitHub knows no account of this login."""


@dataclass(frozen=True)
class Withheld:
    """GitHub told only a part, or nothing, and why; asked again in a smaller batch it may tell more."""

    error: GitHubError
    listed: Listed | None = None
    asks_too_much: bool = False


@dataclass(frozen=True)
class Calendar:
    """A user's contributions by day."""

    days: Mapping[date, int]
    captured_at: datetime


@dataclass(frozen=True)
class Bytes:
    """The languages of one repository, as far as this page goes."""

    sizes: dict[str, int]
    cursor: str | None


@dataclass(frozen=True)
class Lost:
    """GitHub failed to tell of one repository."""

    error: GitHubError


Part = Listed | Absent | Withheld
Node = dict[str, Any] | Lost | None


def read_faults(body: Mapping[str, Any]) -> tuple[Fault, ...]:
    errors = body.get("errors")
    return tuple(_fault(error) for error in errors if isinstance(error, dict)) if isinstance(errors, list) else ()


def read_page(told: Told, alias: str, login: str, *, first: bool) -> Part:
    """Read one account's part of a pulse."""
    what = f"account {login}"
    node, faults = told.data.get(alias), told.faults_of(alias)
    if not isinstance(node, dict):
        return _nothing(told, alias, what)
    try:
        listed = _listed(node, first=first)
    except MISSHAPEN:
        if faults:
            return _withheld(faults, what)
        return Withheld(UnreadableAnswer(what, "it has another shape than GitHub's"))
    if faults or not listed.is_whole:
        return _withheld(faults or told.faults, what, listed)
    return listed


def read_nodes(told: Told, alias: str, count: int, what: str) -> list[Node]:
    """Read what `nodes(ids:)` answered, in the order of the ids. Raises where all of it is missing."""
    answered = told.data.get(alias)
    if not isinstance(answered, list) or len(answered) != count:
        raise told.as_error(what)
    by_place: dict[object, Fault] = {}
    for fault in told.faults_of(alias):
        by_place.setdefault(fault.path[1] if len(fault.path) > 1 else None, fault)
    for fault in told.faults:
        if not fault.path or fault.asks_too_much:
            by_place.setdefault(None, fault)
    return [_node(node, by_place.get(place), by_place.get(None), what) for place, node in enumerate(answered)]


def read_node(told: Told, alias: str, what: str) -> Node:
    faults = told.faults_of(alias)
    return _node(told.data.get(alias), faults[0] if faults else None, None, what)


def read_languages(node: Mapping[str, Any]) -> Bytes | Lost:
    """Read bytes by language, and where the list goes on."""
    try:
        connection = node["languages"]
        sizes = {str(clean(edge["node"]["name"])): int(edge["size"]) for edge in connection["edges"]}
        return Bytes(sizes, _cursor(connection))
    except MISSHAPEN:
        return Lost(UnreadableAnswer("languages", "they have another shape than GitHub's"))


def read_calendar(node: Mapping[str, Any], captured_at: datetime) -> Calendar | Lost:
    try:
        days = {
            date.fromisoformat(day["date"]): int(day["contributionCount"])
            for name, span in node.items()
            if name.startswith("y")
            for week in span["contributionCalendar"]["weeks"]
            for day in week["contributionDays"]
        }
    except MISSHAPEN:
        return Lost(UnreadableAnswer("contributions", "they have another shape than GitHub's"))
    return Calendar(days, captured_at)


def read_extras(node: dict[str, Any]) -> Extras | Lost:
    try:
        return Extras.from_graphql(node)
    except MISSHAPEN:
        return Lost(UnreadableAnswer("extras", "they have another shape than GitHub's"))


def read_repository(node: dict[str, Any]) -> Repository | Lost:
    try:
        return Repository.from_graphql(node)
    except MISSHAPEN:
        return Lost(UnreadableAnswer("a repository", "it has another shape than GitHub's"))


def _node(node: object, own: Fault | None, shared: Fault | None, what: str) -> Node:
    if own and own.kind != "NOT_FOUND":
        return Lost(own.as_error(what))
    if isinstance(node, dict) and node:
        return node
    return Lost(shared.as_error(what)) if shared and own is None else None


def _nothing(told: Told, alias: str, what: str) -> Part:
    """Null without a word of its own means absent, unless the answer says that it is not whole."""
    faults = told.faults_of(alias)
    if faults:
        absent = all(fault.kind == "NOT_FOUND" for fault in faults)
        return Absent() if absent else _withheld(faults, what)
    lost = [fault for fault in told.faults if not fault.path or fault.asks_too_much]
    return _withheld(lost, what) if lost or alias not in told.data else Absent()


def _withheld(faults: Sequence[Fault], what: str, listed: Listed | None = None) -> Withheld:
    error = faults[0].as_error(what) if faults else UnreadableAnswer(what, "a part of it is missing")
    return Withheld(error, listed, any(fault.asks_too_much for fault in faults))


def _listed(node: dict[str, Any], *, first: bool) -> Listed:
    connection = node["repositories"]
    nodes = connection["nodes"]
    repositories = tuple(Repository.from_graphql(item) for item in nodes if item)
    return Listed(
        account=Account.from_graphql(node) if first else None,
        repositories=repositories,
        total=int(connection["totalCount"]),
        cursor=_cursor(connection),
        is_whole=len(repositories) == len(nodes),
    )


def _cursor(connection: Mapping[str, Any]) -> str | None:
    info = connection.get("pageInfo") or {}
    return info.get("endCursor") if info.get("hasNextPage") else None


def _fault(error: dict[str, Any]) -> Fault:
    message = short(str(error.get("message", "")))
    kind = str(error.get("type") or _object(error.get("extensions")).get("code") or "").upper()
    if not kind and message.startswith("Could not resolve to"):
        kind = "NOT_FOUND"
    path = error.get("path")
    return Fault(kind, message, tuple(path) if isinstance(path, list) else ())


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
