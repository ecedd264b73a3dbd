"""Rows of the repositories page as its table shows them."""

from typing import Any

import pyarrow as pa
from pandas import ArrowDtype, DataFrame, Series

from core.emoji import render_shortcodes
from core.github_site import page_url
from pages.components.as_of import page_links

# Indexed by 1 for archived + 2 for fork + 4 for deleted or private.
STATE_COMBINATIONS = [[], ["archived"], ["fork"], ["archived", "fork"]]
STATE_COMBINATIONS += [[*states, "deleted"] for states in STATE_COMBINATIONS]


def display_rows(frame: DataFrame) -> DataFrame:
    """Add links, the size in bytes, and the three flags as one list."""
    # A flag that is unknown at that time is shown as not set; `unknown_sentence` says how many there are.
    archived, fork, gone = (frame[name].fillna(False).astype(int) for name in ("is_archived", "is_fork", "is_gone"))
    flags = archived + 2 * fork + 4 * gone
    states = pa.array(STATE_COMBINATIONS, pa.list_(pa.string())).take(pa.array(flags.to_numpy()))
    return frame.assign(
        repository=frame["full_name"].map(page_url),
        account=page_links("account", "login", frame["owner"]),
        size=frame["size_kb"] * 1024,
        description=descriptions_with_emoji(frame["description"]),
        state=Series(states, dtype=ArrowDtype(states.type), index=frame.index),
    )


def descriptions_with_emoji(texts: "Series[Any]") -> "Series[Any]":
    """Replace emoji shortcodes; only texts with a colon are searched, as most of 10,000 have none."""
    has_colon = texts.str.contains(":", regex=False).fillna(False).astype(bool)
    texts = texts.copy()
    texts[has_colon] = Series([render_shortcodes(text) for text in texts[has_colon]], texts.index[has_colon], dtype=str)
    return texts
