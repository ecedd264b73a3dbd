"""Execute GraphQL queries with GitHub's costs and errors. No I/O."""

import json
import re
from functools import lru_cache
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    OperationDefinitionNode,
    execute_sync,
    get_variable_values,
    parse,
    validate,
)

from ingest.sandbox.graphql.query_cost import MAX_NODES, Cost, estimate_cost
from ingest.sandbox.graphql.query_errors import error_body
from ingest.sandbox.graphql.resolvers import Graph
from ingest.sandbox.graphql.schema import SCHEMA
from ingest.sandbox.graphql.selections import Execution, GraphObject, Query
from ingest.sandbox.rest.bodies import Body
from ingest.sandbox.server.faults import Faults
from ingest.sandbox.server.limits import Limits, graphql_limit_response
from ingest.sandbox.server.messages import ApiRequest, ApiResponse, error_response
from ingest.sandbox.world.clock import iso_timestamp
from ingest.sandbox.world.population import World

DOCS = "https://docs.github.com/graphql"
STRING_LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"')


class GraphQL:
    """Executes queries about *world*; the response carries their cost, and the caller charges it."""

    def __init__(self, world: World, faults: Faults, limits: Limits) -> None:
        self.world = world
        self.limits = limits
        self.graph = Graph(world, faults)

    def handle(self, request: ApiRequest) -> ApiResponse:
        body = _parse_body(request.body)
        if not isinstance(body.get("query"), str):
            return error_response(400, "A query attribute must be specified and must be a string.", DOCS)
        document, errors = parse_and_validate(body["query"])
        if document is None:
            return _errors_response(errors)
        return self._execute(request, document, body)

    def _execute(self, request: ApiRequest, document: DocumentNode, body: Body) -> ApiResponse:
        operation = _operation(document, body.get("operationName"))
        if operation is None:
            return _errors_response([{"message": "An operation name is required"}])
        if _is_introspection(operation):
            return ApiResponse.of(
                200, execute_sync(SCHEMA, document, variable_values=body.get("variables") or {}).formatted
            )
        query = Query.of(SCHEMA, document, operation)
        errors = _bind_variables(query, operation, body.get("variables") or {})
        return _errors_response(errors) if errors else self._run(request, query, estimate_cost(query))

    def _run(self, request: ApiRequest, query: Query, cost: Cost) -> ApiResponse:
        bucket = self.limits.bucket(request.owner or "", "graphql")
        if cost.points > bucket.remaining:
            return graphql_limit_response()
        if cost.nodes > MAX_NODES:
            return _errors_response([_node_limit_error(cost.nodes)])
        rate = {
            "__typename": "RateLimit",
            "cost": cost.points,
            "limit": bucket.limit,
            "nodeCount": cost.nodes,
            "remaining": bucket.remaining - cost.points,
            "used": bucket.used + cost.points,
            "resetAt": iso_timestamp(bucket.reset),
        }
        run = Execution(query, self.graph.resolvers(self.world.now(), request, rate))
        shown: Body = {"data": run.data(GraphObject("Query", {"__typename": "Query"}))}
        if run.errors:
            shown["errors"] = run.errors
        response = ApiResponse.of(200, shown)
        response.points, response.nodes = cost.points, cost.nodes
        return response


@lru_cache(maxsize=256)
def parse_and_validate(text: str) -> tuple[DocumentNode | None, list[Body]]:
    """Parse and validate a query; results are cached by its text."""
    try:
        document = parse(text)
    except GraphQLError as error:
        return None, [error_body(error)]
    if '"""' not in text and _shape_is_valid(STRING_LITERAL.sub('""', text)):
        return document, []
    errors = validate(SCHEMA, document)
    return (None, [error_body(error, document) for error in errors]) if errors else (document, [])


@lru_cache(maxsize=256)
def _shape_is_valid(shape: str) -> bool:
    """Validate a query with its strings emptied: the result holds for other accounts too."""
    return not validate(SCHEMA, parse(shape))


def _parse_body(body: bytes) -> Body:
    try:
        read = json.loads(body)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode | None:
    operations = [d for d in document.definitions if isinstance(d, OperationDefinitionNode)]
    if name:
        operations = [o for o in operations if o.name and o.name.value == name]
    return operations[0] if len(operations) == 1 else None


def _is_introspection(operation: OperationDefinitionNode) -> bool:
    fields = [node for node in operation.selection_set.selections if isinstance(node, FieldNode)]
    return any(node.name.value in ("__schema", "__type") for node in fields)


def _bind_variables(query: Query, operation: OperationDefinitionNode, given: Any) -> list[Body]:
    """Give the query its variables; return what is wrong with them."""
    bound = get_variable_values(SCHEMA, operation.variable_definitions or (), given)
    if isinstance(bound, list):
        return [error_body(error) for error in bound]
    query.variables = bound
    return []


def _node_limit_error(nodes: int) -> Body:
    message = f"This query requests up to {nodes:,} possible nodes which exceeds the maximum limit of 500,000."
    return {"type": "MAX_NODE_LIMIT_EXCEEDED", "message": message}


def _errors_response(errors: list[Body]) -> ApiResponse:
    return ApiResponse.of(200, {"errors": errors})
