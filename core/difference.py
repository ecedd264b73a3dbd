"""The difference of a number to its value at another time: one definition for pages and API."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from pandas import DataFrame

from core.db.frames import derived

SUFFIXES = ("vs", "difference", "percent")


def difference(value: Any, before: Any) -> int | None:
    """Return *value* minus *before*; None where either is unknown."""
    return None if _is_unknown(value) or _is_unknown(before) else int(value) - int(before)


def percent(value: Any, before: Any) -> float | None:
    """Return the difference as percent of *before*; None where either is unknown, or *before* is zero."""
    change = difference(value, before)
    return None if change is None or not before else 100 * change / int(before)


def with_differences(now: DataFrame, then: DataFrame, key: str, columns: Sequence[str]) -> DataFrame:
    """Add to *now* what each of *columns* was in the row of *then* with the same *key*; changed rows come first.

    For each column `stars`: `stars_vs` (the value then, null without such a row), `stars_difference`, `stars_percent`
    (null where the value then is zero). Ordered by how much the first column changed; equal rows keep their order.
    """
    old = then[[key, *columns]].rename(columns={column: f"{column}_vs" for column in columns})
    merged = now.merge(old, on=key, how="left")
    for column in columns:
        value, before = (merged[name].astype("Float64") for name in (column, f"{column}_vs"))
        merged[f"{column}_vs"] = merged[f"{column}_vs"].astype("Int64")
        merged[f"{column}_difference"] = (value - before).astype("Int64")
        merged[f"{column}_percent"] = (value - before) * 100 / before.where(before != 0)
    changed = merged[f"{columns[0]}_difference"].abs().fillna(0)
    return derived(merged.loc[changed.sort_values(ascending=False, kind="stable").index].reset_index(drop=True), now)


def _is_unknown(value: Any) -> bool:
    return bool(pd.isna(value))
