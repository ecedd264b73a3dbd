"""Rows for pydeck, which writes numpy's numbers as text, a timestamp as `{}` and NaN as invalid JSON."""

import math
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
from pandas import DataFrame


def plain_records(frame: DataFrame) -> list[dict[str, Any]]:
    """Return the rows with plain numbers and texts: ISO 8601 for moments (UTC), None where there is no value."""
    return [{str(name): plain(value) for name, value in row.items()} for row in frame.to_dict("records")]


def plain(value: Any) -> Any:
    """Return *value* as JSON can hold it."""
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value.tzinfo else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
