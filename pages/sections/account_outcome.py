"""What became of an account, in a sentence."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pages.components.format import number


def outcome_sentence(item: Mapping[str, Any]) -> str:
    """*item* is a row of `core.queries.ingestions.items`."""
    state, error = item["state"], item["error"]
    if state == "gone":
        return f"is gone: {error}" if error else "is gone"
    if state == "failed":
        return f"failed: {error}" if error else "failed; the log says why"
    repositories = "" if pd.isna(item["repositories"]) else f"{number(item['repositories'])} repositories"
    if state == "unchanged":
        said = f"as it was, {repositories}" if repositories else "as it was"
    else:
        said = f"stored, {repositories}, {number(item['rows_written'])} rows written"
    return f"{said}; {error}" if error and not pd.isna(error) else said
