"""What every list looks like, and how a row's values come out of a frame."""

import json
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, Field

Row = TypeVar("Row")


class Page(BaseModel, Generic[Row]):
    """One page of a list."""

    data: list[Row]
    next_cursor: str | None = Field(
        description="Give it as `cursor` to go on; null after the last row. Rows that do not change meanwhile come"
        " once each, whatever else changes."
    )
    as_of: datetime | None = Field(description="The moment that was asked about; null: now.")
    data_version: int = Field(description="Rises whenever something new was collected.", examples=[1042])


def _parse_json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _to_list(value: Any) -> Any:
    return value if value is None else list(value)


StringList = Annotated[list[str] | None, BeforeValidator(_to_list)]
CountByName = Annotated[dict[str, int] | None, BeforeValidator(_parse_json)]
