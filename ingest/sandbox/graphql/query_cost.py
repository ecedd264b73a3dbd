"""The cost of a query, computed before it runs: GitHub charges for connections, full or not."""

from dataclasses import dataclass
from typing import Any

from graphql import GraphQLInterfaceType, GraphQLObjectType, get_named_type

from ingest.sandbox.graphql.selections import Query, Selections

MAX_NODES = 500_000


@dataclass(frozen=True, slots=True)
class Cost:
    """Requests for connections and nodes that may come back; points are requests / 100, rounded, at least 1."""

    requests: int = 0
    nodes: int = 0

    @property
    def points(self) -> int:
        return max((self.requests + 50) // 100, 1)

    def plus(self, other: "Cost") -> "Cost":
        return Cost(self.requests + other.requests, self.nodes + other.nodes)


def estimate_cost(query: Query) -> Cost:
    return _type_cost(query, "Query", (query.operation.selection_set,), 1, 0)


def _type_cost(query: Query, type_name: str, selections: Selections, times: int, page: int) -> Cost:
    """Add up what is selected of *times* objects; *page* is how many items a connection around them gives."""
    total = Cost()
    for nodes in query.fields(type_name, selections).values():
        node = nodes[0]
        inner = tuple(other.selection_set for other in nodes if other.selection_set)
        if not inner or node.name.value.startswith("__"):
            continue
        values = query.arguments(type_name, node)
        kind = get_named_type(query.field_type(type_name, node).type)
        total = total.plus(_field_cost(query, node.name.value, kind, values, inner, times, page))
    return total


def _field_cost(
    query: Query, name: str, kind: Any, values: dict[str, Any], inner: Selections, times: int, page: int
) -> Cost:
    if kind.name.endswith("Connection"):
        size = values.get("first") or values.get("last") or 0
        return Cost(times, times * size).plus(_type_cost(query, kind.name, inner, times, size))
    if name == "nodes" and "ids" in values:
        count = len(values["ids"])
        return Cost(0, count).plus(_most_expensive_type(query, kind, inner, times * count))
    # What a connection lists comes once for each item of its page.
    within = times * page if name in ("nodes", "edges") else times
    return _most_expensive_type(query, kind, inner, within)


def _most_expensive_type(query: Query, kind: Any, inner: Selections, times: int) -> Cost:
    """Return the cost of the most expensive type an interface may resolve to."""
    if isinstance(kind, GraphQLInterfaceType):
        types: list[GraphQLObjectType] = list(query.schema.get_possible_types(kind))
        costs = [_type_cost(query, each.name, inner, times, 0) for each in types]
        return max(costs, key=lambda cost: (cost.requests, cost.nodes))
    return _type_cost(query, kind.name, inner, times, 0)
