"""Fields that `vs` adds to responses: beside each compared number its value then, the difference and the percent."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_origin

from pydantic import BaseModel, Field, create_model

from core.analysis import difference
from core.web.api.pagination import ComparedRow

if TYPE_CHECKING:
    from pandas import DataFrame


def row_model(page: type[BaseModel]) -> type[BaseModel]:
    """Return the model of the rows in an envelope."""
    model: type[BaseModel] = page.model_fields["data"].annotation.__args__[0]  # type: ignore[union-attr]
    return model


@cache
def compared_model(model: type[BaseModel]) -> type[BaseModel]:
    """Return *model* with the fields that `vs` adds to it, each beside the number that it compares.

    An object or envelope that holds lists of rows has these rows with their fields.
    """
    columns = model.COMPARED if issubclass(model, ComparedRow) else ()
    fields: dict[str, Any] = {}
    is_same = not columns
    for name, field in model.model_fields.items():
        compared = _compared_annotation(field.annotation)
        is_same = is_same and compared == field.annotation
        fields[name] = (compared, field)
        if name in columns:
            then, change, percent = difference.compared_names(name)
            fields[then] = (int | None, Field(None, description=f"Only with `vs`: {name} then; null if unknown."))
            fields[change] = (int | None, Field(None, description=f"Only with `vs`: {name} minus {then}."))
            fields[percent] = (
                float | None,
                Field(None, description=f"Only with `vs`: {change} as percent of {then}; null if that is zero."),
            )
    if is_same:
        return model
    name = re.sub(r"\W", "", model.__name__)
    return create_model(f"{name}Vs", __doc__=model.__doc__, __module__=model.__module__, **fields)


def _compared_annotation(annotation: Any) -> Any:
    """Return the annotation of a list of models, or of one of several, with their compared ones; others unchanged."""
    if get_origin(annotation) is list:
        return list[_compared_annotation(*annotation.__args__)]  # type: ignore[misc]
    if get_origin(annotation) is UnionType:
        return Union[tuple(map(_compared_annotation, annotation.__args__))]  # noqa: UP007 - made at run time
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return compared_model(annotation)
    return annotation


def compared_rows(now: "DataFrame", then: "DataFrame", model: type[BaseModel]) -> "DataFrame":
    """Add to the rows of *now* those of *then*, as *model* declares; nothing where it declares no numbers."""
    if not issubclass(model, ComparedRow) or not model.COMPARED:
        return now
    last = then.drop_duplicates(list(model.KEY), keep="last") if model.IS_SERIES else then
    return difference.with_differences(now, last, model.KEY, model.COMPARED, changed_first=False)


def compared_order(now: "DataFrame", model: type[BaseModel], order: Sequence[str]) -> tuple["DataFrame", list[str]]:
    """Return the rows of `compared_rows` and an order that puts those that changed most first, but for a series."""
    if not issubclass(model, ComparedRow) or not model.COMPARED or model.IS_SERIES:
        return now, list(order)
    changed = difference.change_order(now, model.COMPARED[0])
    return now.assign(changed_by=changed), ["-changed_by", *order]


def object_model(model: type[BaseModel], vs: datetime | None) -> type[BaseModel]:
    """Return *model* with the fields that `vs` adds, where it is given."""
    return model if vs is None else compared_model(model)


def compared_fields(
    now: Mapping[str, Any], then: Mapping[str, Any], vs: datetime, columns: Sequence[str]
) -> dict[str, Any]:
    """Return the fields of an object *now* with those that compare its *columns* with the same object *then*."""
    fields = {**now, "vs": vs}
    for column in columns:
        value, before = now[column], then.get(column)
        compared = (before, difference.difference(value, before), difference.percent(value, before))
        fields |= dict(zip(difference.compared_names(column), compared, strict=True))
    return fields
