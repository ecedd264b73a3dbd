"""GraphQL: many accounts, or many repositories, a query. Sends batches; how they are packed is others' business."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from threading import Lock
from typing import Any

import structlog

from ingest.github.api import graphql_queries
from ingest.github.api.graphql_responses import (
    Bytes,
    Calendar,
    Lost,
    Node,
    Part,
    Told,
    read_calendar,
    read_extras,
    read_faults,
    read_languages,
    read_node,
    read_nodes,
    read_page,
    read_repository,
)
from ingest.github.api.models import Extras, Repository
from ingest.github.http.credentials import Pool
from ingest.github.http.errors import GitHubError, RepositoryGone, UnexpectedStatus, UnreadableAnswer
from ingest.github.http.etag_cache import Cache
from ingest.github.http.rate_budget import GRAPHQL
from ingest.github.http.responses import OK, Answer, limits_of, read_json, refusal
from ingest.github.http.transport import Asking, Call, Reply, Transport
from ingest.github.http.urls import graphql_address

log = structlog.get_logger()

# A failed batch is worth repeating as it is a few times; then it is asked in halves.
ATTEMPTS = 3
# What a server without GraphQL answers to a POST there.
NO_GRAPHQL = frozenset({404, 405, 410})
BAD_REQUEST, UNPROCESSABLE = 400, 422


class GraphQLMissing(GitHubError):
    """This server has no GraphQL, or none for this token: REST has to do."""

    code = "graphql_missing"


@dataclass(frozen=True)
class PageAsk:
    """A page of an account's repositories: the first one, or the one after a cursor."""

    login: str
    cursor: str | None = None


