"""Many asks at once: each goes to its token, comes back as one outcome, and none is lost on the way."""

from collections.abc import Iterator, Sequence
from queue import Full, Queue
from threading import Event, Thread

from ingest.github.api.graphql import GraphQL
from ingest.github.api.rest import Rest
from ingest.github.errors import BadCredentials, GitHubError, GraphQLUnavailable, PermissionDenied, RateLimited, Stopped
from ingest.github.fetch.account_fetch import AccountFetch, CountMismatchCache
from ingest.github.fetch.via_graphql import GraphQLFetcher
from ingest.github.fetch.via_rest import RestFetcher
from ingest.github.fetch.worker_pool import TaskSource, WorkerPool
from ingest.github.http.credentials import Credential, CredentialPool
from ingest.github.http.etag_cache import ResponseCache
from ingest.github.http.rate_gate import StopSignal
from ingest.github.http.transport import RequestContext
from ingest.github.types import AccountRequest, AccountResult, ShouldFetchLanguages

# The asking goes on while outcomes are being stored, but not without bound.
MAX_QUEUED_RESULTS = 64
POLL_SECONDS = 0.25


class AccountFetcher:
    """One run over some asks. GraphQL where it is to be had, REST for the rest."""

    def __init__(
        self,
        graphql: GraphQL | None,
        rest: Rest,
        pool: CredentialPool,
        cache: ResponseCache,
        asks: Sequence[AccountRequest],
        languages_wanted: ShouldFetchLanguages,
        *,
        extras: bool,
        worker_threads: int,
        reserve: float,
        stop: StopSignal | None,
    ) -> None:
        self._graphql = graphql
        self._rest = rest
        self._pool = pool
        self._account_requests = asks
        self._should_fetch_languages = languages_wanted
        self._extras = extras
        self._reserve = reserve
        self._count_mismatches = CountMismatchCache(cache)
        self._worker_pool = WorkerPool(worker_threads)
        self._abandoned_by_consumer = Event()
        self._stop = EitherStopSignal(self._abandoned_by_consumer, stop)
        self._open: set[AccountFetch] = set()
        self._task_sources: list[TaskSource] = []
        self._by_graphql: dict[str, GraphQLFetcher] = {}
        self._rest_fetchers: dict[str, RestFetcher] = {}
        self._results: Queue[AccountResult | BaseException | None] = Queue(MAX_QUEUED_RESULTS)

    def results(self) -> Iterator[AccountResult]:
        """Yield outcomes while the others are still being asked; ends when each ask has had its own."""
        thread = Thread(target=self._run, name="github-harvest", daemon=True)
        thread.start()
        try:
            while (item := self._results.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self._abandoned_by_consumer.set()

    def _run(self) -> None:
        try:
            for ask in self._account_requests:
                self._start_fetch(ask)
            self._worker_pool.run(self._task_sources, self._stop)
            self._stop_unfinished()
        except BaseException as error:  # it is raised again in the consumer's thread
            self._put_result(error)
        finally:
            self._put_result(None)

    def _stop_unfinished(self) -> None:
        """Nobody leaves without an outcome."""
        if self._open and not self._stop.is_set():
            raise RuntimeError(f"{len(self._open)} accounts were neither answered nor refused")
        for visit in list(self._open):
            self._finish(visit, Stopped())

    def _start_fetch(self, ask: AccountRequest) -> None:
        credential = self._pool.choose(ask.login, ask.token)
        if credential is None:
            self._put_result(AccountResult(ask, None, BadCredentials("every token there is"), 0, 0, 0))
        else:
            self._send(AccountFetch(ask, credential))

    def _send(self, visit: AccountFetch) -> None:
        """Give a visit to the flow of its credential."""
        self._open.add(visit)
        if self._graphql is None or self._graphql.is_missing:
            self._rest_fetcher_for(visit.credential).add(visit)
        else:
            self._graphql_fetcher_for(self._graphql, visit.credential).add(visit)

    def _finish(self, visit: AccountFetch, error: GitHubError | None) -> None:
        if visit.is_finished:
            return
        visit.is_finished = True
        self._open.discard(visit)
        self._put_result(visit.result(error))

    def _fall_back(self, visit: AccountFetch, error: GitHubError) -> None:
        """GraphQL could not serve a visit: where it is not to be had, REST may; else another credential may."""
        if isinstance(error, GraphQLUnavailable | PermissionDenied):
            again = self._again(visit, visit.credential)
            self._open.add(again)
            self._rest_fetcher_for(again.credential).add(again)
        else:
            self._retry_with_other_credential(visit, error)

    def _retry_with_other_credential(self, visit: AccountFetch, error: GitHubError) -> None:
        """A credential could not serve a visit: another one goes on, if there is one and it could help."""
        if visit.is_finished:
            return
        other = None
        if isinstance(error, RateLimited | BadCredentials):
            other = self._pool.choose(
                visit.ask.login, avoid=visit.excluded_credentials | {visit.credential.fingerprint}
            )
        if other is None:
            self._finish(visit, error)
        else:
            self._send(self._again(visit, other))

    def _again(self, visit: AccountFetch, credential: Credential) -> AccountFetch:
        visit.is_finished = True
        self._open.discard(visit)
        return visit.restart_with(credential)

    def _graphql_fetcher_for(self, graphql: GraphQL, credential: Credential) -> GraphQLFetcher:
        flow = self._by_graphql.get(credential.fingerprint)
        if flow is None:
            flow = GraphQLFetcher(
                graphql,
                self._rest,
                lambda: self._asking(credential),
                self._should_fetch_languages,
                self._finish,
                self._fall_back,
                self._count_mismatches,
                extras=self._extras,
            )
            self._by_graphql[credential.fingerprint] = flow
            self._task_sources.append(flow)
        return flow

    def _rest_fetcher_for(self, credential: Credential) -> RestFetcher:
        flow = self._rest_fetchers.get(credential.fingerprint)
        if flow is None:
            flow = RestFetcher(
                self._rest,
                lambda: self._asking(credential),
                self._should_fetch_languages,
                self._finish,
                self._retry_with_other_credential,
                self._count_mismatches,
            )
            self._rest_fetchers[credential.fingerprint] = flow
            self._task_sources.append(flow)
        return flow

    def _asking(self, credential: Credential) -> RequestContext:
        return RequestContext(credential, self._reserve, stop=self._stop)

    def _put_result(self, item: AccountResult | BaseException | None) -> None:
        while not self._abandoned_by_consumer.is_set():
            try:
                self._results.put(item, timeout=POLL_SECONDS)
            except Full:
                continue
            return


class EitherStopSignal:
    """Set when one of two is."""

    def __init__(self, one: StopSignal, other: StopSignal | None) -> None:
        self._first = one
        self._second = other

    def is_set(self) -> bool:
        return self._first.is_set() or (self._second is not None and self._second.is_set())
