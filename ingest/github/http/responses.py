"""Reading GitHub's responses: rate limits, required waits, errors, Link headers. No I/O."""

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
# After several requests with wrong credentials of a user, valid tokens are rejected for a while, too. Source:
# https://docs.github.com/en/rest/authentication/authenticating-to-the-rest-api#failed-login-limit
RATE_LIMIT_PATTERN = re.compile(r"rate limit|rate-limit|too many requests|login attempts exceeded", re.IGNORECASE)
# Of lists that GitHub gives to nobody, such as the contributors of a very long history.
TOO_LARGE_PATTERN = re.compile(r"too large", re.IGNORECASE)
EXPIRATION_HEADER = "github-authentication-token-expiration"
# `2026-12-31 23:59:59 UTC`, with a numeric offset, or ISO 8601.
TIMESTAMP_PATTERN = re.compile(
    r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})(?:\.\d+)? ?(?:(?P<utc>UTC|GMT|Z)|(?P<offset>[+-]\d{2}:?\d{2}))?",
    re.IGNORECASE | re.ASCII,
)
LINK_PATTERN = re.compile(r'<([^>]*)>((?:\s*;\s*[\w*-]+\s*=\s*(?:"[^"]*"|[^\s",;]+))*)')
REL_PATTERN = re.compile(r'rel\s*=\s*(?:"([^"]*)"|([^\s",;]+))', re.IGNORECASE)
RATE_LIMIT_ERROR_TYPES = frozenset(
    {"RATE_LIMITED", "RATE_LIMIT", "GRAPHQL_RATE_LIMIT", "SECONDARY_RATE_LIMIT", "ABUSE"}
)
RATE_LIMIT_HEADER_SUFFIXES = ("limit", "remaining", "reset")
MAX_MESSAGE_LENGTH = 200
# A page that says why it was sent does so at its beginning.
MAX_PAGE_BYTES = 20_000
# However long a header demands to wait: after a day a new request is worth it.
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
        """GitHub's own time where it sends one, else ours."""
        return _parse_http_date(self.headers.get("date")) or self.received_at

    @property
    def request_id(self) -> str | None:
        return self.headers.get("x-github-request-id")


@dataclass(frozen=True)
class RateLimitStatus:
    """One rate limit as reported. `resets_in_seconds` counts from the response's own Date, so clocks may differ.

    Source: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
    """

    resource: str | None
    limit: int
    remaining: int
    resets_in_seconds: float


@dataclass(frozen=True)
class RequiredWait:
    """A wait that GitHub demands.

    host         all requests, for `seconds`, which GitHub stated
    bucket       requests of this owner and resource, until the bucket resets
    unspecified  all requests; GitHub did not state how long, so at least a minute, then longer each time
    """

    scope: Literal["host", "bucket", "unspecified"]
    seconds: float


def rate_limit_status(response: Response) -> RateLimitStatus | None:
    """Read the `x-ratelimit-*` headers; None where they are missing or malformed."""
    try:
        limit, remaining, reset = (int(response.headers[f"x-ratelimit-{part}"]) for part in RATE_LIMIT_HEADER_SUFFIXES)
        # One second more, because Date and reset are truncated to whole seconds.
        resets_in = min(max(0.0, reset - response.date.timestamp()), MAX_HEADER_WAIT_SECONDS) + 1
    except (KeyError, ValueError, OverflowError):
        return None
    return RateLimitStatus(response.headers.get("x-ratelimit-resource"), limit, max(0, remaining), resets_in)


def token_expires_at(response: Response) -> datetime | None:
    """Read when the token of the request expires; None where the header is missing or malformed.

    Source: https://github.blog/changelog/2021-07-26-expiration-options-for-personal-access-tokens/
    """
    found = TIMESTAMP_PATTERN.fullmatch(response.headers.get(EXPIRATION_HEADER, "").strip())
    if not found:
        return None
    try:
        given = datetime.fromisoformat(f"{found[1]}T{found[2]}{found['offset'] or '+00:00'}")
        return given.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def required_wait(response: Response) -> RequiredWait | None:
    """Tell whether and how long GitHub demands to wait, checking the headers in the order it documents.

    A 403 with none of the signs is a permission error. Limits of GraphQL come with status 200 and `errors`.
    Source: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
    """
    refused = response.status in (FORBIDDEN, TOO_MANY_REQUESTS)
    retry_after = _retry_after_seconds(response)
    if retry_after is not None and (refused or response.status >= 500):
        return RequiredWait("host", max(1.0, retry_after))
    if response.status != OK and not refused:
        return None
    messages = _mentions_rate_limit(response)
    if response.status == OK and not messages:
        return None
    if retry_after is not None:  # a rate limit of GraphQL, with status 200
        return RequiredWait("host", max(1.0, retry_after))
    limits = rate_limit_status(response)
    if limits and limits.remaining == 0:
        return RequiredWait("bucket", limits.resets_in_seconds)
    # Permission errors have no Retry-After: one that cannot be read is a limit all the same.
    is_limit = messages or response.status == TOO_MANY_REQUESTS or response.headers.get("retry-after", "").strip()
    return RequiredWait("unspecified", 0.0) if is_limit else None


