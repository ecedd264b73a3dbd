"""HTTP transport: the only place that sends requests to GitHub. Every attempt passes the rate gate."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

import httpx
import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from core.circuit_breaker import CircuitBreaker
from ingest.github.errors import (
    TRANSIENT_ERRORS,
    BadCredentials,
    InvalidResponse,
    RateLimited,
    ServerError,
    UnexpectedStatus,
    Unreachable,
)
from ingest.github.http.app_auth import InstallationCredential
from ingest.github.http.credentials import Credential, CredentialPool
from ingest.github.http.rate_budget import REST, AdmissionRequest
from ingest.github.http.rate_gate import Clock, RateGate, StopSignal
from ingest.github.http.responses import (
    NOT_MODIFIED,
    OK,
    REDIRECT_STATUSES,
    UNAUTHORIZED,
    Response,
    rate_limit_status,
    read_json,
    required_wait,
    token_expires_at,
)
from ingest.github.http.urls import resolve_api_url
from ingest.github.types import Usage

log = structlog.get_logger()

API_VERSION = "2022-11-28"
USER_AGENT = "almanac/0.1"
ACCEPT = "application/vnd.github+json"
TIMEOUT = httpx.Timeout(20, connect=5, pool=60)
CONNECTION_LIMITS = httpx.Limits(max_connections=32, max_keepalive_connections=16)
MAX_BODY_BYTES = 32 * 2**20
MAX_RESPONSE_SECONDS = 60.0
MAX_ATTEMPTS = 5
MAX_REDIRECTS = 3
MAX_RATE_LIMITED_ATTEMPTS = 6
# This many failures in a row, in all threads together, mean that GitHub is unavailable.
FAILURE_THRESHOLD = 25
OPEN_SECONDS = 10.0
# GitHub terminates a request after ten seconds: one that fails this late was probably too large. Source:
# https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#timeouts
SLOW_FAILURE_SECONDS = 5.0
# Of requests that GitHub never saw.
UNSENT_ERRORS = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
CREATED = 201
TOKEN_ERROR_REASONS = {
    401: "the App's id or private key is wrong",
    403: "it is suspended",
    404: "the App is no longer installed there",
}


@dataclass
class Tally:
    """Requests and points spent under one RequestContext so far, failed attempts included."""

    requests: int = 0
    not_modified: int = 0
    points: int = 0


@dataclass(frozen=True)
class RequestContext:
    """With which credential to send, and how it may use the rate budget.

    reserve           share of the bucket to leave for people who are waiting
    waits_for_budget  whether to wait for an exhausted bucket to reset, or to raise RateLimited
    """

    credential: Credential
    reserve: float = 0.0
    waits_for_budget: bool = True
    stop: StopSignal | None = None
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True)
class ApiRequest:
    """A request to send; `what` names its subject in messages, `cost` is in requests or GraphQL points."""

    url: str
    what: str
    context: RequestContext
    method: str = "GET"
    resource: str = "core"
    kind: str = REST
    headers: Mapping[str, str] = field(default_factory=dict)
    json: object = None
    cost: int = 1
    attempts: int = MAX_ATTEMPTS


@dataclass(frozen=True)
class ParsedResponse:
    """A response and its parsed JSON body, None unless the status is 200."""

    response: Response
    body: Any = None


class Transport:
    """A connection pool behind the rate gate. Thread-safe."""

    def __init__(
        self,
        root: str,
        pool: CredentialPool,
        gate: RateGate,
        *,
        clock: Clock,
        http_transport: httpx.BaseTransport | None = None,
        timeout: httpx.Timeout = TIMEOUT,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> None:
        self._max_attempts = max_attempts
        self.root = root.rstrip("/")
        self.gate = gate
        self._pool = pool
        self._clock = clock
        headers = {"user-agent": USER_AGENT, "accept": ACCEPT, "x-github-api-version": API_VERSION}
        self._http = httpx.Client(
            transport=http_transport, timeout=timeout, limits=CONNECTION_LIMITS, headers=headers, follow_redirects=False
        )
        self._circuit_breaker = CircuitBreaker(failure_threshold=FAILURE_THRESHOLD, retry_interval_seconds=OPEN_SECONDS)
        self._usage = Usage()
        self._lock = Lock()

    def close(self) -> None:
        self._http.close()

    @property
    def usage(self) -> Usage:
        with self._lock:
            return self._usage

    def count(self, *, requests: int = 0, points: int = 0, not_modified: int = 0, retries: int = 0) -> None:
        with self._lock:
            used = self._usage
            self._usage = Usage(
                used.requests + requests,
                used.points + points,
                used.not_modified + not_modified,
                used.retries + retries,
            )

    def send(self, request: ApiRequest) -> ParsedResponse:
        """Send a request and return the first response that is neither a rate limit nor a transient failure.

        Failures of the network and of GitHub's servers, and broken bodies, are retried with exponential backoff up to
        `request.attempts` times, or the transport's own maximum.
        Raises RateLimited, BadCredentials, ServerError, Unreachable, InvalidResponse, UnexpectedStatus, Stopped.
        """
        retrying = Retrying(
            retry=retry_if_exception(self._is_retryable),
            stop=stop_after_attempt(min(request.attempts, self._max_attempts)),
            wait=wait_random_exponential(multiplier=0.5, max=10),
            sleep=lambda seconds: self.gate.wait(seconds, request.context.stop),
            before_sleep=self._before_retry,
            reraise=True,
        )
        return retrying(self._attempt, request)

    def _is_retryable(self, error: BaseException) -> bool:
        return (
            isinstance(error, TRANSIENT_ERRORS) and not error.is_request_too_large and not self._circuit_breaker.is_open
        )

    def _before_retry(self, state: RetryCallState) -> None:
        self.count(retries=1)
        error = state.outcome.exception() if state.outcome else None
        log.warning("GitHub request failed, retrying", error=str(error), attempt=state.attempt_number)

    def _attempt(self, request: ApiRequest) -> ParsedResponse:
        if self._circuit_breaker.is_open:
            # Not the last error itself: several threads raise it, and each would add to its traceback.
            reason = f"the last {FAILURE_THRESHOLD} requests failed ({self._circuit_breaker.last_error})"
            raise Unreachable(httpx.URL(self.root).host, reason)
        try:
            parsed = self._parse(self._follow_redirects(request), request)
        except TRANSIENT_ERRORS as error:
            self._circuit_breaker.record_failure(error)
            raise
        self._circuit_breaker.record_success()
        return parsed

    def _parse(self, response: Response, request: ApiRequest) -> ParsedResponse:
        try:
            if response.status >= 500:
                raise ServerError(response.status)
            return ParsedResponse(response, read_json(response, request.what) if response.status == OK else None)
        except TRANSIENT_ERRORS as error:
            error.is_request_too_large = _was_too_large(request, response.seconds)
            raise

    def _follow_redirects(self, request: ApiRequest) -> Response:
        """Follow redirects of GET requests, at most three, and never to another host, which must not get the token.

        Source: https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
        """
        for _ in range(MAX_REDIRECTS + 1):
            response = self._send_authenticated(request)
            location = response.headers.get("location")
            if response.status not in REDIRECT_STATUSES or request.method != "GET" or not location:
                return response
            target = resolve_api_url(self.root, location, request.url)
            if target is None:
                raise UnexpectedStatus(
                    response.status, request.what, "it redirects to another host, which must not get the token"
                )
            request = replace(request, url=target)
        raise UnexpectedStatus(response.status, request.what, "too many redirects")

    def _send_authenticated(self, request: ApiRequest) -> Response:
        """Send with a valid token; an App's token that is rejected before it expires is renewed once."""
        credential = request.context.credential
        if self._pool.is_rejected(credential):
            raise BadCredentials(credential.name, credential.fingerprint)
        if not isinstance(credential, InstallationCredential):
            response = self._send_through_gate(request)
        else:
            self._renew_token(credential, request.context)
            sent = credential.authorization()
            response = self._send_through_gate(request)
            if response.status == UNAUTHORIZED:
                credential.invalidate_token(sent)
                self._renew_token(credential, request.context)
                response = self._send_through_gate(request)
        if response.status == UNAUTHORIZED:
            raise self._reject(credential, response)
        return response

    def _renew_token(self, installation: InstallationCredential, context: RequestContext) -> None:
        """Request a token unless the current one is valid for long enough; other threads wait for it."""
        with installation.renewal_lock:
            if installation.has_valid_token():
                return
            signed = RequestContext(installation.app, stop=context.stop, tally=context.tally)
            request = ApiRequest(self.root + installation.path, "an installation token", signed, "POST")
            response = self._send_through_gate(request)
            if response.status == UNAUTHORIZED and installation.app.adjust_clock(response):
                response = self._send_through_gate(request)
            if response.status >= 500:
                raise ServerError(response.status)
            if response.status != CREATED:
                raise self._reject(
                    installation, response, TOKEN_ERROR_REASONS.get(response.status, "it issues no token")
                )
            installation.update_token(response)
            log.info("GitHub App token issued", credential=installation.name)

    def _reject(self, credential: Credential, response: Response, reason: str = "") -> BadCredentials:
        """Exclude a credential from now on, and publish the reason."""
        error = BadCredentials(credential.name, credential.fingerprint, *([reason] if reason else []))
        self._pool.reject(credential, str(error), response.date)
        log.warning(
            "GitHub rejected a credential", reason=str(error), status=response.status, request_id=response.request_id
        )
        return error

    def _send_through_gate(self, request: ApiRequest) -> Response:
        """Send when the rate gate admits it; where GitHub demands a wait, wait in the gate and send again."""
        context, credential = request.context, request.context.credential
        admission = AdmissionRequest(
            "", self._pool.owner(credential), request.resource, request.kind, request.cost, context.reserve
        )
        for _ in range(MAX_RATE_LIMITED_ATTEMPTS):
            with self.gate.acquire(admission, waits_for_budget=context.waits_for_budget, stop=context.stop) as permit:
                response = self._send_request(request)
                wait = required_wait(response)
                # The rate limit of a 401 belongs to no owner: GitHub did not recognise the token.
                status = None if response.status == UNAUTHORIZED else rate_limit_status(response)
                owner, has_failed = self._pool.owner(credential), response.status >= 500
                permit.record_response(status, wait, owner, has_failed=has_failed)
            if wait is None:
                return response
            seconds = round(wait.seconds, 1) or None
            log.info(
                "GitHub rate limit reached, waiting", scope=wait.scope, seconds=seconds, request_id=response.request_id
            )
        raise RateLimited(self._clock(), "GitHub keeps demanding to wait")

    def _send_request(self, request: ApiRequest) -> Response:
        headers = dict(request.headers)
        authorization = request.context.credential.authorization()
        if authorization:
            headers["authorization"] = authorization
        request.context.tally.requests += 1
        self.count(requests=1)
        started = time.monotonic()
        try:
            response = self._read_response(request, headers, started)
        except httpx.TransportError as error:
            reason = _failure_reason(error)
            log.debug("GitHub request got no response", method=request.method, url=request.url, reason=reason)
            unreachable = Unreachable(httpx.URL(self.root).host, reason)
            was_sent = not isinstance(error, UNSENT_ERRORS)
            unreachable.is_request_too_large = was_sent and _was_too_large(request, time.monotonic() - started)
            raise unreachable from error
        except httpx.DecodingError as error:
            raise InvalidResponse(request.what, "its compression is broken") from error
        expires_at = token_expires_at(response)
        if expires_at is not None:
            self._pool.learn_expiry(request.context.credential, expires_at)
        if response.status == NOT_MODIFIED:
            request.context.tally.not_modified += 1
            self.count(not_modified=1)
        log.debug(
            "GitHub response received",
            method=request.method,
            url=request.url,
            status=response.status,
            seconds=round(response.seconds, 3),
            bytes=len(response.body),
            remaining=response.headers.get("x-ratelimit-remaining"),
            request_id=response.request_id,
        )
        return response

    def _read_response(self, request: ApiRequest, headers: dict[str, str], started: float) -> Response:
        """Read the body in chunks, so that both its size and its duration are bounded."""
        with self._http.stream(request.method, request.url, headers=headers, json=request.json) as stream:
            body = bytearray()
            for chunk in stream.iter_bytes():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    error = InvalidResponse(request.what, f"it is larger than {MAX_BODY_BYTES // 2**20} MB")
                    error.is_request_too_large = True
                    raise error
                if time.monotonic() - started > MAX_RESPONSE_SECONDS:
                    reason = f"the response took over {MAX_RESPONSE_SECONDS:.0f} s"
                    unreachable = Unreachable(httpx.URL(self.root).host, reason)
                    unreachable.is_request_too_large = _was_too_large(request, MAX_RESPONSE_SECONDS)
                    raise unreachable
            names = {name.lower(): value for name, value in stream.headers.items()}
            return Response(stream.status_code, names, bytes(body), self._clock(), time.monotonic() - started)


def _was_too_large(request: ApiRequest, seconds: float) -> bool:
    """Return whether a request that failed *seconds* after it was sent was probably too large."""
    return request.method == "POST" and seconds > SLOW_FAILURE_SECONDS


def _failure_reason(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return "connection timed out"
    if isinstance(error, httpx.TimeoutException):
        return "response timed out"
    if isinstance(error, httpx.ConnectError):
        return f"no connection ({error})"
    return "the connection was lost"
