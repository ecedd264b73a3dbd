"""Pure: what a response means. Was it told to wait, until when, what is left, where does the list go on."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from ingest.github.errors import (
    Blocked,
    GitHubError,
    InvalidResponse,
    PermissionDenied,
    RepositoryNotFound,
    ServerError,
    UnexpectedStatus,
)

OK, NOT_MODIFIED, UNAUTHORIZED, FORBIDDEN, TOO_MANY_REQUESTS, UNAVAILABLE_FOR_LEGAL_REASONS = (
    200,
    304,
    401,
    403,
    429,
    451,
)
REDIRECT_STATUSES = frozenset({301, 302, 307, 308})
MISSING_STATUSES = frozenset({404, 410})
SECONDARY_LIMIT_PATTERN = re.compile(
    r"secondary rate limit|abuse detection|abuse-rate-limits|secondary-rate-limits", re.IGNORECASE
)
RATE_LIMIT_PATTERN = re.compile(r"rate limit|rate-limit|too many requests", re.IGNORECASE)
LINK_PATTERN = re.compile(r'<([^>]*)>((?:\s*;\s*[\w*-]+\s*=\s*(?:"[^"]*"|[^\s",;]+))*)')
REL_PATTERN = re.compile(r'rel\s*=\s*(?:"([^"]*)"|([^\s",;]+))', re.IGNORECASE)
RATE_LIMIT_ERROR_TYPES = frozenset(
    {"RATE_LIMITED", "RATE_LIMIT", "GRAPHQL_RATE_LIMIT", "SECONDARY_RATE_LIMIT", "ABUSE"}
)
RATE_LIMIT_HEADER_SUFFIXES = ("limit", "remaining", "reset")
MAX_MESSAGE_LENGTH = 200
# Whatever a header says: after a day it is worth asking again.
MAX_HEADER_WAIT_SECONDS = 86400.0


@dataclass(frozen=True)
class Response:
    """One response. Header names are lower case; `received_at` is by our clock."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime
    seconds: float = 0.0

    @property
    def date(self) -> datetime:
        """When GitHub answered, by its own clock where it says so."""
        return _parse_http_date(self.headers.get("date")) or self.received_at

    @property
    def request_id(self) -> str | None:
        return self.headers.get("x-github-request-id")


@dataclass(frozen=True)
class RateLimitStatus:
    """The state of one bucket. `resets_in` counts seconds from the response's own Date."""

    resource: str | None
    limit: int
    remaining: int
    resets_in_seconds: float


@dataclass(frozen=True)
class RequiredWait:
    """We are told to wait.

    host      everything, `seconds` long: GitHub said how long
    bucket    this owner and resource, until it resets
    unstated  everything; GitHub did not say how long, so at least a minute, then longer each time
    """

    scope: Literal["host", "bucket", "unstated"]
    seconds: float


def rate_limit_status(answer: Response) -> RateLimitStatus | None:
    """Read the `x-ratelimit-*` headers; None where they are missing or make no sense."""
    try:
        limit, remaining, reset = (int(answer.headers[f"x-ratelimit-{part}"]) for part in RATE_LIMIT_HEADER_SUFFIXES)
    except (KeyError, ValueError):
        return None
    # A second more: Date and reset are cut to whole seconds.
    resets_in = min(max(0.0, reset - answer.date.timestamp()), MAX_HEADER_WAIT_SECONDS) + 1
    return RateLimitStatus(answer.headers.get("x-ratelimit-resource"), limit, max(0, remaining), resets_in)


def required_wait(answer: Response) -> RequiredWait | None:
    """Tell whether GitHub said to wait, in the order it documents.

    Source: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
    """
    refused = answer.status in (FORBIDDEN, TOO_MANY_REQUESTS)
    retry_after = _retry_after_seconds(answer)
    if retry_after is not None and (refused or answer.status >= 500):
        return RequiredWait("host", max(1.0, retry_after))
    if answer.status != OK and not refused:
        return None
    messages = _mentions_rate_limit(answer)
    if answer.status == OK and not messages:
        return None
    if retry_after is not None:  # a limit of GraphQL, with status 200
        return RequiredWait("host", max(1.0, retry_after))
    limits = rate_limit_status(answer)
    if limits and limits.remaining == 0:
        return RequiredWait("bucket", limits.resets_in_seconds)
    return RequiredWait("unstated", 0.0) if messages or answer.status == TOO_MANY_REQUESTS else None


