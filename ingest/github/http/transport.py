"""Sends requests and brings back answers: the only place that talks to GitHub. Every attempt passes the gate."""

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
# So many failures in a row, in all threads together, mean that GitHub is down.
FAILURE_THRESHOLD = 25
OPEN_SECONDS = 10.0
# GitHub gives up on a query after ten seconds: what fails this late failed because of how much was asked.
SLOW_FAILURE_SECONDS = 5.0
CREATED = 201
TOKEN_ERROR_REASONS = {
    401: "the App's number or private key is wrong",
    403: "it is suspended",
    404: "the App is not installed there any more",
}


@dataclass
class Tally:
    """What one call has cost so far; it is kept when the call fails, too."""

    requests: int = 0
    not_modified: int = 0
    points: int = 0


@dataclass(frozen=True)
class RequestContext:
    """Who asks, what share of the budget is left for others, whether to wait for a new one, and what it has cost."""

    credential: Credential
    reserve: float = 0.0
    waits_for_budget: bool = True
    stop: StopSignal | None = None
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True)
class ApiRequest:
    """One thing to ask; `what` is how a sentence calls it, `cost` in the unit of its resource."""

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
    """An answer and its parsed body; None where there is no body to use (not 200)."""

    answer: Response
    body: Any = None


class Transport:
    """A pool of connections behind the gate. Safe to use from many threads."""

    def __init__(
        self,
        root: str,
        pool: CredentialPool,
        gate: RateGate,
        *,
        clock: Clock,
        http_transport: httpx.BaseTransport | None = None,
        timeout: httpx.Timeout = TIMEOUT,
    ) -> None:
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

    def send(self, call: ApiRequest) -> ParsedResponse:
        """Bring back an answer that is neither a limit nor a passing failure.

        Failures of the network and of GitHub's servers, and broken bodies, are tried again, up to `call.attempts`
        times. Raises RateLimited, BadCredentials, ServerFailed, Unreachable, UnreadableAnswer, Stopped.
        """
        retrying = Retrying(
            retry=retry_if_exception(self._is_retryable),
            stop=stop_after_attempt(call.attempts),
            wait=wait_random_exponential(multiplier=0.5, max=10),
            sleep=lambda seconds: self.gate.wait(seconds, call.context.stop),
            before_sleep=self._before_retry,
            reraise=True,
        )
        return retrying(self._attempt, call)

    def _is_retryable(self, error: BaseException) -> bool:
        return (
            isinstance(error, TRANSIENT_ERRORS) and not error.is_request_too_large and not self._circuit_breaker.is_open
        )

    def _before_retry(self, state: RetryCallState) -> None:
        self.count(retries=1)
        error = state.outcome.exception() if state.outcome else None
        log.warning("github request failed, trying again", why=str(error), attempt=state.attempt_number)

    def _attempt(self, call: ApiRequest) -> ParsedResponse:
        if self._circuit_breaker.is_open and self._circuit_breaker.last_error:
            raise self._circuit_breaker.last_error
        began = time.monotonic()
        try:
            answer = self._follow_redirects(call)
            if answer.status >= 500:
                raise ServerError(answer.status)
            reply = ParsedResponse(answer, read_json(answer, call.what) if answer.status == OK else None)
        except TRANSIENT_ERRORS as error:
            late = time.monotonic() - began > SLOW_FAILURE_SECONDS
            error.is_request_too_large |= late and call.method == "POST"
            self._circuit_breaker.record_failure(error)
            raise
        self._circuit_breaker.record_success()
        return reply

    def _follow_redirects(self, call: ApiRequest) -> Response:
        """Follow redirects ourselves: within our host, a few times, and only for what changes nothing."""
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._send_authenticated(call)
            location = answer.headers.get("location")
            if answer.status not in REDIRECT_STATUSES or call.method != "GET" or not location:
                return answer
            target = resolve_api_url(self.root, location, call.url)
            if target is None:
                raise UnexpectedStatus(answer.status, call.what, "it points to another host, which gets no token")
            call = replace(call, url=target)
        raise UnexpectedStatus(answer.status, call.what, "the redirects lead in a circle")

    def _send_authenticated(self, call: ApiRequest) -> Response:
        """Ask once, with a token that is good; an App's that is refused before its time is renewed once."""
        credential = call.context.credential
        if self._pool.refused(credential):
            raise BadCredentials(credential.name, credential.fingerprint)
        if not isinstance(credential, InstallationCredential):
            answer = self._pass(call)
        else:
            self._renew_token(credential, call.context)
            sent = credential.authorization()
            answer = self._pass(call)
            if answer.status == UNAUTHORIZED:
                credential.drop(sent)
                self._renew_token(credential, call.context)
                answer = self._pass(call)
        if answer.status == UNAUTHORIZED:
            raise self._refused(credential, answer)
        return answer

    def _renew_token(self, installation: InstallationCredential, asking: RequestContext) -> None:
        """Get a token where the one at hand ends soon; whoever else wants one waits for it."""
        with installation.renewal_lock:
            if installation.has_valid_token():
                return
            signed = RequestContext(installation.app, stop=asking.stop, tally=asking.tally)
            call = ApiRequest(self.root + installation.path, "an installation's token", signed, "POST")
            answer = self._pass(call)
            if answer.status == UNAUTHORIZED and installation.app.adjust_clock(answer):
                answer = self._pass(call)
            if answer.status >= 500:
                raise ServerError(answer.status)
            if answer.status != CREATED:
                raise self._refused(installation, answer, TOKEN_ERROR_REASONS.get(answer.status, "it gives no token"))
            installation.take(answer)
            log.info("github app got a token", who=installation.name)

    def _refused(self, credential: Credential, answer: Response, why: str = "") -> BadCredentials:
        """Leave this one out from now on, and let whoever watches know why."""
        error = BadCredentials(credential.name, credential.fingerprint, *([why] if why else []))
        self._pool.refuse(credential, str(error), answer.date)
        log.warning("github refused a credential", why=str(error), status=answer.status, request_id=answer.request_id)
        return error

    def _pass(self, call: ApiRequest) -> Response:
        """Send through the gate; where GitHub says to wait, wait there and send again."""
        asking, credential = call.context, call.context.credential
        wish = AdmissionRequest("", self._pool.owner(credential), call.resource, call.kind, call.cost, asking.reserve)
        for _ in range(MAX_RATE_LIMITED_ATTEMPTS):
            with self.gate.acquire(wish, waits_for_budget=asking.waits_for_budget, stop=asking.stop) as passage:
                answer = self._send_request(call)
                wait = required_wait(answer)
                # What a 401 tells is left is nobody's: GitHub does not know whom it speaks to.
                left = None if answer.status == UNAUTHORIZED else rate_limit_status(answer)
                passage.record_response(left, wait, self._pool.owner(credential))
            if wait is None:
                return answer
            seconds = round(wait.seconds, 1) or None
            log.info(
                "GitHub rate limit reached, waiting", scope=wait.scope, seconds=seconds, request_id=answer.request_id
            )
        raise RateLimited(self._clock(), "GitHub keeps telling us to wait, though we did,")

    def _send_request(self, call: ApiRequest) -> Response:
        headers = dict(call.headers)
        authorization = call.context.credential.authorization()
        if authorization:
            headers["authorization"] = authorization
        call.context.tally.requests += 1
        self.count(requests=1)
        began = time.monotonic()
        try:
            answer = self._read_response(call, headers, began)
        except httpx.TransportError as error:
            why = _failure_reason(error)
            log.debug("github did not answer", method=call.method, url=call.url, why=why)
            raise Unreachable(httpx.URL(self.root).host, why) from error
        except httpx.DecodingError as error:
            raise InvalidResponse(call.what, "its compression is broken") from error
        if answer.status == NOT_MODIFIED:
            call.context.tally.not_modified += 1
            self.count(not_modified=1)
        log.debug(
            "github answered",
            method=call.method,
            url=call.url,
            status=answer.status,
            seconds=round(answer.seconds, 3),
            bytes=len(answer.body),
            remaining=answer.headers.get("x-ratelimit-remaining"),
            request_id=answer.request_id,
        )
        return answer

    def _read_response(self, call: ApiRequest, headers: dict[str, str], began: float) -> Response:
        """Read the body piece by piece, so that neither its size nor its slowness is without bound."""
        with self._http.stream(call.method, call.url, headers=headers, json=call.json) as response:
            body = bytearray()
            for piece in response.iter_bytes():
                body += piece
                if len(body) > MAX_BODY_BYTES:
                    error = InvalidResponse(call.what, f"it is larger than {MAX_BODY_BYTES // 2**20} MB")
                    error.is_request_too_large = True
                    raise error
                if time.monotonic() - began > MAX_RESPONSE_SECONDS:
                    raise Unreachable(httpx.URL(self.root).host, f"an answer took over {MAX_RESPONSE_SECONDS:.0f} s")
            names = {name.lower(): value for name, value in response.headers.items()}
            return Response(response.status_code, names, bytes(body), self._clock(), time.monotonic() - began)


def _failure_reason(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx.ConnectError):
        return f"no connection ({error})"
    return "the connection broke off"
