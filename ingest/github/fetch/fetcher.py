"""Many asks at once: each goes to its token, comes back as one outcome, and none is lost on the way."""

from collections.abc import Iterator, Sequence
from queue import Full, Queue
from threading import Event, Thread

from ingest.github.api.graphql import GraphQL, GraphQLUnavailable
from ingest.github.api.rest import Rest
from ingest.github.fetch.account_fetch import AccountFetch, CountMismatchCache
from ingest.github.fetch.types import AccountRequest, AccountResult, ShouldFetchLanguages
from ingest.github.fetch.via_graphql import GraphQLFetcher
from ingest.github.fetch.via_rest import RestFetcher
from ingest.github.fetch.worker_pool import TaskSource, WorkerPool
from ingest.github.http.credentials import Credential, CredentialPool
from ingest.github.http.errors import BadCredentials, GitHubError, PermissionDenied, RateLimited, Stopped
from ingest.github.http.etag_cache import ResponseCache
from ingest.github.http.rate_gate import StopSignal
from ingest.github.http.transport import RequestContext

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
        at_once: int,
        reserve: float,
        stop: StopSignal | None,
    ) -> None:
        self._graphql = graphql
        self._rest = rest
        self._pool = pool
        self._asks = asks
        self._languages_wanted = languages_wanted
        self._extras = extras
        self._reserve = reserve
        self._gaps = CountMismatchCache(cache)
        self._crew = WorkerPool(at_once)
        self._abandoned = Event()
        self._stop = EitherStopSignal(self._abandoned, stop)
        self._open: set[AccountFetch] = set()
        self._flows: list[TaskSource] = []
        self._by_graphql: dict[str, GraphQLFetcher] = {}
        self._by_rest: dict[str, RestFetcher] = {}
        self._outcomes: Queue[AccountResult | BaseException | None] = Queue(MAX_QUEUED_RESULTS)

    def outcomes(self) -> Iterator[AccountResult]:
        """Yield outcomes while the others are still being asked; ends when each ask has had its own."""
        thread = Thread(target=self._run, name="github-harvest", daemon=True)
        thread.start()
        try:
            while (item := self._outcomes.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self._abandoned.set()

    def _run(self) -> None:
        try:
            for ask in self._asks:
                self._begin(ask)
            self._crew.run(self._flows, self._stop)
            self._stop_the_rest()
        except BaseException as error:  # it is raised again in the consumer's thread
            self._put(error)
        finally:
            self._put(None)

    def _stop_the_rest(self) -> None:
        """Nobody leaves without an outcome."""
        if self._open and not self._stop.is_set():
            raise RuntimeError(f"{len(self._open)} accounts were neither answered nor refused")
        for visit in list(self._open):
            self._finish(visit, Stopped())

    def _begin(self, ask: AccountRequest) -> None:
        credential = self._pool.choose(ask.login, ask.token)
        if credential is None:
            self._put(AccountResult(ask, None, BadCredentials("every token there is"), 0, 0, 0))
        else:
            self._send(AccountFetch(ask, credential))

    def _send(self, visit: AccountFetch) -> None:
        """Give a visit to the flow of its credential."""
        self._open.add(visit)
        if self._graphql is None or self._graphql.is_missing:
            self._rest_flow(visit.credential).add(visit)
        else:
            self._graphql_flow(self._graphql, visit.credential).add(visit)

    def _finish(self, visit: AccountFetch, error: GitHubError | None) -> None:
        if visit.is_finished:
            return
        visit.is_finished = True
        self._open.discard(visit)
        self._put(visit.outcome(error))

    def _hand_over(self, visit: AccountFetch, error: GitHubError) -> None:
        """GraphQL could not serve a visit: where it is not to be had, REST may; else another credential may."""
        if isinstance(error, GraphQLUnavailable | PermissionDenied):
            again = self._again(visit, visit.credential)
            self._open.add(again)
            self._rest_flow(again.credential).add(again)
        else:
            self._give_back(visit, error)

    def _give_back(self, visit: AccountFetch, error: GitHubError) -> None:
        """A credential could not serve a visit: another one goes on, if there is one and it could help."""
        if visit.is_finished:
            return
        other = None
        if isinstance(error, RateLimited | BadCredentials):
            other = self._pool.choose(visit.ask.login, avoid=visit.avoided | {visit.credential.fingerprint})
        if other is None:
            self._finish(visit, error)
        else:
            self._send(self._again(visit, other))

    def _again(self, visit: AccountFetch, credential: Credential) -> AccountFetch:
        visit.is_finished = True
        self._open.discard(visit)
        return visit.begin_again(credential)

    def _graphql_flow(self, graphql: GraphQL, credential: Credential) -> GraphQLFetcher:
        flow = self._by_graphql.get(credential.fingerprint)
        if flow is None:
            flow = GraphQLFetcher(
                graphql,
                self._rest,
                lambda: self._asking(credential),
                self._languages_wanted,
                self._finish,
                self._hand_over,
                self._gaps,
                extras=self._extras,
            )
            self._by_graphql[credential.fingerprint] = flow
            self._flows.append(flow)
        return flow

    def _rest_flow(self, credential: Credential) -> RestFetcher:
        flow = self._by_rest.get(credential.fingerprint)
        if flow is None:
            flow = RestFetcher(
                self._rest,
                lambda: self._asking(credential),
                self._languages_wanted,
                self._finish,
                self._give_back,
                self._gaps,
            )
            self._by_rest[credential.fingerprint] = flow
            self._flows.append(flow)
        return flow

    def _asking(self, credential: Credential) -> RequestContext:
        return RequestContext(credential, self._reserve, stop=self._stop)

    def _put(self, item: AccountResult | BaseException | None) -> None:
        while not self._abandoned.is_set():
            try:
                self._outcomes.put(item, timeout=POLL_SECONDS)
            except Full:
                continue
            return


class EitherStopSignal:
    """Set when one of two is."""

    def __init__(self, one: StopSignal, other: StopSignal | None) -> None:
        self._one = one
        self._other = other

    def is_set(self) -> bool:
        return self._one.is_set() or (self._other is not None and self._other.is_set())
