"""Rows of the repositories page as its table shows them."""

from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pandas import ArrowDtype, DataFrame, Series

from core.emoji import render_shortcodes
from pages.components.as_of import links_as_of

# Indexed by 1 for archived + 2 for fork + 4 for deleted or private.
STATES = ["", "archived", "fork", "archived, fork", "deleted", "archived, deleted", "fork, deleted"]
STATES.append("archived, fork, deleted")


def display_rows(frame: DataFrame, as_of: datetime | None, vs: datetime | None = None) -> DataFrame:
    """Add links at these times, and the topics and the three flags as text: tables cannot sort lists."""
    # A flag that is unknown at that time is shown as not set; `unknown_sentence` says how many there are.
    archived, fork, gone = (frame[name].fillna(False).astype(int) for name in ("is_archived", "is_fork", "is_gone"))
    flags = archived + 2 * fork + 4 * gone
    topics = pc.binary_join(pa.array(frame["topics"], pa.list_(pa.string())), ", ")
    return frame.assign(
        repository=links_as_of("repository", "name", frame["full_name"], as_of, vs),
        account=links_as_of("account", "login", frame["owner"], as_of, vs),
        description=descriptions_with_emoji(frame["description"]),
        topics=Series(topics, dtype=ArrowDtype(topics.type), index=frame.index),
        state=Series([STATES[flag] or None for flag in flags], dtype="string", index=frame.index),
    )


def descriptions_with_emoji(texts: "Series[Any]") -> "Series[Any]":
    """Replace emoji shortcodes; only texts with a colon are searched, as most of 10,000 have none."""
    has_colon = texts.str.contains(":", regex=False).fillna(False).astype(bool)
    texts = texts.copy()
    texts[has_colon] = Series([render_shortcodes(text) for text in texts[has_colon]], texts.index[has_colon], dtype=str)
    return texts
