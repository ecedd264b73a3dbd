"""The envelope of every list, its paging parameters, and converters for a row's values."""

import json
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, BeforeValidator, Field

from core.whole_numbers import WholeNumber

Row = TypeVar("Row")
PAGING_PARAMS = frozenset({"limit", "cursor"})
Limit = Annotated[WholeNumber, Query(ge=1, le=1000, description="Maximum number of rows.")]
Cursor = Annotated[
    str | None,
    Query(description="Continue after the previous page: its `next_cursor`, with all other parameters unchanged."),
]


class Page(BaseModel, Generic[Row]):
    """One page of a list."""

    data: list[Row]
    next_cursor: str | None = Field(
        description="Send it as `cursor` to get the next page; null on the last page. Rows that do not change while"
        " paging are returned exactly once."
    )
    as_of: datetime | None = Field(description="The requested `as_of`; null: the current data.")
    data_version: int = Field(description="Increases whenever new data is stored.", examples=[1042])


def _parse_json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _to_list(value: Any) -> Any:
    return value if value is None else list(value)


StringList = Annotated[list[str] | None, BeforeValidator(_to_list)]
CountByName = Annotated[dict[str, int] | None, BeforeValidator(_parse_json)]
