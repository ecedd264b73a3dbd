"""GraphQL: a query in, an answer out, at GitHub's price and with its refusals. No I/O."""

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

from ingest.sandbox.bodies import Body
from ingest.sandbox.clock import iso
from ingest.sandbox.cost import MOST_NODES, Cost, estimate
from ingest.sandbox.faults import Faults
from ingest.sandbox.invalid import told
from ingest.sandbox.limits import Limits, graphql_limited
from ingest.sandbox.messages import Answer, Question, refusal
from ingest.sandbox.plan import Query, Run, Thing
from ingest.sandbox.resolvers import Graph
from ingest.sandbox.schema import SCHEMA
from ingest.sandbox.world import World

DOCS = "https://docs.github.com/graphql"
STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')


class GraphQL:
    """Answers queries about *world*; what they cost is told to the answer, and charged by its caller."""

    def __init__(self, world: World, faults: Faults, limits: Limits) -> None:
        self.world = world
        self.limits = limits
        self.graph = Graph(world, faults)

    def answer(self, question: Question) -> Answer:
        body = _read(question.body)
        if not isinstance(body.get("query"), str):
            return refusal(400, "A query attribute must be specified and must be a string.", DOCS)
        document, errors = understand(body["query"])
        if document is None:
            return _failed(errors)
        return self._execute(question, document, body)

    def _execute(self, question: Question, document: DocumentNode, body: Body) -> Answer:
        operation = _operation(document, body.get("operationName"))
        if operation is None:
            return _failed([{"message": "An operation name is required"}])
        if _introspects(operation):
            return Answer.of(200, execute_sync(SCHEMA, document, variable_values=body.get("variables") or {}).formatted)
        query = Query.of(SCHEMA, document, operation)
        errors = _bind(query, operation, body.get("variables") or {})
        return _failed(errors) if errors else self._run(question, query, estimate(query))

    def _run(self, question: Question, query: Query, cost: Cost) -> Answer:
        bucket = self.limits.bucket(question.owner or "", "graphql")
        if cost.points > bucket.remaining:
            return graphql_limited()
        if cost.nodes > MOST_NODES:
            return _failed([_too_many(cost.nodes)])
        rate = {
            "__typename": "RateLimit",
            "cost": cost.points,
            "limit": bucket.limit,
            "nodeCount": cost.nodes,
            "remaining": bucket.remaining - cost.points,
            "used": bucket.used + cost.points,
            "resetAt": iso(bucket.reset),
        }
        run = Run(query, self.graph.resolvers(self.world.now(), question.owner, rate))
        shown: Body = {"data": run.data(Thing("Query", {"__typename": "Query"}))}
        if run.errors:
            shown["errors"] = run.errors
        answer = Answer.of(200, shown)
        answer.points, answer.nodes = cost.points, cost.nodes
        return answer


@lru_cache(maxsize=256)
def understand(text: str) -> tuple[DocumentNode | None, list[Body]]:
    """Parse and validate; the same text is understood once."""
    try:
        document = parse(text)
    except GraphQLError as error:
        return None, [told(error)]
    if '"""' not in text and _shape_is_valid(STRING.sub('""', text)):
        return document, []
    errors = validate(SCHEMA, document)
    return (None, [told(error, document) for error in errors]) if errors else (document, [])


@lru_cache(maxsize=256)
def _shape_is_valid(shape: str) -> bool:
    """Validate a query whose strings were emptied: the same question about other accounts is as valid."""
    return not validate(SCHEMA, parse(shape))


def _read(body: bytes) -> Body:
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


def _introspects(operation: OperationDefinitionNode) -> bool:
    fields = [node for node in operation.selection_set.selections if isinstance(node, FieldNode)]
    return any(node.name.value in ("__schema", "__type") for node in fields)


def _bind(query: Query, operation: OperationDefinitionNode, given: Any) -> list[Body]:
    """Give the query its variables; return what is wrong with them."""
    bound = get_variable_values(SCHEMA, operation.variable_definitions or (), given)
    if isinstance(bound, list):
        return [told(error) for error in bound]
    query.variables = bound
    return []


def _too_many(nodes: int) -> Body:
    message = f"This query requests up to {nodes:,} possible nodes which exceeds the maximum limit of 500,000."
    return {"type": "MAX_NODE_LIMIT_EXCEEDED", "message": message}


def _failed(errors: list[Body]) -> Answer:
    return Answer.of(200, {"errors": errors})