def response_error(answer: Response, what: str) -> GitHubError | None:
    """Tell which error this answer is, None for one that can be used. Limits and 401 are told apart before."""
    status = answer.status
    if status < 400:
        return None
    body = _json_object(answer.body)
    block = body.get("block") or {}
    message = shorten_message(str(body.get("message") or ""))
    if status == UNAVAILABLE_FOR_LEGAL_REASONS or (
        status == FORBIDDEN and (block or "access blocked" in message.lower())
    ):
        return Blocked(what, str(block.get("reason") or "legal"), block.get("html_url"), status)
    if status in MISSING_STATUSES:
        return RepositoryNotFound(what)
    if status == FORBIDDEN:
        return PermissionDenied(what, message)
    if status >= 500:
        return ServerError(status)
    return UnexpectedStatus(status, what, message)


def read_json(answer: Response, what: str) -> Any:
    """Parse the body. Raises UnreadableAnswer for one that is cut or is HTML."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        kind = answer.headers.get("content-type", "")
        is_html = "html" in kind or answer.body.lstrip()[:1] == b"<"
        why = "it is HTML" if is_html else "it is empty" if not answer.body else "it is cut or no JSON"
        raise InvalidResponse(what, why) from error


def parse_link_header(headers: Mapping[str, str]) -> dict[str, str]:
    """Read the Link header: address by relation (`next`, `last`…)."""
    found: dict[str, str] = {}
    for address, parameters in LINK_PATTERN.findall(headers.get("link", "")):
        rel = REL_PATTERN.search(parameters)
        for name in ((rel[1] or rel[2]) if rel else "").split():
            found.setdefault(name.lower(), address)
    return found


def page_number(address: str) -> int | None:
    """The `page` of an address, None for one that pages by cursor."""
    value = parse_qs(urlsplit(address).query).get("page", [""])[0]
    return int(value) if value.isdecimal() and value.isascii() else None


def with_page_number(address: str, page: int) -> str:
    parts = urlsplit(address)
    query = [(name, item) for name, items in parse_qs(parts.query).items() for item in items if name != "page"]
    return urlunsplit(parts._replace(query=urlencode([*query, ("page", str(page))])))


def shorten_message(message: str) -> str:
    """Shorten a message of GitHub's to what fits a sentence."""
    text = " ".join(message.split())
    return text if len(text) <= MAX_MESSAGE_LENGTH else text[:MAX_MESSAGE_LENGTH] + "…"


def _mentions_rate_limit(answer: Response) -> bool:
    """Tell whether the body speaks of a limit: a REST refusal, or GraphQL errors with status 200."""
    body = _json_object(answer.body) if answer.status != OK or b'"errors"' in answer.body else {}
    if answer.status != OK:
        text = f"{body.get('message', '')} {body.get('documentation_url', '')}"
        return bool(SECONDARY_LIMIT_PATTERN.search(text) or RATE_LIMIT_PATTERN.search(str(body.get("message", ""))))
    errors = body.get("errors")
    return any(is_rate_limit_error(error) for error in errors) if isinstance(errors, list) else False


def is_rate_limit_error(error: object) -> bool:
    """Tell a limit among GraphQL's errors: by type (two spellings are about), else by its message."""
    if not isinstance(error, dict):
        return False
    kind = str(error.get("type") or (error.get("extensions") or {}).get("code") or "").upper()
    if kind in RATE_LIMIT_ERROR_TYPES or kind == "NOT_FOUND":
        return kind in RATE_LIMIT_ERROR_TYPES
    return bool(
        SECONDARY_LIMIT_PATTERN.search(message := str(error.get("message", ""))) or "rate limit" in message.lower()
    )


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _retry_after_seconds(answer: Response) -> float | None:
    """Seconds, or a date counted from the response's own Date; None where it is missing or garbled."""
    value = answer.headers.get("retry-after", "").strip()
    if value.isdecimal() and value.isascii():
        return min(float(value), MAX_HEADER_WAIT_SECONDS)
    until = _parse_http_date(value)
    seconds = 0.0 if until is None else (until - answer.date).total_seconds()
    return None if until is None else min(max(0.0, seconds), MAX_HEADER_WAIT_SECONDS) + 1


def _parse_http_date(value: str | None) -> datetime | None:
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
