"""Errors of a query in GitHub's wording instead of graphql-core's."""

import re
from typing import Any

from graphql import DocumentNode, FieldNode, FragmentDefinitionNode, GraphQLError, Node, OperationDefinitionNode

from ingest.sandbox.rest.bodies import Body

UNKNOWN_FIELD = re.compile(r"Cannot query field '(\w+)' on type '(\w+)'")
UNKNOWN_ARGUMENT = re.compile(r"Unknown argument '(\w+)' on field '(\w+)\.(\w+)'")


def error_body(error: GraphQLError, document: DocumentNode | None = None) -> Body:
    """Write the body for an error of parsing, validation or variables."""
    places = [{"line": place.line, "column": place.column} for place in error.locations or ()]
    path = _error_path(document, error.nodes[0]) if document and error.nodes else None
    body: Body = {"path": path} if path else {}
    return body | _github_error(error.message) | {"locations": places}


def _github_error(message: str) -> Body:
    field = UNKNOWN_FIELD.match(message)
    if field:
        extensions = {"code": "undefinedField", "typeName": field[2], "fieldName": field[1]}
        return {"extensions": extensions, "message": f"Field '{field[1]}' doesn't exist on type '{field[2]}'"}
    argument = UNKNOWN_ARGUMENT.match(message)
    if argument:
        extensions = {"code": "argumentNotAccepted", "name": argument[3], "argumentName": argument[1]}
        words = f"Field '{argument[3]}' doesn't accept argument '{argument[1]}'"
        return {"extensions": extensions, "message": words}
    return {"message": message}


def _error_path(document: DocumentNode, node: Node) -> list[str] | None:
    """Name what leads to *node*: the operation or fragment, then the fields."""
    for definition in document.definitions:
        way = _path_from(definition, node)
        if way is not None:
            return way
    return None


def _path_from(here: Any, node: Node) -> list[str] | None:
    if here is node:
        return [_node_label(here)] if _node_label(here) else []
    inside = list(getattr(here, "arguments", None) or ())
    if getattr(here, "selection_set", None):
        inside += here.selection_set.selections
    for inner in inside:
        way = _path_from(inner, node)
        if way is not None:
            return [_node_label(here), *way] if _node_label(here) else way
    return None


def _node_label(node: Any) -> str:
    if isinstance(node, OperationDefinitionNode):
        return f"{node.operation.value} {node.name.value}" if node.name else node.operation.value
    if isinstance(node, FragmentDefinitionNode):
        return f"fragment {node.name.value}"
    if isinstance(node, FieldNode):
        return node.alias.value if node.alias else node.name.value
    name = getattr(node, "name", None)
    return name.value if name else ""
