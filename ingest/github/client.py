"""The client: accounts in, outcomes out. Knows nothing of how they are stored."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from time import sleep as real_sleep
from types import TracebackType
from typing import Self

import httpx
import structlog
from redis import Redis

from core.budget import shared_state
from core.budget.cost_model import INTERACTIVE_RESERVE
from core.settings import Settings
from ingest.github.api.facts import Facts
from ingest.github.api.graphql import GraphQL
from ingest.github.api.models import Account, Repository
from ingest.github.api.profiles import Profiles
from ingest.github.api.rest import Rest
from ingest.github.errors import BadCredentials, GitHubError
from ingest.github.fetch.fetcher import AccountFetcher
from ingest.github.http.app_auth import AppCredential, InstallationCredential
from ingest.github.http.credentials import Credential, CredentialPool, numbered_tokens
from ingest.github.http.etag_cache import ResponseCache
from ingest.github.http.rate_gate import MAX_WAIT_SECONDS, Clock, RateBudgetStore, RateGate, Sleep, StopSignal
from ingest.github.http.transport import TIMEOUT, RequestContext, Transport
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

# At once, in this process: enough for GitHub's latency, few enough to be told to wait without harm.
WORKER_THREADS = 4
NODES_PER_QUERY = 100


def utc_now() -> datetime:
    return datetime.now(UTC)


def credential_pool(settings: Settings, clock: Clock = utc_now) -> CredentialPool:
    """Make the credentials that the settings name. Raises BadCredentials for what cannot be a token, or a key."""
    credentials: list[Credential] = list(numbered_tokens([one.get_secret_value() for one in settings.github_tokens]))
    if settings.github_app_id:
        credentials.append(_installation_credential(settings, clock))
    return CredentialPool(credentials)


class GitHub:
    """Asks GitHub. Safe to use from many threads; close it, or use it in a `with`.

    api_url   root of REST; GraphQL is found from it
    pool      the tokens, or nobody
    redis     shared budget, pauses and ETags; without it they are this process's own
    max_wait_seconds  how long to wait for GitHub before RateLimited is raised
    """

    def __init__(
        self,
        *,
        api_url: str = PUBLIC_API_URL,
        pool: CredentialPool | None = None,
        redis: "Redis | None" = None,
        clock: Clock = utc_now,
        sleep: Sleep = real_sleep,
        max_wait_seconds: float = MAX_WAIT_SECONDS,
        worker_threads: int = WORKER_THREADS,
        use_graphql: bool = True,
        http_transport: httpx.BaseTransport | None = None,
        timeout: httpx.Timeout = TIMEOUT,
    ) -> None:
        self._pool = pool or CredentialPool()
        self._cache = ResponseCache(redis, shared_state.key_prefix(api_url))
        self._gate = RateGate(
            RateBudgetStore(redis, shared_state.budget_key(api_url), clock),
            clock=clock,
            sleep=sleep,
            max_wait_seconds=max_wait_seconds,
        )
        self._transport = Transport(
            api_url, self._pool, self._gate, clock=clock, http_transport=http_transport, timeout=timeout
        )
        self._rest = Rest(self._transport, self._cache)
        self._graphql = GraphQL(self._transport, self._pool, self._cache)
        self.facts = Facts(self._rest, self._graphql, self._pool)
        """Reads what is told besides the pulse."""
        self._worker_threads = worker_threads
        self._use_graphql = use_graphql and not self._pool.is_anonymous
        self.profiles = Profiles(self._rest, self._graphql, self._pool, use_graphql=self._use_graphql)
        """Tells who logins belong to."""
        self._pool.on_refusal = lambda who, why, at: self._cache.publish_refused_token(
            who.fingerprint, who.name, why, at
        )
        self._cache.clear_refused_tokens(credential.fingerprint for credential in self._pool.credentials)
        for credential in self._pool.credentials:
            owner = self._cache.owner(credential.fingerprint)
            if owner:
                self._pool.learn_owner(credential.fingerprint, owner)

    @classmethod
    def from_settings(cls, settings: Settings, redis: "Redis | None" = None, **others: object) -> Self:
        """Make the client that the settings describe. Raises BadCredentials for what cannot be a token, or a key."""
        pool = credential_pool(settings, others.get("clock", utc_now))  # type: ignore[arg-type]
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
        """What this client has spent since it was made."""
        return self._transport.usage

    def rate_budgets(self, *, refresh: bool = False) -> list[BucketState]:
        """Tell what is left of each budget, as last heard by any process; empty before the first answer.

        *refresh* asks GitHub, which is free of charge, and goes on with what was heard where it does not answer.
        """
        for credential in self._pool.credentials if refresh else ():
            try:
                budgets = self._rest.budgets(RequestContext(credential))
            except GitHubError as error:
                log.warning("the budget could not be asked for", who=credential.name, why=str(error))
                continue
            for limits in budgets:
                self._gate.told(self._pool.owner(credential), limits.resource or "core", limits)
        return self._gate.buckets()

    def token_fingerprint_for(self, login: str, pinned: str | None = None) -> str | None:
        """Tell the fingerprint of the token that would ask for *login*, None when nobody's would."""
        credential = self._pool.choose(login, pinned)
        return None if credential is None or self.is_anonymous else credential.fingerprint

    def accounts(
        self,
        asks: Sequence[AccountRequest],
        *,
        should_fetch_languages: ShouldFetchLanguages,
        extras: bool = False,
        urgent: bool = False,
        stop: StopSignal | None = None,
    ) -> Iterator[AccountResult]:
        """Read accounts with all their public repositories; yield each as soon as it is complete, in any order.

        Exactly one Outcome comes for each Ask. *should_fetch_languages* is asked once for each repository, from another
        thread. *extras* reads watchers, open issues and change requests, and topics, too. *urgent* may spend the
        budget to its end. Once *stop* is set, all that is not complete comes back as Stopped.
        """
        harvest = AccountFetcher(
            self._graphql if self._use_graphql else None,
            self._rest,
            self._pool,
            self._cache,
            asks,
            should_fetch_languages,
            extras=extras,
            worker_threads=self._worker_threads,
            reserve=0.0 if urgent else INTERACTIVE_RESERVE,
            stop=stop,
        )
        return harvest.results()

    def account_by_id(self, github_id: int, *, stop: StopSignal | None = None) -> Account:
        """Read an account whatever its login is now. Raises AccountNotFound."""
        return self._rest.account_by_id(github_id, self._asking(str(github_id), stop))[0]

    def is_repository_visible(self, github_id: int, *, stop: StopSignal | None = None) -> bool:
        """Tell whether a repository is there and shown to us; raises what kept GitHub from telling."""
        return isinstance(self._rest.locate_repository(github_id, self._asking(str(github_id), stop)), Repository)

    def locate_repositories(
        self, repositories: Sequence[tuple[int, str | None]], *, stop: StopSignal | None = None
    ) -> dict[int, Repository | MissingRepository]:
        """Tell where repositories (GitHub id, node id) are that are not in their owner's list any more.

        The record of today for one that has moved, Gone for one that nobody may see. One that could not be asked
        for is left out, with a warning: it may be asked again.
        """
        found: dict[int, Repository | MissingRepository] = {}
        nodes = [(github_id, node_id) for github_id, node_id in repositories if node_id]
        if self._use_graphql:
            for i in range(0, len(nodes), NODES_PER_QUERY):
                found |= self._locate_batch(nodes[i : i + NODES_PER_QUERY], stop)
        for github_id, _ in repositories:
            if github_id not in found:
                place = self._locate_repository(github_id, stop)
                if place is not None:
                    found[github_id] = place
        return found

    def _locate_batch(
        self, nodes: Sequence[tuple[int, str]], stop: StopSignal | None
    ) -> dict[int, Repository | MissingRepository]:
        """Ask for a hundred at once; those not shown are asked for one by one, because REST says why."""
        asking = self._asking(nodes[0][1], stop)
        try:
            answered = self._graphql.repositories([node_id for _, node_id in nodes], asking)
        except GitHubError as error:
            log.warning("repositories could not be looked for together", count=len(nodes), why=str(error))
            return {}
        found: dict[int, Repository | MissingRepository] = {}
        for (github_id, _), repository in zip(nodes, answered, strict=True):
            if isinstance(repository, Repository) and repository.github_id == github_id:
                found[github_id] = MissingRepository(github_id, "private") if repository.is_private else repository
        return found

    def _locate_repository(self, github_id: int, stop: StopSignal | None) -> Repository | MissingRepository | None:
        try:
            return self._rest.locate_repository(github_id, self._asking(str(github_id), stop))
        except GitHubError as error:
            log.warning("a repository could not be looked for", github_id=github_id, why=str(error))
            return None

    def _asking(self, about: str, stop: StopSignal | None) -> RequestContext:
        credential = self._pool.choose(about)
        if credential is None:
            raise BadCredentials("every token there is")
        return RequestContext(credential, stop=stop)


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
