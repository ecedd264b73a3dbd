"""The GitHub client: takes account requests, returns results, and knows nothing of how they are stored."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from time import sleep as real_sleep
from types import TracebackType
from typing import Self

import httpx
import structlog
from redis import Redis

from core.budget import rate_limits
from core.budget.cost_model import INTERACTIVE_RESERVE
from core.clock import now_utc
from core.settings import Settings
from ingest.github.api.facts import Facts
from ingest.github.api.graphql import GraphQL
from ingest.github.api.models import Account, Repository
from ingest.github.api.profiles import Profiles
from ingest.github.api.rest import Rest
from ingest.github.errors import BadCredentials, GitHubError, PermissionDenied
from ingest.github.fetch.account_fetch import FetchServices
from ingest.github.fetch.fetcher import AccountFetcher
from ingest.github.http.app_auth import AppCredential, InstallationCredential
from ingest.github.http.credential_fallback import ask
from ingest.github.http.credentials import Credential, CredentialPool, Token, numbered_tokens
from ingest.github.http.etag_cache import ResponseCache
from ingest.github.http.rate_gate import MAX_WAIT_SECONDS, Clock, RateBudgetStore, RateGate, Sleep, StopSignal
from ingest.github.http.responses import FORBIDDEN
from ingest.github.http.transport import MAX_ATTEMPTS, TIMEOUT, RequestContext, Transport
from ingest.github.http.urls import PUBLIC_API_URL
from ingest.github.types import (
    AccountRequest,
    AccountResult,
    BucketState,
    MissingRepository,
    ShouldFetchLanguages,
    Usage,
)

log = structlog.get_logger()

# Concurrent requests of this process: enough to hide GitHub's latency, too few for its secondary rate limits.
WORKER_THREADS = 4
NODES_PER_QUERY = 100


def credential_pool(settings: Settings, clock: Clock = now_utc) -> CredentialPool:
    """Create the credentials of the settings. Raises BadCredentials for a malformed token or key."""
    credentials: list[Credential] = list(numbered_tokens([one.get_secret_value() for one in settings.github_tokens]))
    if settings.github_app_id:
        credentials.append(_installation_credential(settings, clock))
    return CredentialPool(credentials)


class GitHub:
    """The client. Thread-safe; close it, or use it in a `with` statement.

    api_url           root of REST; the GraphQL URL is derived from it
    pool              the credentials; without them requests are anonymous
    redis             shared rate budget, pauses and ETags; without it they are kept in this process
    max_wait_seconds  how long to wait for GitHub's rate limits before RateLimited is raised
    worker_threads    concurrent requests of `accounts`
    max_attempts      how often a failed request is sent
    """

    def __init__(
        self,
        *,
        api_url: str = PUBLIC_API_URL,
        pool: CredentialPool | None = None,
        redis: "Redis | None" = None,
        clock: Clock = now_utc,
        sleep: Sleep = real_sleep,
        max_wait_seconds: float = MAX_WAIT_SECONDS,
        worker_threads: int = WORKER_THREADS,
        use_graphql: bool = True,
        http_transport: httpx.BaseTransport | None = None,
        timeout: httpx.Timeout = TIMEOUT,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> None:
        self._pool = pool or CredentialPool()
        self._cache = ResponseCache(redis, rate_limits.key_prefix(api_url))
        self._gate = RateGate(
            RateBudgetStore(redis, rate_limits.budget_key(api_url), clock),
            clock=clock,
            sleep=sleep,
            max_wait_seconds=max_wait_seconds,
        )
        self._transport = Transport(
            api_url,
            self._pool,
            self._gate,
            clock=clock,
            http_transport=http_transport,
            timeout=timeout,
            max_attempts=max_attempts,
        )
        self._rest = Rest(self._transport, self._cache)
        self._graphql = GraphQL(self._transport, self._pool, self._cache)
        self._worker_threads = worker_threads
        self._use_graphql = use_graphql and not self._pool.is_anonymous
        self.facts = Facts(self._rest, self._graphql, self._pool)
        self.profiles = Profiles(self._rest, self._graphql, self._pool, use_graphql=self._use_graphql)
        self._pool.denials = self._cache
        self._pool.on_rejection = self._publish_rejected_token
        self._pool.on_expiry = self._publish_token_expiry
        self._cache.clear_rejected_tokens(credential.fingerprint for credential in self._pool.credentials)
        for credential in self._pool.credentials:
            owner = self._cache.owner(credential.fingerprint)
            if owner:
                self._pool.learn_owner(credential.fingerprint, owner)

    @classmethod
    def from_settings(cls, settings: Settings, redis: "Redis | None" = None, **others: object) -> Self:
        """Create the client of the settings. Raises BadCredentials for a malformed token or key."""
        pool = credential_pool(settings, others.get("clock", now_utc))  # type: ignore[arg-type]
        return cls(api_url=settings.github_api_url, pool=pool, redis=redis, **others)  # type: ignore[arg-type]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    @property
    def api_url(self) -> str:
        return self._transport.root

    @property
    def is_anonymous(self) -> bool:
        return self._pool.is_anonymous

    @property
    def usage(self) -> Usage:
        """What this client has spent since it was created."""
        return self._transport.usage

    def rate_budgets(self) -> list[BucketState]:
        """Return the rate limits of our credentials as last reported to any process; none before the first response."""
        owners = {self._pool.owner(credential) for credential in self._pool.credentials}
        return [bucket for bucket in self._gate.buckets() if bucket.owner in owners]

    def account_groups(
        self,
        requests: Sequence[AccountRequest],
        *,
        should_fetch_languages: ShouldFetchLanguages,
        extras: bool = False,
        urgent: bool = False,
        stop: StopSignal | None = None,
    ) -> Iterator[list[AccountResult]]:
        """Fetch accounts with all their public repositories; yield each as soon as it is complete, in any order,
        together with those that are complete by then.

        Each request has exactly one result. *should_fetch_languages* is called once per repository, from another
        thread. *extras* also fetches watchers, open issues, open change requests and topics. *urgent* may spend the
        reserve of the rate budget. Once *stop* is set, accounts that are not complete end with Stopped.
        """
        services = FetchServices(
            self._graphql if self._use_graphql else None,
            self._rest,
            self._pool,
            self._cache,
            should_fetch_languages,
            include_extras=extras,
        )
        fetcher = AccountFetcher(
            services,
            requests,
            worker_threads=self._worker_threads,
            reserve=0.0 if urgent else INTERACTIVE_RESERVE,
            stop=stop,
        )
        return fetcher.groups()

    def account_by_id(self, github_id: int, *, stop: StopSignal | None = None) -> Account:
        """Fetch an account by id, whatever its login is now. Raises AccountNotFound."""
        return ask(
            self._pool,
            f"id {github_id}",
            lambda credential: self._rest.account_by_id(github_id, RequestContext(credential, stop=stop))[0],
        )

    def is_repository_visible(self, github_id: int, *, stop: StopSignal | None = None) -> bool:
        """Tell whether GitHub shows a repository. Raises GitHubError when it does not respond."""
        return isinstance(self._ask_for_repository(github_id, None, stop), Repository)

    def locate_repositories(
        self,
        repositories: Sequence[tuple[int, str | None]],
        *,
        token: str | None = None,
        stop: StopSignal | None = None,
    ) -> dict[int, Repository | MissingRepository]:
        """Find out what became of repositories (GitHub id, node id) that their owner's list no longer has.

        *token* is the fingerprint of the one that fetched the list.
        Returns by GitHub id the current record of one that moved, or a MissingRepository with the reason. One whose
        request failed is left out, and a warning logged: it may be requested again.
        """
        found: dict[int, Repository | MissingRepository] = {}
        nodes = [(github_id, node_id) for github_id, node_id in repositories if node_id]
        if self._use_graphql:
            for i in range(0, len(nodes), NODES_PER_QUERY):
                found |= self._locate_batch(nodes[i : i + NODES_PER_QUERY], token, stop)
        for github_id, _ in repositories:
            if github_id not in found:
                location = self._locate_repository(github_id, token, stop)
                if location is not None:
                    found[github_id] = location
        return found

    def _locate_batch(
        self, nodes: Sequence[tuple[int, str]], token: str | None, stop: StopSignal | None
    ) -> dict[int, Repository | MissingRepository]:
        """Request up to a hundred by node id; leave out those not shown, because only REST says why."""
        credential = self._pool.choose(nodes[0][1], token, may_be_anonymous=False)
        if credential is None:
            return {}
        try:
            response = self._graphql.repositories(
                [node_id for _, node_id in nodes], RequestContext(credential, stop=stop)
            )
        except GitHubError as error:
            log.warning("batch repository check failed", count=len(nodes), error=str(error))
            return {}
        found: dict[int, Repository | MissingRepository] = {}
        for (github_id, _), repository in zip(nodes, response, strict=True):
            if isinstance(repository, Repository) and repository.github_id == github_id:
                found[github_id] = MissingRepository(github_id, "private") if repository.is_private else repository
        return found

    def _locate_repository(
        self, github_id: int, token: str | None, stop: StopSignal | None
    ) -> Repository | MissingRepository | None:
        try:
            return self._ask_for_repository(github_id, token, stop)
        except GitHubError as error:
            log.warning("repository check failed", github_id=github_id, error=str(error))
            return None

    def _ask_for_repository(
        self, github_id: int, token: str | None, stop: StopSignal | None
    ) -> Repository | MissingRepository:
        try:
            return ask(
                self._pool,
                f"repository {github_id}",
                lambda credential: self._rest.locate_repository(github_id, RequestContext(credential, stop=stop)),
                pinned=token,
            )
        except PermissionDenied as error:
            return MissingRepository(github_id, error.code, FORBIDDEN)

    def _publish_rejected_token(self, credential: Credential, reason: str, at: datetime | None) -> None:
        self._cache.publish_rejected_token(credential.fingerprint, credential.name, reason, at)

    def _publish_token_expiry(self, token: Token, expires_at: datetime) -> None:
        self._cache.publish_token_expiry(token.fingerprint, token.name, expires_at)


def _installation_credential(settings: Settings, clock: Clock) -> InstallationCredential:
    file = settings.github_app_private_key_file
    try:
        key = file.read_bytes() if file else b""
    except OSError as error:
        raise BadCredentials(
            "the private key of the GitHub App", reason=f"its file cannot be read ({error.strerror})"
        ) from error
    app = AppCredential(settings.github_app_id, key, clock)
    return InstallationCredential(app, settings.github_app_installation_id, clock)
