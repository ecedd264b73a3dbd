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


def compared_names(column: str) -> list[str]:
    """Return the names of the columns that stand beside *column*: `stars_vs`, `stars_difference`, `stars_percent`."""
    return [f"{column}_{suffix}" for suffix in SUFFIXES]


def with_differences(
    now: DataFrame, then: DataFrame, key: str | Sequence[str], columns: Sequence[str], *, changed_first: bool = True
) -> DataFrame:
    """Add to *now* what each of *columns* was in the row of *then* with the same *key*; changed rows come first.

    For each column `stars`: `stars_vs` (the value then, null without such a row), `stars_difference`, `stars_percent`
    (null where the value then is zero). Ordered by how much the first column changed; equal rows keep their order.

    key            columns that identify a row together; where `id` is null, `full_name` stands for it
    changed_first  False: the rows keep their order
    """
    positions = _rows_of_same_key(now, then, [key] if isinstance(key, str) else list(key))
    added: dict[str, Any] = {}
    for column in columns:
        old = then[column].astype("Float64").reset_index(drop=True).reindex(positions).array
        value, before = now[column].astype("Float64"), pd.Series(old, index=now.index)
        change, percents = value - before, (value - before) * 100 / before.where(before != 0)
        counts = [before.astype("Int64"), change.astype("Int64"), percents]
        added |= dict(zip(compared_names(column), counts, strict=True))
    compared = derived(now.assign(**added), now)
    if not changed_first:
        return compared
    return most_changed_first(compared, columns[0])


def most_changed_first(compared: DataFrame, column: str) -> DataFrame:
    """Order rows of `with_differences` by how much *column* changed, equal ones as they are."""
    order = change_order(compared, column).sort_values(ascending=False, kind="stable").index
    return derived(compared.loc[order].reset_index(drop=True), compared)


def change_order(compared: DataFrame, column: str) -> "pd.Series[Any]":
    """Return by how much *column* of `with_differences` changed, in either direction; zero where that is unknown."""
    return compared[f"{column}_difference"].abs().fillna(0)


def _rows_of_same_key(now: DataFrame, then: DataFrame, names: list[str]) -> list[int]:
    """Return for each row of *now* the position of that of *then* with the same key; -1 where there is none."""
    if names != ["id"] and len(names) == 1 and then[names[0]].is_unique:
        # Many are found at once, without an object for each.
        found: list[int] = pd.Index(then[names[0]]).get_indexer(pd.Index(now[names[0]])).tolist()
        return found
    rows_then = {one: row for row, one in enumerate(row_keys(then, names))}
    return [rows_then.get(one, -1) for one in row_keys(now, names)]


def row_keys(frame: DataFrame, names: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return the key of each row: its values of *names*, or its `full_name` where the `id` is null."""
    parts = [frame[name].astype("string").fillna(frame["full_name"]) if name == "id" else frame[name] for name in names]
    return list(zip(*(part.tolist() for part in parts), strict=True))


def _is_unknown(value: Any) -> bool:
    return bool(pd.isna(value))
