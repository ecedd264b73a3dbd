"""A row of equal metric cards, each with its growth and its trend."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import streamlit as st

from core.analysis import difference
from core.export.notebook import Text
from core.wording import signed, time_ago
from pages.components import as_of, compared, page_notebook
from pages.components.format import day, number


@dataclass(frozen=True)
class Card:
    """One metric.

    before           the same metric *span* earlier; None where it is unknown
    trend            values of the sparkline, oldest first; NaN where unknown
    is_increase_bad  growth is red instead of green
    reported_at      when GitHub, or an imported source, reported the value; its age is shown below the value
    is_overdue       the age says that the next refresh is overdue
    vs               the same metric at the time that is compared with; None where it is unknown then
    """

    label: str
    value: Any
    before: Any = None
    span: str = "4 weeks"
    trend: Sequence[float] = ()
    help: str = ""
    is_increase_bad: bool = False
    reported_at: datetime | None = None
    is_overdue: bool = False
    vs: Any = None


def metric_row(cards: Sequence[Card], key: str) -> None:
    """Draw *cards* side by side: four in a row where there is room, else two."""
    page_notebook.record(Text(f"cards-{key}", "\n".join(_listed(card) for card in cards)))
    with st.container(key=f"cards-{key}"):
        for card in cards:
            compared_text = _compared(card)
            if not compared_text and not _has_age(card):
                _draw_metric(card, border=True)
                continue
            with st.container(border=True, height="stretch", gap="xxsmall"):
                _draw_metric(card, border=False)
                if compared_text:
                    st.caption(compared_text)
                if card.reported_at is not None and _has_age(card):
                    _draw_age(card, card.reported_at)


def _listed(card: Card) -> str:
    """Return the card as an item of a Markdown list: `- Stars: 1,234 (+15 in 30 days), reported 2026-03-31`."""
    growth = _growth(card)
    after = "" if growth is None else f" ({', '.join(part for part in (signed(growth), _span(card)) if part)})"
    below = f", {text}" if (text := _compared(card)) else ""
    reported = f", reported {day(card.reported_at)}" if _has_age(card) else ""
    return f"- {card.label}: {_shown(card.value)}{after}{below}{reported}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else number(value)


def _has_age(card: Card) -> bool:
    """Return whether the value has an age: one that is unknown has none, whenever it was asked for."""
    return not pd.isna(card.value) and card.reported_at is not None and not pd.isna(card.reported_at)


def _growth(card: Card) -> int | None:
    if isinstance(card.value, str):
        return None
    return difference.difference(card.value, card.before if as_of.selected_vs() is None else card.vs)


def _span(card: Card) -> str:
    """Return what follows the difference: its span, or its percent of the value that is compared with."""
    if as_of.selected_vs() is None:
        return f"in {card.span}"
    return compared.signed_percent(card.value, card.vs)


def _compared(card: Card) -> str:
    """Return the value that is compared with, and when: `vs 120 on 2025-03-31`."""
    vs = as_of.selected_vs()
    is_compared = not pd.isna(card.value) and (_has_age(card) or not pd.isna(card.vs))
    return compared.compared_with(card.vs, vs) if vs is not None and is_compared else ""


def _draw_metric(card: Card, *, border: bool) -> None:
    growth = _growth(card)
    st.metric(
        card.label,
        _shown(card.value),
        # Streamlit finds a loss by its hyphen.
        delta=None if growth is None else signed(growth).replace("−", "-"),
        delta_color="off" if not growth else "inverse" if card.is_increase_bad else "normal",
        delta_arrow="auto" if growth else "off",
        delta_description=None if growth is None else _span(card) or None,
        chart_data=list(card.trend) if len(card.trend) > 1 else None,
        help=None if _has_age(card) else card.help or None,
        border=border,
        height="stretch" if border else "content",
    )


def _draw_age(card: Card, reported_at: datetime) -> None:
    """Draw how old the value is, or its day where the page shows the past; exactly, and what it is, in the tooltip."""
    age = time_ago(reported_at, datetime.now(UTC)) if as_of.selected_as_of() is None else day(reported_at)
    text = f":orange[:material/history: {age}, overdue]" if card.is_overdue else f":material/schedule: {age}"
    exactly = f"Reported {reported_at:%Y-%m-%d %H:%M} UTC"
    st.caption(text, help=f"{exactly}\n\n{card.help}" if card.help else exactly)
