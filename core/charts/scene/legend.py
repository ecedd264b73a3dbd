"""An HTML legend: a swatch, a name and a count per entry, wrapped over as many lines as needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from core.charts.theme import Theme


@dataclass(frozen=True)
class LegendEntry:
    """A colour and whose it is; without a colour the entry is about several."""

    name: str
    color: str | None
    count: int


def legend_html(entries: Sequence[LegendEntry], theme: Theme, *, label: str) -> str:
    """Format *entries* as HTML; *label* is the accessible name."""
    items = "".join(_item_html(entry, theme) for entry in entries)
    style = (
        f"display:flex;flex-wrap:wrap;gap:2px 16px;font-size:12px;color:{theme.text};font-variant-numeric:tabular-nums"
    )
    return f'<div role="list" aria-label="{escape(label)}" style="{style}">{items}</div>'


def _item_html(entry: LegendEntry, theme: Theme) -> str:
    fill = f"background:{entry.color}" if entry.color else f"border:1px dashed {theme.muted};box-sizing:border-box"
    swatch = f"display:inline-block;width:10px;height:10px;border-radius:2.5px;{fill};margin-right:6px"
    return (
        f'<span role="listitem"><span style="{escape(swatch)}"></span>{escape(entry.name)} '
        f'<span style="color:{theme.muted}">{entry.count:,}</span></span>'
    )
