"""The envelope of every list, its paging parameters, and converters for a row's values."""

import json
from datetime import datetime
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, BeforeValidator, Field

from core.whole_numbers import WholeNumber

Row = TypeVar("Row")
VS_FIELD = Field(default=None, description="The requested `vs`; null: nothing is compared.")
PAGING_PARAMS = frozenset({"limit", "cursor"})
Limit = Annotated[WholeNumber, Query(ge=1, le=1000, description="Maximum number of rows.")]
Cursor = Annotated[
    str | None,
    Query(description="Continue after the previous page: its `next_cursor`, with all other parameters unchanged."),
]


class ComparedRow(BaseModel):
    """A row, or one object, that `vs` compares with the same row as of another time, see `core.web.api.compared`.

    KEY        of rows: columns that identify a row, see `core.analysis.difference.with_differences`
    COMPARED   numbers to compare; the rows whose first one changed most come first
    IS_SERIES  the rows are numbers over time: each is compared with the last one of *KEY* by then, and they keep their
               order
    """

    KEY: ClassVar[tuple[str, ...]] = ()
    COMPARED: ClassVar[tuple[str, ...]] = ()
    IS_SERIES: ClassVar[bool] = False


class Page(BaseModel, Generic[Row]):
    """One page of a list."""

    data: list[Row]
    next_cursor: str | None = Field(
        description="Send it as `cursor` to get the next page; null on the last page. Rows that do not change while"
        " paging are returned exactly once."
    )
    as_of: datetime | None = Field(description="The requested `as_of`; null: the current data.")
    vs: datetime | None = VS_FIELD
    data_version: int = Field(description="Increases whenever new data is stored.", examples=[1042])


def _parse_json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _to_list(value: Any) -> Any:
    return value if value is None else list(value)


StringList = Annotated[list[str] | None, BeforeValidator(_to_list)]
CountByName = Annotated[dict[str, int] | None, BeforeValidator(_parse_json)]
