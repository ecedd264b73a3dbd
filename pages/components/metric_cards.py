"""Numbers in a row of equal cards, each with its growth and its course."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import streamlit as st

from pages.components.format import number


@dataclass(frozen=True)
class Card:
    """One number; *before* is the same number so long ago as *span* says, None where it is unknown."""

    label: str
    value: Any
    before: Any = None
    span: str = "4 weeks"
    course: Sequence[float] = field(default=())
    help: str = ""
    is_increase_bad: bool = False


def metric_row(cards: Sequence[Card], key: str) -> None:
    """Draw *cards* side by side: four in a row where there is room, else two."""
    with st.container(key=f"cards-{key}"):
        for card in cards:
            _draw_card(card)


def _draw_card(card: Card) -> None:
    known = not pd.isna(card.before) and not pd.isna(card.value)
    growth = int(card.value - card.before) if known else None
    st.metric(
        card.label,
        number(card.value) if not isinstance(card.value, str) else card.value,
        delta=None if growth is None else f"{growth:+,}",
        delta_color="off" if not growth else "inverse" if card.is_increase_bad else "normal",
        delta_arrow="auto" if growth else "off",
        delta_description=f"in {card.span}" if growth is not None else None,
        chart_data=list(card.course) if len(card.course) > 1 else None,
        help=card.help or None,
        border=True,
        height="stretch",
    )