class GraphQL:
    """The queries that Almanac needs. Safe to use from many threads."""

    def __init__(self, transport: Transport, pool: Pool, cache: Cache) -> None:
        self._transport = transport
        self._pool = pool
        self._cache = cache
        self._url = graphql_address(transport.root)
        self._dropped: frozenset[str] = frozenset()
        self.is_missing = False
        self._lock = Lock()

    def pulse(self, pages: Sequence[PageAsk], asking: Asking, *, after: float = 0.0) -> tuple[list[Part], Told]:
        """Read accounts and the counts of their repositories, a page each; the parts come in the order asked.

        First pages must come before further ones. *after* is how many seconds to wait before.
        Source: https://docs.github.com/en/graphql/reference/interfaces#repositoryowner
        """
        if after:
            self._transport.gate.wait(after, asking.stop)
        firsts = sum(page.cursor is None for page in pages)
        variables: dict[str, object] = {}
        for i, page in enumerate(pages):
            variables |= {f"l{i}": page.login, f"c{i}": page.cursor}
        told = self._send(
            lambda dropped: graphql_queries.pulse(firsts, len(pages) - firsts, dropped),
            variables,
            "accounts",
            graphql_queries.points(graphql_queries.pulse_connections(firsts, len(pages) - firsts)),
            asking,
        )
        parts = [read_page(told, f"a{i}", page.login, first=i < firsts) for i, page in enumerate(pages)]
        return parts, told

    def profiles(self, logins: Sequence[str], asking: Asking) -> Told:
        """Read who logins belong to; the answer of the i-th one is called `a{i}`."""
        variables: dict[str, object] = {f"l{i}": login for i, login in enumerate(logins)}
        return self._send(
            lambda dropped: graphql_queries.profiles(len(logins), dropped),
            variables,
            "accounts",
            graphql_queries.points(len(logins)),
            asking,
        )

    def languages(self, node_ids: Sequence[str], asking: Asking) -> list[Bytes | Lost | None]:
        """Read the languages of repositories; None for one that GitHub does not show, Lost for one to ask for again."""
        found = self._nodes(graphql_queries.languages(), node_ids, "languages", 1, asking)
        return [read_languages(node) if isinstance(node, dict) else node for node in found]

    def more_languages(self, pages: Sequence[tuple[str, str]], asking: Asking) -> list[Bytes | Lost | None]:
        """Read a further page of languages of each (node id, cursor)."""
        variables: dict[str, object] = {}
        for i, (node_id, cursor) in enumerate(pages):
            variables |= {f"i{i}": node_id, f"c{i}": cursor}
        cost = graphql_queries.points(len(pages))
        told = self._send(
            lambda dropped: graphql_queries.more_languages(len(pages), dropped), variables, "languages", cost, asking
        )
        found = [read_node(told, f"n{i}", "languages") for i in range(len(pages))]
        return [read_languages(node) if isinstance(node, dict) else node for node in found]

    def extras(self, node_ids: Sequence[str], asking: Asking) -> list[Extras | Lost | None]:
        """Read what costs a connection each: watchers, open issues, open change requests, topics."""
        return self.extras_at(node_ids, asking)[0]

    def extras_at(self, node_ids: Sequence[str], asking: Asking) -> tuple[list[Extras | Lost | None], datetime]:
        """The same, and the moment of the answer."""
        found, told = self._told_nodes(
            graphql_queries.EXTRAS, node_ids, "extras", graphql_queries.CONNECTIONS_OF_EXTRAS, asking
        )
        return [read_extras(node) if isinstance(node, dict) else node for node in found], told.captured_at

    def calendar(self, node_id: str, spans: Sequence[tuple[date, date]], asking: Asking) -> Calendar | None:
        """Read a user's public contributions by day, of spans of a year at most; None for one not shown.

        Source: https://docs.github.com/en/graphql/reference/objects#contributionscollection
        """
        variables: dict[str, object] = {"i": node_id}
        for i, (first, last) in enumerate(spans):
            variables |= {f"f{i}": f"{first}T00:00:00Z", f"t{i}": f"{last}T23:59:59Z"}
        told = self._send(
            lambda dropped: graphql_queries.calendar(len(spans), dropped),
            variables,
            "contributions",
            graphql_queries.points(0),
            asking,
        )
        node = read_node(told, "n0", "contributions")
        found = read_calendar(node, told.captured_at) if isinstance(node, dict) else node
        if isinstance(found, Lost):
            raise found.error
        return found

    def repositories(self, node_ids: Sequence[str], asking: Asking) -> list[Repository | Lost | None]:
        """Read repositories wherever they are now; None for one not shown, Lost for one to ask again."""
        found = self._nodes(graphql_queries.REPOSITORY, node_ids, "repositories", 0, asking)
        return [read_repository(node) if isinstance(node, dict) else node for node in found]

    def _nodes(
        self, selection: Sequence[str], node_ids: Sequence[str], what: str, connections: int, asking: Asking
    ) -> list[Node]:
        return self._told_nodes(selection, node_ids, what, connections, asking)[0]

    def _told_nodes(
        self, selection: Sequence[str], node_ids: Sequence[str], what: str, connections: int, asking: Asking
    ) -> tuple[list[Node], Told]:
        lists = [node_ids[i : i + graphql_queries.IDS_EACH] for i in range(0, len(node_ids), graphql_queries.IDS_EACH)]
        told = self._send(
            lambda dropped: graphql_queries.nodes(selection, len(lists), dropped),
            {f"i{i}": list(ids) for i, ids in enumerate(lists)},
            what,
            graphql_queries.points(len(node_ids) * connections),
            asking,
        )
        found: list[Node] = []
        for i, ids in enumerate(lists):
            found += read_nodes(told, f"n{i}", len(ids), what)
        return found, told

    def _send(
        self,
        text: Callable[[frozenset[str]], str],
        variables: dict[str, object],
        what: str,
        cost: int,
        asking: Asking,
    ) -> Told:
        """Send a query; where the server lacks a field we can do without, send it again without that field."""
        while True:
            dropped = self._dropped
            body = {"query": text(dropped), "variables": variables}
            call = Call(self._url, what, asking, "POST", "graphql", GRAPHQL, json=body, cost=cost, attempts=ATTEMPTS)
            told, answer = self._ask(call)
            self._learn(told, answer, cost, asking)
            if told.data:
                return told
            lacking = {fault.optional_field for fault in told.faults} - {None} - dropped
            if not lacking:
                raise told.as_error(what)
            self._drop({name for name in lacking if name})

    def _ask(self, call: Call) -> tuple[Told, Answer]:
        reply = self._transport.send(call)
        try:
            return _read(reply, call.what), reply.answer
        except GraphQLMissing:
            self.is_missing = True
            log.warning("no graphql here, going on with rest", status=reply.answer.status)
            raise

    def _drop(self, names: set[str]) -> None:
        with self._lock:
            self._dropped |= names
        log.warning("github's graphql lacks fields, going on without", fields=sorted(names))

    def _learn(self, told: Told, answer: Answer, estimate: int, asking: Asking) -> None:
        """Note the price, the budget, and whose token this is: all told for nothing."""
        points = told.points if told.points is not None else estimate if told.data else 0
        asking.tally.points += points
        self._transport.count(points=points)
        credential = asking.credential
        limits = None if limits_of(answer) else told.limits()
        if limits:
            self._transport.gate.told(self._pool.owner(credential), "graphql", limits)
        before = self._pool.owner(credential)
        if told.viewer and self._pool.learn_owner(credential.fingerprint, told.viewer.lower()):
            self._transport.gate.rename_owner(before, told.viewer.lower())
            self._cache.learn_owner(credential.fingerprint, told.viewer.lower())


def _read(reply: Reply, what: str) -> Told:
    answer = reply.answer
    body = reply.body if answer.status == OK else _errors_of(answer, what)
    if not isinstance(body, dict) or not (isinstance(body.get("data"), dict) or body.get("errors")):
        raise UnreadableAnswer(what, "it has neither data nor errors")
    data = body.get("data")
    return Told(data if isinstance(data, dict) else {}, read_faults(body), answer.date)


def _errors_of(answer: Answer, what: str) -> Any:
    """Some servers refuse a query with 400 and its errors; any other status is a refusal of its own."""
    refused = refusal(answer, what)
    if answer.status in (BAD_REQUEST, UNPROCESSABLE) and b'"errors"' in answer.body:
        return read_json(answer, what)
    if answer.status in NO_GRAPHQL or isinstance(refused, RepositoryGone):
        raise GraphQLMissing(f"GitHub's GraphQL does not answer here (status {answer.status})")
    raise refused or UnexpectedStatus(answer.status, what)
