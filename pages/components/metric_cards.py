"""A row of equal metric cards, each with its growth and its trend."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from pages.components.format import number


@dataclass(frozen=True)
class Card:
    """One metric.

    before           the same metric *span* earlier; None where it is unknown
    trend            values of the sparkline, oldest first; NaN where unknown
    is_increase_bad  growth is red instead of green
    """

    label: str
    value: Any
    before: Any = None
    span: str = "4 weeks"
    trend: Sequence[float] = ()
    help: str = ""
    is_increase_bad: bool = False


def metric_row(cards: Sequence[Card], key: str) -> None:
    """Draw *cards* side by side: four in a row where there is room, else two."""
    with st.container(key=f"cards-{key}"):
        for card in cards:
            _draw_card(card)


def _draw_card(card: Card) -> None:
    growth = None if pd.isna(card.before) or pd.isna(card.value) else int(card.value - card.before)
    st.metric(
        card.label,
        number(card.value) if not isinstance(card.value, str) else card.value,
        delta=None if growth is None else f"{growth:+,}",
        delta_color="off" if not growth else "inverse" if card.is_increase_bad else "normal",
        delta_arrow="auto" if growth else "off",
        delta_description=f"in {card.span}" if growth is not None else None,
        chart_data=list(card.trend) if len(card.trend) > 1 else None,
        help=card.help or None,
        border=True,
        height="stretch",
    )
