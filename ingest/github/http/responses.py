"""Pure: what a response means. Was it told to wait, until when, what is left, where does the list go on."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from ingest.github.http.errors import (
    Blocked,
    GitHubError,
    PermissionDenied,
    RepositoryGone,
    ServerFailed,
    UnexpectedStatus,
    UnreadableAnswer,
)

OK, NOT_MODIFIED, UNAUTHORIZED, FORBIDDEN, TOO_MANY, BLOCKED = 200, 304, 401, 403, 429, 451
REDIRECTS = frozenset({301, 302, 307, 308})
MISSING = frozenset({404, 410})
SECONDARY = re.compile(r"secondary rate limit|abuse detection|abuse-rate-limits|secondary-rate-limits", re.IGNORECASE)
ANY_LIMIT = re.compile(r"rate limit|rate-limit|too many requests", re.IGNORECASE)
LINK = re.compile(r'<([^>]*)>((?:\s*;\s*[\w*-]+\s*=\s*(?:"[^"]*"|[^\s",;]+))*)')
REL = re.compile(r'rel\s*=\s*(?:"([^"]*)"|([^\s",;]+))', re.IGNORECASE)
LIMIT_TYPES = frozenset({"RATE_LIMITED", "RATE_LIMIT", "GRAPHQL_RATE_LIMIT", "SECONDARY_RATE_LIMIT", "ABUSE"})
LIMIT_PARTS = ("limit", "remaining", "reset")
LONGEST_MESSAGE = 200
# Whatever a header says: after a day it is worth asking again.
LONGEST_WAIT_SECONDS = 86400.0


@dataclass(frozen=True)
class Answer:
    """One response. Header names are lower case; `received_at` is by our clock."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime
    seconds: float = 0.0

    @property
    def date(self) -> datetime:
        """When GitHub answered, by its own clock where it says so."""
        return _http_date(self.headers.get("date")) or self.received_at

    @property
    def request_id(self) -> str | None:
        return self.headers.get("x-github-request-id")


@dataclass(frozen=True)
class Limits:
    """The state of one bucket. `resets_in` counts seconds from the response's own Date."""

    resource: str | None
    limit: int
    remaining: int
    resets_in: float


@dataclass(frozen=True)
class Wait:
    """We are told to wait.

    host      everything, `seconds` long: GitHub said how long
    bucket    this owner and resource, until it resets
    unstated  everything; GitHub did not say how long, so at least a minute, then longer each time
    """

    scope: Literal["host", "bucket", "unstated"]
    seconds: float


def limits_of(answer: Answer) -> Limits | None:
    """Read the `x-ratelimit-*` headers; None where they are missing or make no sense."""
    try:
        limit, remaining, reset = (int(answer.headers[f"x-ratelimit-{part}"]) for part in LIMIT_PARTS)
    except (KeyError, ValueError):
        return None
    # A second more: Date and reset are cut to whole seconds.
    resets_in = min(max(0.0, reset - answer.date.timestamp()), LONGEST_WAIT_SECONDS) + 1
    return Limits(answer.headers.get("x-ratelimit-resource"), limit, max(0, remaining), resets_in)


def told_to_wait(answer: Answer) -> Wait | None:
    """Tell whether GitHub said to wait, in the order it documents.

    Source: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
    """
    refused = answer.status in (FORBIDDEN, TOO_MANY)
    retry_after = _retry_after(answer)
    if retry_after is not None and (refused or answer.status >= 500):
        return Wait("host", max(1.0, retry_after))
    if answer.status != OK and not refused:
        return None
    messages = _limit_messages(answer)
    if answer.status == OK and not messages:
        return None
    if retry_after is not None:  # a limit of GraphQL, with status 200
        return Wait("host", max(1.0, retry_after))
    limits = limits_of(answer)
    if limits and limits.remaining == 0:
        return Wait("bucket", limits.resets_in)
    return Wait("unstated", 0.0) if messages or answer.status == TOO_MANY else None


