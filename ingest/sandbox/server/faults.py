"""Faults on request: failures of GitHub that a client must handle."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from threading import RLock
from typing import Any

from ingest.sandbox.server.limits import graphql_limit_response, primary_limit_response, secondary_limit_response
from ingest.sandbox.server.messages import ApiRequest, ApiResponse, blocked_response, error_response
from ingest.sandbox.server.pauses import Pause

ERROR_PAGE_HTML = "<html><body><h1>{status} {title}</h1>No server is available to handle this request.</body></html>"
STATUS_TITLES = {
    200: "OK",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
QUERY_TIMED_OUT = (
    "Something went wrong while executing your query. This may be the result of a timeout, or it could be a GitHub bug."
)


@dataclass(slots=True)
class FaultRule:
    """One fault: which requests it applies to, how often, and how it changes the response.

    path   a part of the URL; empty means all           after  how many requests pass first
    times  how many it applies to, None for ever        share  which share of those it applies to
    """

    make_response: Callable[[ApiRequest, ApiResponse | None], ApiResponse]
    path: str = ""
    times: int | None = 1
    after: int = 0
    share: float = 1.0
    more_than_nodes: int | None = None
    before_handling: bool = True

    def matches(self, request: ApiRequest, response: ApiResponse | None, chance: Random) -> bool:
        if self.times == 0 or self.path not in request.path:
            return False
        if self.more_than_nodes is not None and (response is None or response.nodes <= self.more_than_nodes):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.share < 1.0 and chance.random() >= self.share:
            return False
        self.times = None if self.times is None else self.times - 1
        return True


@dataclass(slots=True)
class Faults:
    """Faults in force. Each method adds one; `clear` ends all. Every fault takes path, times, after and share."""

    rng: Random = field(default_factory=lambda: Random(7))  # noqa: S311
    monotonic: Callable[[], float] = time.monotonic
    rules: list[FaultRule] = field(default_factory=list)
    pauses: list[Pause] = field(default_factory=list)
    refused: dict[str, int | str] = field(default_factory=dict)
    revoked_tokens: set[str] = field(default_factory=set)
    denied_tokens: set[tuple[str, str]] = field(default_factory=set)
    expirations: dict[str, str] = field(default_factory=dict)
    hidden_languages: set[tuple[str, str]] = field(default_factory=set)
    page_shifts: dict[str, int] = field(default_factory=dict)
    delays: list[tuple[FaultRule, float]] = field(default_factory=list)
    lock: Any = field(default_factory=RLock)

    def errors(self, share: float = 1.0, statuses: tuple[int, ...] = (500, 502, 503), **when: Any) -> None:
        """Answer a share of all requests with one of these statuses, for ever unless `times` is given."""
        when.setdefault("times", None)

        def make(request: ApiRequest, _answer: ApiResponse | None) -> ApiResponse:
            return server_error(request, self.rng.choice(statuses))

        self.rules.append(FaultRule(make, share=share, **when))

    def html(self, status: int = 502, **when: Any) -> None:
        """Answer with HTML instead of JSON; GitHub does it with status 200 too."""
        self.rules.append(FaultRule(lambda _question, _answer: html_page(status), **when))

    def cut(self, keep: float = 0.5, **when: Any) -> None:
        """Cut the JSON off after a part of it."""

        def make(_question: ApiRequest, response: ApiResponse | None) -> ApiResponse:
            assert response is not None
            response.body = response.body[: int(len(response.body) * keep)]
            return response

        self.rules.append(FaultRule(make, before_handling=False, **when))

    def hang_up(self, **when: Any) -> None:
        """Close the connection before the body is complete."""

        def make(_question: ApiRequest, response: ApiResponse | None) -> ApiResponse:
            assert response is not None
            response.hang_up = True
            return response

        self.rules.append(FaultRule(make, before_handling=False, **when))

    def slow(self, seconds: float, **when: Any) -> None:
        """Send the right response late."""
        self.delays.append((FaultRule(lambda _question, _answer: ApiResponse(200), **when), seconds))

    def too_big(self, nodes: int, status: int = 502, **when: Any) -> None:
        """Time out on queries that may return more than *nodes* nodes; the points are charged."""
        when.setdefault("times", None)

        def make(request: ApiRequest, response: ApiResponse | None) -> ApiResponse:
            failed = server_error(request, status)
            failed.points = response.points if response else 1
            return failed

        self.rules.append(FaultRule(make, more_than_nodes=nodes, before_handling=False, **when))

    def secondary(self, status: int = 403, retry_after: int | None = 60, **when: Any) -> None:
        """Refuse with the secondary limit, with or without `retry-after`."""
        self.rules.append(FaultRule(lambda _question, _answer: secondary_limit_response(status, retry_after), **when))

    def primary(self, status: int = 403, **when: Any) -> None:
        """Refuse with the primary limit; use `limits.set_remaining(0)` to make the headers say so too."""
        self.rules.append(FaultRule(lambda request, _answer: primary_limit_response(request, status), **when))

    def forbidden(self, **when: Any) -> None:
        """Refuse for missing permission: a 403 that is no rate limit."""
        message = "Resource not accessible by personal access token"
        self.rules.append(FaultRule(lambda _question, _answer: error_response(403, message), **when))

    def graphql_limited(self, kind: str = "RATE_LIMITED", **when: Any) -> None:
        """Refuse queries with HTTP 200; `RATE_LIMIT` is the other spelling seen."""
        when.setdefault("path", "/graphql")
        self.rules.append(FaultRule(lambda _question, _answer: graphql_limit_response(kind), **when))

    def refuse(self, name: str, status: int | str = 404) -> None:
        """Refuse one account (`login`) or repository (`owner/name`) everywhere, until `allow`.

        status is 404, 403, 409, 410, 451, `tos` (403, blocked), or `partial`: GraphQL answers null for it
        with an error that names no reason, REST answers as ever.
        """
        self.refused[name.lower()] = status

    def allow(self, name: str) -> None:
        self.refused.pop(name.lower(), None)

    def refuse_token(self, token: str) -> None:
        """Answer 401 to *token* from now on, as if it were revoked."""
        self.revoked_tokens.add(token)

    def deny(self, token: str, login: str) -> None:
        """Refuse *token* (empty: anonymous requests) all data of an account, as the policy of an organization does."""
        self.denied_tokens.add((token, login.lower()))

    def is_denied(self, token: str | None, login: str) -> bool:
        return (token or "", login.lower()) in self.denied_tokens

    def expire(self, token: str, at: str) -> None:
        """Say in each response to *token* that it expires *at*: `2026-12-31 23:59:59 UTC` or with a numeric offset."""
        self.expirations[token] = at

    def hide_language(self, full_name: str, language: str) -> None:
        """Answer null with an error for one language of a repository, over GraphQL."""
        self.hidden_languages.add((full_name.lower(), language))

    def shift(self, login: str, by: int) -> None:
        """Shift pages after the first: −1 repeats an item of the page before, +1 loses one."""
        self.page_shifts[login.lower()] = by

    def pause(self, seconds: float, *, after: int = 0, status: int = 403, retry_after: bool = True) -> Pause:
        """Refuse all requests for *seconds*, *after* so many more, and count those that come all the same."""
        pause = Pause(seconds, after, status, retry_after)
        self.pauses.append(pause)
        return pause

    def clear(self) -> None:
        for collection in (
            *(self.rules, self.pauses, self.refused, self.revoked_tokens, self.denied_tokens, self.expirations),
            *(self.hidden_languages, self.page_shifts, self.delays),
        ):
            collection.clear()

    def before(self, request: ApiRequest) -> ApiResponse | None:
        """Return the fault that a request meets on arrival, or None."""
        with self.lock:
            for pause in self.pauses:
                refusal = pause.on_request(self.monotonic())
                if refusal:
                    return refusal
            return self._apply(request, None, early=True)

    def record_sent(self, response: ApiResponse) -> None:
        """Record that *response* is being sent."""
        for pause in self.pauses:
            pause.on_response_sent(response, self.monotonic())

    def after(self, request: ApiRequest, response: ApiResponse) -> ApiResponse:
        """Apply faults to a finished response."""
        with self.lock:
            return self._apply(request, response, early=False) or response

    def delay_seconds(self, request: ApiRequest) -> float:
        with self.lock:
            return sum(seconds for rule, seconds in self.delays if rule.matches(request, None, self.rng))

    def page_shift(self, login: str) -> int:
        return self.page_shifts.get(login.lower(), 0)

    def refusal_reason(self, name: str) -> int | str | None:
        return self.refused.get(name.lower())

    def refusal_response(self, name: str, token: str | None, docs: str) -> ApiResponse | None:
        """Return how REST refuses *name*, or None; a refused account refuses its repositories too."""
        login = name.split("/", maxsplit=1)[0]
        if self.is_denied(token, login):
            return error_response(403, policy_message(login), docs)
        reason = self.refusal_reason(name) or self.refusal_reason(login)
        return REFUSAL_RESPONSES[reason](docs) if reason in REFUSAL_RESPONSES else None

    def _apply(self, request: ApiRequest, response: ApiResponse | None, *, early: bool) -> ApiResponse | None:
        for rule in self.rules:
            if rule.before_handling is early and rule.matches(request, response, self.rng):
                return rule.make_response(request, response)
        return None


def policy_message(login: str) -> str:
    return f"`{login}` forbids access via this kind of personal access token."


REFUSAL_RESPONSES: dict[int | str | None, Callable[[str], ApiResponse]] = {
    404: lambda docs: error_response(404, "Not Found", docs),
    403: lambda docs: error_response(403, "Resource not accessible by personal access token", docs),
    409: lambda docs: error_response(409, "Git Repository is empty.", docs),
    410: lambda docs: error_response(410, "This resource is gone", docs),
    451: lambda _docs: blocked_response(
        451, "dmca", "2026-02-02T15:50:17Z", "https://github.com/github/dmca/blob/master/2026/02/2026-02-01-example.md"
    ),
    "tos": lambda _docs: blocked_response(403, "tos", "2026-02-02T15:50:17Z", "https://github.com/tos"),
}


def html_page(status: int) -> ApiResponse:
    page = ERROR_PAGE_HTML.format(status=status, title=STATUS_TITLES.get(status, "Error"))
    return ApiResponse(status, page.encode(), content_type="text/html; charset=utf-8")


def server_error(request: ApiRequest, status: int) -> ApiResponse:
    """Fail as the edge (503, a page), the gateway (502, 504) or GraphQL does."""
    if status == 503:
        return html_page(status)
    if request.path.endswith("/graphql"):
        return ApiResponse.of(status, {"data": None, "errors": [{"message": QUERY_TIMED_OUT}]})
    return ApiResponse.of(status, {"message": "Server Error"})
