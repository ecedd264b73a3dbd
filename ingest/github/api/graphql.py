"""GitHub's GraphQL API: many accounts or repositories per query. Callers decide which go into one batch."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from threading import Lock
from typing import Any

import structlog

from core.budget import cost_model
from ingest.github.api import graphql_queries
from ingest.github.api.graphql_queries import NodeKind, PageSelection
from ingest.github.api.graphql_responses import (
    ContributionCalendar,
    FailedNode,
    GraphQLResponse,
    LanguagePage,
    NodeResult,
    PageResult,
    read_account_page,
    read_contribution_calendar,
    read_errors,
    read_extras,
    read_languages,
    read_node,
    read_nodes,
    read_repository,
)
from ingest.github.api.models import Extras, RareCounts, Repository
from ingest.github.errors import GraphQLUnavailable, InvalidResponse, RepositoryNotFound, UnexpectedStatus
from ingest.github.http.credentials import CredentialPool
from ingest.github.http.etag_cache import ResponseCache
from ingest.github.http.rate_budget import GRAPHQL
from ingest.github.http.responses import OK, Response, rate_limit_status, read_json, response_error
from ingest.github.http.transport import ApiRequest, ParsedResponse, RequestContext, Transport
from ingest.github.http.urls import graphql_url

log = structlog.get_logger()

# A failed batch is retried unchanged this often; then its callers split it.
MAX_ATTEMPTS = 3
# Responses of a server without GraphQL to a POST.
NO_GRAPHQL_STATUSES = frozenset({404, 405, 410})
# A proxy in between may have sent one of them: GraphQL costs so much less that it is worth a request an hour.
MISSING_SECONDS = 3600.0
BAD_REQUEST, UNPROCESSABLE = 400, 422


@dataclass(frozen=True)
class PageRequest:
    """A page of an account's repositories: the first one, or the one after a cursor.

    *repositories* is how many this page and those after it are expected to list; None where the account was never
    fetched before, and then all its counts are fetched.
    """

    login: str
    cursor: str | None = None
    repositories: int | None = field(default=None, compare=False)


class GraphQL:
    """The queries that Almanac needs. Thread-safe.

    Source: https://docs.github.com/en/graphql
    """

    def __init__(
        self,
        transport: Transport,
        pool: CredentialPool,
        cache: ResponseCache,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = transport
        self._pool = pool
        self._cache = cache
        self._url = graphql_url(transport.root)
        self._unsupported_fields: frozenset[str] = frozenset()
        self._monotonic = monotonic
        self._missing_until = -math.inf
        self.connections_per_point = cost_model.CONNECTIONS_PER_POINT
        """How many connections a query that costs one point may have on this server."""
        self._lock = Lock()

    @property
    def is_missing(self) -> bool:
        """Whether this server had no GraphQL when it was last asked, at most an hour ago."""
        return self._monotonic() < self._missing_until

    def pulse(
        self, pages: Sequence[PageRequest], context: RequestContext, *, delay_seconds: float = 0.0
    ) -> tuple[list[PageResult], GraphQLResponse]:
        """Fetch accounts with the counts of their repositories, one page each; results are in the order of *pages*.

        *delay_seconds* is how long to wait before sending.
        Source: https://docs.github.com/en/graphql/reference/interfaces#repositoryowner
        """
        if delay_seconds:
            self._transport.gate.wait(delay_seconds, context.stop)
        selections = self._page_selections(pages)
        variables: dict[str, object] = {}
        for i, page in enumerate(pages):
            variables |= {f"l{i}": page.login, f"c{i}": page.cursor}
        result = self._send(
            lambda unsupported: graphql_queries.pulse_query(selections, unsupported),
            variables,
            "accounts",
            graphql_queries.cost_in_points(graphql_queries.pulse_connection_count(selections)),
            context,
        )
        parts = [
            read_account_page(result, f"a{i}", page.login, first=page.cursor is None) for i, page in enumerate(pages)
        ]
        return parts, result

    def _page_selections(self, pages: Sequence[PageRequest]) -> list[PageSelection]:
        """Choose the counts of each account: all of them at its first refresh, and whenever they cost nothing."""
        complete: list[PageSelection] = [
            "further page" if page.cursor else "account with rare counts" for page in pages
        ]
        if graphql_queries.pulse_connection_count(complete) <= self.connections_per_point:
            return complete
        return ["account" if page.cursor is None and page.repositories is not None else selection
                for page, selection in zip(pages, complete, strict=True)]  # fmt: skip

    def profiles(self, logins: Sequence[str], context: RequestContext) -> GraphQLResponse:
        """Fetch accounts without their repositories; the alias of the i-th login is `a{i}`."""
        variables: dict[str, object] = {f"l{i}": login for i, login in enumerate(logins)}
        return self._send(
            lambda unsupported: graphql_queries.profiles_query(len(logins), unsupported),
            variables,
            "accounts",
            graphql_queries.cost_in_points(len(logins)),
            context,
        )

    def languages(self, node_ids: Sequence[str], context: RequestContext) -> list[LanguagePage | FailedNode | None]:
        """Fetch the languages of repositories: None for one that GitHub does not show, FailedNode for one to retry."""
        return self.languages_with_timestamp(node_ids, context)[0]

    def languages_with_timestamp(
        self, node_ids: Sequence[str], context: RequestContext
    ) -> tuple[list[LanguagePage | FailedNode | None], datetime]:
        """Return the same as `languages`, with the time of the response."""
        found, result = self._nodes_with_response(
            graphql_queries.languages_selection(), node_ids, "languages", 1, context
        )
        return [read_languages(node) if isinstance(node, dict) else node for node in found], result.captured_at

    def rare_counts_with_timestamp(
        self, node_ids: Sequence[str], context: RequestContext
    ) -> tuple[list[RareCounts | FailedNode | None], datetime]:
        """Fetch how many accounts users follow and how many public gists they have, and the time of the response."""
        found, result = self._nodes_with_response(
            ("id", *graphql_queries.RARE_USER_FIELDS),
            node_ids,
            "accounts",
            graphql_queries.CONNECTIONS_PER_RARE_COUNTS,
            context,
            kind="User",
        )
        counts = [RareCounts.from_graphql(node) if isinstance(node, dict) else node for node in found]
        return counts, result.captured_at

    def more_languages(
        self, pages: Sequence[tuple[str, str]], context: RequestContext
    ) -> list[LanguagePage | FailedNode | None]:
        """Fetch a further page of languages for each (node id, cursor)."""
        variables: dict[str, object] = {}
        for i, (node_id, cursor) in enumerate(pages):
            variables |= {f"i{i}": node_id, f"c{i}": cursor}
        cost = graphql_queries.cost_in_points(len(pages))
        result = self._send(
            lambda unsupported: graphql_queries.more_languages_query(len(pages), unsupported),
            variables,
            "languages",
            cost,
            context,
        )
        found = [read_node(result, f"n{i}", "languages") for i in range(len(pages))]
        return [read_languages(node) if isinstance(node, dict) else node for node in found]

    def extras(self, node_ids: Sequence[str], context: RequestContext) -> list[Extras | FailedNode | None]:
        """Fetch watchers, open issues, open change requests and topics, which cost a connection each."""
        return self.extras_with_timestamp(node_ids, context)[0]

    def extras_with_timestamp(
        self, node_ids: Sequence[str], context: RequestContext
    ) -> tuple[list[Extras | FailedNode | None], datetime]:
        """Return the same as `extras`, with the time of the response."""
        found, result = self._nodes_with_response(
            graphql_queries.EXTRAS_FIELDS, node_ids, "extras", graphql_queries.CONNECTIONS_PER_EXTRAS, context
        )
        return [read_extras(node) if isinstance(node, dict) else node for node in found], result.captured_at

    def contribution_calendar(
        self, node_id: str, spans: Sequence[tuple[date, date]], context: RequestContext
    ) -> ContributionCalendar | None:
        """Fetch a user's public contributions by day, for spans of at most a year; None for one not shown.

        Source: https://docs.github.com/en/graphql/reference/objects#contributionscollection
        """
        variables: dict[str, object] = {"i": node_id}
        for i, (first, last) in enumerate(spans):
            variables |= {f"f{i}": f"{first}T00:00:00Z", f"t{i}": f"{last}T23:59:59Z"}
        result = self._send(
            lambda unsupported: graphql_queries.contribution_calendar_query(len(spans), unsupported),
            variables,
            "contributions",
            graphql_queries.cost_in_points(0),
            context,
        )
        node = read_node(result, "n0", "contributions")
        found = read_contribution_calendar(node, result.captured_at) if isinstance(node, dict) else node
        if isinstance(found, FailedNode):
            raise found.error
        return found

    def repositories(self, node_ids: Sequence[str], context: RequestContext) -> list[Repository | FailedNode | None]:
        """Fetch repositories by node id, whatever their names are now. Results as for `languages`."""
        found = self._nodes(graphql_queries.REPOSITORY_FIELDS, node_ids, "repositories", 0, context)
        return [read_repository(node) if isinstance(node, dict) else node for node in found]

    def _nodes(
        self, selection: Sequence[str], node_ids: Sequence[str], what: str, connections: int, context: RequestContext
    ) -> list[NodeResult]:
        return self._nodes_with_response(selection, node_ids, what, connections, context)[0]

    def _nodes_with_response(
        self,
        selection: Sequence[str],
        node_ids: Sequence[str],
        what: str,
        connections: int,
        context: RequestContext,
        *,
        kind: NodeKind = "Repository",
    ) -> tuple[list[NodeResult], GraphQLResponse]:
        lists = [
            node_ids[i : i + graphql_queries.IDS_PER_LIST]
            for i in range(0, len(node_ids), graphql_queries.IDS_PER_LIST)
        ]
        result = self._send(
            lambda unsupported: graphql_queries.nodes_query(selection, len(lists), unsupported, kind),
            {f"i{i}": list(ids) for i, ids in enumerate(lists)},
            what,
            graphql_queries.cost_in_points(len(node_ids) * connections),
            context,
        )
        found: list[NodeResult] = []
        for i, ids in enumerate(lists):
            found += read_nodes(result, f"n{i}", len(ids), what)
        return found, result

    def _send(
        self,
        text: Callable[[frozenset[str]], str],
        variables: dict[str, object],
        what: str,
        cost: int,
        context: RequestContext,
    ) -> GraphQLResponse:
        """Send a query. Where the server lacks an optional field, send it again without that field."""
        while True:
            unsupported = self._unsupported_fields
            body = {"query": text(unsupported), "variables": variables}
            request = ApiRequest(
                self._url, what, context, "POST", "graphql", GRAPHQL, json=body, cost=cost, attempts=MAX_ATTEMPTS
            )
            result, response = self._send_request(request)
            self._record_usage(result, response, cost, context)
            if result.data:
                return result
            lacking = {error.optional_field for error in result.errors} - {None} - unsupported
            if not lacking:
                raise result.to_exception(what)
            self._mark_unsupported({name for name in lacking if name})

    def _send_request(self, request: ApiRequest) -> tuple[GraphQLResponse, Response]:
        parsed = self._transport.send(request)
        try:
            return _parse_response(parsed, request.what), parsed.response
        except GraphQLUnavailable:
            self._missing_until = self._monotonic() + MISSING_SECONDS
            log.warning("GraphQL unavailable, using REST", status=parsed.response.status)
            raise

    def _mark_unsupported(self, names: set[str]) -> None:
        with self._lock:
            self._unsupported_fields |= names
        log.warning("GraphQL fields unsupported, omitting them", fields=sorted(names))

    def _record_usage(
        self, result: GraphQLResponse, response: Response, estimate: int, context: RequestContext
    ) -> None:
        """Record the points spent, the rate limit and the token's owner, which every query reports free of charge."""
        points = result.points if result.points is not None else estimate if result.data else 0
        context.tally.points += points
        self._transport.count(points=points)
        if points > estimate and self.connections_per_point > cost_model.CONNECTIONS_PER_POINT_ROUNDED_UP:
            # Not the documented rounding: smaller queries are cheaper here.
            self.connections_per_point = cost_model.CONNECTIONS_PER_POINT_ROUNDED_UP
            log.info("GraphQL costs more than documented, queries become smaller", points=points, expected=estimate)
        credential = context.credential
        status = None if rate_limit_status(response) else result.rate_limit_status()
        if status:
            self._transport.gate.record_status(self._pool.owner(credential), "graphql", status)
        before = self._pool.owner(credential)
        if result.viewer and self._pool.learn_owner(credential.fingerprint, result.viewer.lower()):
            self._transport.gate.rename_owner(before, result.viewer.lower())
            self._cache.learn_owner(credential.fingerprint, result.viewer.lower())


def _parse_response(parsed: ParsedResponse, what: str) -> GraphQLResponse:
    response = parsed.response
    body = parsed.body if response.status == OK else _error_body(response, what)
    if not isinstance(body, dict) or not (isinstance(body.get("data"), dict) or body.get("errors")):
        raise InvalidResponse(what, "it has neither data nor errors")
    data = body.get("data")
    return GraphQLResponse(data if isinstance(data, dict) else {}, read_errors(body), response.date)


def _error_body(response: Response, what: str) -> Any:
    """Return the body of a refused query: some servers send 400 with `errors`. Raises for any other status."""
    refused = response_error(response, what)
    if response.status in (BAD_REQUEST, UNPROCESSABLE) and b'"errors"' in response.body:
        return read_json(response, what)
    if response.status in NO_GRAPHQL_STATUSES or isinstance(refused, RepositoryNotFound):
        raise GraphQLUnavailable(f"status {response.status}")
    raise refused or UnexpectedStatus(response.status, what)