def refusal(answer: Answer, what: str) -> GitHubError | None:
    """Tell which error this answer is, None for one that can be used. Limits and 401 are told apart before."""
    status = answer.status
    if status < 400:
        return None
    body = _object(answer.body)
    block = body.get("block") or {}
    message = short(str(body.get("message") or ""))
    if status == BLOCKED or (status == FORBIDDEN and (block or "access blocked" in message.lower())):
        return Blocked(what, str(block.get("reason") or "legal"), block.get("html_url"), status)
    if status in MISSING:
        return RepositoryGone(what)
    if status == FORBIDDEN:
        return PermissionDenied(what, message)
    if status >= 500:
        return ServerFailed(status)
    return UnexpectedStatus(status, what, message)


def read_json(answer: Answer, what: str) -> Any:
    """Parse the body. Raises UnreadableAnswer for one that is cut or is HTML."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        kind = answer.headers.get("content-type", "")
        is_html = "html" in kind or answer.body.lstrip()[:1] == b"<"
        why = "it is HTML" if is_html else "it is empty" if not answer.body else "it is cut or no JSON"
        raise UnreadableAnswer(what, why) from error


def links_of(headers: Mapping[str, str]) -> dict[str, str]:
    """Read the Link header: address by relation (`next`, `last`…)."""
    found: dict[str, str] = {}
    for address, parameters in LINK.findall(headers.get("link", "")):
        rel = REL.search(parameters)
        for name in ((rel[1] or rel[2]) if rel else "").split():
            found.setdefault(name.lower(), address)
    return found


def page_number(address: str) -> int | None:
    """The `page` of an address, None for one that pages by cursor."""
    value = parse_qs(urlsplit(address).query).get("page", [""])[0]
    return int(value) if value.isdecimal() and value.isascii() else None


def with_page(address: str, page: int) -> str:
    parts = urlsplit(address)
    query = [(name, item) for name, items in parse_qs(parts.query).items() for item in items if name != "page"]
    return urlunsplit(parts._replace(query=urlencode([*query, ("page", str(page))])))


def short(message: str) -> str:
    """Shorten a message of GitHub's to what fits a sentence."""
    text = " ".join(message.split())
    return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + "…"


def _limit_messages(answer: Answer) -> bool:
    """Tell whether the body speaks of a limit: a REST refusal, or GraphQL errors with status 200."""
    body = _object(answer.body) if answer.status != OK or b'"errors"' in answer.body else {}
    if answer.status != OK:
        text = f"{body.get('message', '')} {body.get('documentation_url', '')}"
        return bool(SECONDARY.search(text) or ANY_LIMIT.search(str(body.get("message", ""))))
    errors = body.get("errors")
    return any(is_limit(error) for error in errors) if isinstance(errors, list) else False


def is_limit(error: object) -> bool:
    """Tell a limit among GraphQL's errors: by type (two spellings are about), else by its message."""
    if not isinstance(error, dict):
        return False
    kind = str(error.get("type") or (error.get("extensions") or {}).get("code") or "").upper()
    if kind in LIMIT_TYPES or kind == "NOT_FOUND":
        return kind in LIMIT_TYPES
    return bool(SECONDARY.search(message := str(error.get("message", ""))) or "rate limit" in message.lower())


def _object(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _retry_after(answer: Answer) -> float | None:
    """Seconds, or a date counted from the response's own Date; None where it is missing or garbled."""
    value = answer.headers.get("retry-after", "").strip()
    if value.isdecimal() and value.isascii():
        return min(float(value), LONGEST_WAIT_SECONDS)
    until = _http_date(value)
    seconds = 0.0 if until is None else (until - answer.date).total_seconds()
    return None if until is None else min(max(0.0, seconds), LONGEST_WAIT_SECONDS) + 1


def _http_date(value: str | None) -> datetime | None:
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
