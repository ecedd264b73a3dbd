"""Run GraphQL selections over plain rows: graphql-core parses and validates, this executor is fast.

A full page of repositories is a few thousand values; asking a resolver for each would make the sandbox GitHub
slower than the real one. Here the scalars of an object are copied from its row in one go.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_argument_values,
    get_directive_values,
    get_location,
)
from graphql.execution.values import VariableValues
from graphql.type import GraphQLIncludeDirective, GraphQLSkipDirective

ResponsePath = tuple[str | int, ...]
Selections = tuple[SelectionSetNode, ...]


@dataclass(frozen=True, slots=True)
class GraphObject:
    """An object of the graph: its type, its scalars by name, and what its resolvers start from."""

    type: str
    row: Mapping[str, Any]
    source: Any = None


class FieldRefused(Exception):
    """GitHub returns null here, and the reason in `errors`."""

    def __init__(self, kind: str | None, message: str) -> None:
        self.kind = kind
        super().__init__(message)


Resolver = Callable[[Any, Mapping[str, Any]], Any]
Resolvers = Mapping[tuple[str, str], Resolver]


@dataclass(slots=True)
class ResolvedField:
    """A field that is not a plain scalar: how to resolve it and what is selected in it."""

    key: str
    node: FieldNode
    resolve: Resolver
    values: dict[str, Any]
    selections: Selections
    plans: "dict[str, ObjectPlan]" = field(default_factory=dict)


@dataclass(slots=True)
class ObjectPlan:
    """What to do with an object of one type: keys in order, each with the scalar it shows, and the branches."""

    fields: list[tuple[str, str]]
    resolved_fields: list[ResolvedField]


@dataclass(slots=True)
class Query:
    """One operation with its fragments and variables."""

    schema: GraphQLSchema
    operation: OperationDefinitionNode
    fragments: dict[str, FragmentDefinitionNode]
    variables: VariableValues | None = None

    @classmethod
    def of(cls, schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> "Query":
        named = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        return cls(schema, operation, named)

    def fields(self, type_name: str, selections: Selections) -> dict[str, list[FieldNode]]:
        """Collect what is selected of an object of *type_name*, by the key it is shown under."""
        found: dict[str, list[FieldNode]] = {}
        for selection in selections:
            self._collect(type_name, selection, found)
        return found

    def arguments(self, type_name: str, node: FieldNode) -> dict[str, Any]:
        """Return the values of a field's arguments, defaults included."""
        return get_argument_values(self.field_type(type_name, node), node, self.variables)

    def field_type(self, type_name: str, node: FieldNode) -> Any:
        kind = self.schema.type_map[type_name]
        assert isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
        return kind.fields[node.name.value]

    def _collect(self, type_name: str, selections: SelectionSetNode, found: dict[str, list[FieldNode]]) -> None:
        for node in selections.selections:
            if not self._included(node):
                continue
            if isinstance(node, FieldNode):
                found.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
            elif isinstance(node, InlineFragmentNode):
                if node.type_condition is None or self._matches_type(type_name, node.type_condition.name.value):
                    self._collect(type_name, node.selection_set, found)
            elif isinstance(node, FragmentSpreadNode):
                fragment = self.fragments[node.name.value]
                if self._matches_type(type_name, fragment.type_condition.name.value):
                    self._collect(type_name, fragment.selection_set, found)

    def _matches_type(self, type_name: str, condition: str) -> bool:
        if type_name == condition:
            return True
        wanted = self.schema.type_map[condition]
        return isinstance(wanted, GraphQLInterfaceType) and any(
            kind.name == type_name for kind in self.schema.get_possible_types(wanted)
        )

    def _included(self, node: Any) -> bool:
        if not node.directives:
            return True
        skip = get_directive_values(GraphQLSkipDirective, node, self.variables)
        include = get_directive_values(GraphQLIncludeDirective, node, self.variables)
        return not (skip and skip["if"]) and not (include and not include["if"])


@dataclass(slots=True)
class Execution:
    """One execution: makes a plan per type on first use, and collects errors."""

    query: Query
    resolvers: Resolvers
    errors: list[dict[str, Any]] = field(default_factory=list)

    def data(self, root: GraphObject) -> dict[str, Any]:
        return self._object(root, self._make(root.type, (self.query.operation.selection_set,)), ())

    def _object(self, thing: GraphObject, plan: ObjectPlan, path: ResponsePath) -> dict[str, Any]:
        get = thing.row.get
        shown = {key: get(name) for key, name in plan.fields}
        for branch in plan.resolved_fields:
            shown[branch.key] = self._resolve_field(thing, branch, (*path, branch.key))
        return shown

    def _resolve_field(self, thing: GraphObject, branch: ResolvedField, path: ResponsePath) -> Any:
        try:
            value = branch.resolve(thing.source, branch.values)
        except FieldRefused as refused:
            return self._refuse(refused, branch.node, path)
        return self._value(value, branch, path)

    def _value(self, value: Any, branch: ResolvedField, path: ResponsePath) -> Any:
        if isinstance(value, GraphObject):
            plan = branch.plans.get(value.type)
            if plan is None:
                plan = branch.plans[value.type] = self._make(value.type, branch.selections)
            return self._object(value, plan, path)
        if isinstance(value, FieldRefused):
            return self._refuse(value, branch.node, path)
        if isinstance(value, list):
            return self._list(value, branch, path)
        return value

    def _list(self, values: Sequence[Any], branch: ResolvedField, path: ResponsePath) -> list[Any]:
        return [self._value(value, branch, (*path, index)) for index, value in enumerate(values)]

    def _refuse(self, refused: FieldRefused, node: FieldNode, path: ResponsePath) -> None:
        assert node.loc is not None
        location = get_location(node.loc.source, node.loc.start)
        where = {"locations": [{"line": location.line, "column": location.column}], "message": str(refused)}
        kind = {"type": refused.kind} if refused.kind else {}
        self.errors.append(kind | {"path": list(path)} | where)

    def _make(self, type_name: str, selections: Selections) -> ObjectPlan:
        plan = ObjectPlan([], [])
        for key, nodes in self.query.fields(type_name, selections).items():
            name = nodes[0].name.value
            resolve = self.resolvers.get((type_name, name))
            # A branch keeps its place among the keys with a scalar no row has.
            plan.fields.append((key, "" if resolve else name))
            if resolve:
                values = self.query.arguments(type_name, nodes[0])
                inner = tuple(node.selection_set for node in nodes if node.selection_set)
                plan.resolved_fields.append(ResolvedField(key, nodes[0], resolve, values, inner))
        return plan
