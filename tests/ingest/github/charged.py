"""What GitHub charges for the pages of accounts: our queries, packed as the client packs them, priced by the sandbox.

Only repositories are counted: no response is built, so that thousands of accounts take a moment.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any

from graphql import OperationDefinitionNode, get_variable_values, parse

from core.budget.cost_model import CONCURRENT_QUERIES, CONNECTIONS_PER_POINT, PAGE_SIZE
from ingest.github.api.graphql import GraphQL, PageRequest
from ingest.github.api.graphql_queries import PageSelection, pulse_query
from ingest.github.api.graphql_responses import AccountPage, GraphQLResponse, PageResult
from ingest.github.fetch.page_batcher import PageBatcher
from ingest.github.fetch.requests import PendingRequest
from ingest.github.fetch.worker_pool import Task
from ingest.github.http.credentials import CredentialPool
from ingest.github.http.transport import RequestContext
from ingest.sandbox.graphql.query_cost import Cost, estimate_cost
from ingest.sandbox.graphql.schema import SCHEMA
from ingest.sandbox.graphql.selections import Query

NOW = datetime(2026, 11, 23, tzinfo=UTC)
(CREDENTIAL,) = CredentialPool.from_secrets(["token"]).credentials


def charged_points(sizes: Iterable[int | None], *, actual_of_unknown: int = 30) -> int:
    """Return the points of one job that refreshes accounts with so many repositories, without their languages.

    None is an account's first refresh.
    """
    graphql = CountingGraphQL()
    pages = PageBatcher(graphql, lambda: RequestContext(CREDENTIAL, 0.0))

    def ask(login: str, left: int, cursor: str | None, expected: int | None) -> None:
        pages.add(PendingRequest(PageRequest(login, cursor, expected), partial(answer, login, left), lambda *_: None))

    def answer(login: str, left: int, page: Any) -> None:
        assert isinstance(page, AccountPage)
        if left > PAGE_SIZE:
            ask(login, left - PAGE_SIZE, f"{left}", left - PAGE_SIZE)

    for i, size in enumerate(sizes):
        ask(f"account-{i}", actual_of_unknown if size is None else size, None, size)
    in_flight: deque[Task] = deque()
    while True:
        while len(in_flight) < CONCURRENT_QUERIES and (task := pages.next()):
            in_flight.append(task)
        if not in_flight:
            return graphql.points
        task = in_flight.popleft()
        task.on_response(task.send())


class CountingGraphQL(GraphQL):
    """Answers with empty pages and adds up what their queries cost."""

    def __init__(self) -> None:
        self.points = 0
        self.connections_per_point = CONNECTIONS_PER_POINT

    def pulse(
        self, pages: Sequence[PageRequest], context: RequestContext, *, delay_seconds: float = 0.0
    ) -> tuple[list[PageResult], GraphQLResponse]:
        self.points += Cost(sum(_connections(one) for one in self._page_selections(pages))).points
        page = AccountPage(None, (), 0, None, NOW, is_complete=True)
        return [page] * len(pages), GraphQLResponse({}, (), NOW)


@lru_cache
def _connections(selection: PageSelection) -> int:
    return query_cost([selection]).requests


def query_cost(selections: Sequence[PageSelection]) -> Cost:
    """Return what the sandbox charges for our query of such pages."""
    document = parse(pulse_query(selections, ()))
    operation = next(one for one in document.definitions if isinstance(one, OperationDefinitionNode))
    query = Query.of(SCHEMA, document, operation)
    values = {f"l{i}": "octocat" for i in range(len(selections))}
    variables = get_variable_values(SCHEMA, operation.variable_definitions, values)
    assert not isinstance(variables, list)
    query.variables = variables
    return estimate_cost(query)
