"""Counts of chosen repositories at an earlier time, beside which pages and API set those of now."""

from collections.abc import Sequence
from datetime import datetime

from pandas import DataFrame

from core.analysis.difference import with_differences
from core.db.frames import derived, read_frame
from core.queries.repository_base import SELECTED_AS_OF_CTES, selected_as_of_values

COLUMNS = ("stars", "forks")


def beside_counts_at(
    now: DataFrame, ids: list[int], vs: datetime, columns: Sequence[str] = COLUMNS, *, changed_first: bool = True
) -> DataFrame:
    """Set *now*, which has a `repository_id` each, beside the stored counts at *vs*; the column is left out then.

    stars_vs, stars_difference, stars_percent, and so on   see `with_differences`
    """
    sql = f"WITH {SELECTED_AS_OF_CTES}\n        SELECT repository_id, stars, forks FROM counts"  # noqa: S608
    then = read_frame(sql, only_until=vs, ids=ids, **selected_as_of_values(vs))
    compared = with_differences(now, then, "repository_id", columns, changed_first=changed_first)
    return derived(compared.drop(columns="repository_id"), now)