def response_error(response: Response, what: str) -> GitHubError | None:
    """Return the error of a response, None for a usable one. Rate limits and 401 are handled before."""
    status = response.status
    if status < 400:
        return None
    body = _json_object(response.body)
    block = body.get("block")
    message = shorten_message(str(body.get("message") or ""))
    if status == UNAVAILABLE_FOR_LEGAL_REASONS or (
        status == FORBIDDEN and (block or "access blocked" in message.lower())
    ):
        details = block if isinstance(block, dict) else {}
        return Blocked(what, str(details.get("reason") or "legal"), details.get("html_url"), status)
    if status in MISSING_STATUSES:
        return RepositoryNotFound(what)
    if status == FORBIDDEN:
        # Without JSON a proxy or a firewall refused.
        may_depend_on_token = bool(body) and not TOO_LARGE_PATTERN.search(message)
        return PermissionDenied(what, message, may_depend_on_token=may_depend_on_token)
    if status >= 500:
        return ServerError(status)
    return UnexpectedStatus(status, what, message)


def read_json(response: Response, what: str) -> Any:
    """Parse the JSON body. Raises InvalidResponse for one that is truncated, empty or HTML."""
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError) as error:
        kind = response.headers.get("content-type", "")
        is_html = "html" in kind or response.body.lstrip()[:1] == b"<"
        reason = "it is HTML" if is_html else "it is empty" if not response.body else "it is truncated or not JSON"
        raise InvalidResponse(what, reason) from error


def parse_link_header(headers: Mapping[str, str]) -> dict[str, str]:
    """Read the Link header: URL by relation (`next`, `last` …).

    Source: https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api#using-link-headers
    """
    found: dict[str, str] = {}
    for url, parameters in LINK_PATTERN.findall(headers.get("link", "")):
        rel = REL_PATTERN.search(parameters)
        for name in ((rel[1] or rel[2]) if rel else "").split():
            found.setdefault(name.lower(), url)
    return found


def page_number(url: str) -> int | None:
    """Return the `page` parameter of a URL, None for cursor pagination."""
    value = parse_qs(urlsplit(url).query).get("page", [""])[0]
    return int(value) if value.isdecimal() and value.isascii() else None


def with_page_number(url: str, page: int) -> str:
    parts = urlsplit(url)
    query = [(name, item) for name, items in parse_qs(parts.query).items() for item in items if name != "page"]
    return urlunsplit(parts._replace(query=urlencode([*query, ("page", str(page))])))


def shorten_message(message: str) -> str:
    """Shorten GitHub's message to one line of at most 200 characters."""
    text = " ".join(message.split())
    return text if len(text) <= MAX_MESSAGE_LENGTH else text[:MAX_MESSAGE_LENGTH] + "…"


def _mentions_rate_limit(response: Response) -> bool:
    """Tell whether the body mentions a rate limit: in a REST refusal, or in GraphQL errors with status 200."""
    body = _json_object(response.body) if response.status != OK or b'"errors"' in response.body else {}
    if response.status != OK and not body:  # GitHub's web servers send a page
        return bool(RATE_LIMIT_PATTERN.search(response.body[:MAX_PAGE_BYTES].decode(errors="replace")))
    if response.status != OK:
        text = f"{body.get('message', '')} {body.get('documentation_url', '')}"
        return bool(SECONDARY_LIMIT_PATTERN.search(text) or RATE_LIMIT_PATTERN.search(str(body.get("message", ""))))
    errors = body.get("errors")
    return any(is_rate_limit_error(error) for error in errors) if isinstance(errors, list) else False


def is_rate_limit_error(error: object) -> bool:
    """Tell whether a GraphQL error is a rate limit: by its type (several spellings are in use), else by its message."""
    if not isinstance(error, dict):
        return False
    extensions = error.get("extensions")
    code = extensions.get("code") if isinstance(extensions, dict) else None
    kind = str(error.get("type") or code or "").upper()
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


def _retry_after_seconds(response: Response) -> float | None:
    """Read `retry-after`, seconds or a date compared with the response's own Date; None if missing or malformed."""
    value = response.headers.get("retry-after", "").strip()
    if value.isdecimal() and value.isascii():
        return min(float(value), MAX_HEADER_WAIT_SECONDS)
    until = _parse_http_date(value)
    seconds = 0.0 if until is None else (until - response.date).total_seconds()
    return None if until is None else min(max(0.0, seconds), MAX_HEADER_WAIT_SECONDS) + 1


def _parse_http_date(value: str | None) -> datetime | None:
    if not value:
        return None
    try:
        parsed = parsedate_to_datetime(value)
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
