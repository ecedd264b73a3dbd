"""The outcome of one account's refresh, as a sentence."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from core.wording import quantity


def outcome_sentence(item: Mapping[Any, Any]) -> str:
    """Describe *item*, a row of `core.queries.ingestions.items`."""
    state, error = item["state"], item["error"]
    if state == "deleted":
        return f"deleted or private: {error}" if error else "deleted or private"
    if state == "failed":
        return f"failed: {error}" if error else "failed; see the log"
    parts = [str(state)]
    if not pd.isna(item["repositories"]):
        parts.append(quantity(item["repositories"], "repository", "repositories"))
    if state == "stored":
        parts.append(f"{quantity(item['rows_written'], 'row')} written")
    text = ", ".join(parts)
    return f"{text}; {error}" if error and not pd.isna(error) else text
