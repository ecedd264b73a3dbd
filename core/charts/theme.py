"""Style of all figures, light and dark: no frame, thin grid, muted ticks, unified hover."""

from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go


@dataclass(frozen=True)
class Theme:
    """Colours of a figure; those of `.streamlit/config.toml` are the same there (held by a test)."""

    dark: bool
    text: str
    muted: str
    grid: str
    surface: str
    background: str
    accent: str
    fill: str
    gap: str
    imported: str
    imported_fill: str
    rest: str
    outline: str
    series: tuple[str, ...]


SERIES = ("#0270ad", "#f59e0b", "#10b981", "#8b5cf6", "#ef4444", "#14b8a6", "#ec4899", "#64748b")
LIGHT = Theme(
    dark=False,
    text="#0f172a",
    muted="#64748b",
    grid="#e9eef4",
    surface="#ffffff",
    background="#ffffff",
    accent="#0270ad",
    fill="rgba(2, 112, 173, 0.10)",
    gap="rgba(100, 116, 139, 0.14)",
    imported="#64748b",
    imported_fill="rgba(100, 116, 139, 0.08)",
    rest="#e2e8f0",
    outline="rgba(0, 0, 0, 0)",
    series=SERIES,
)
DARK = Theme(
    dark=True,
    text="#f1f5f9",
    muted="#94a3b8",
    grid="#233047",
    surface="#1e293b",
    background="#0f172a",
    accent="#0ea5e9",
    fill="rgba(14, 165, 233, 0.14)",
    gap="rgba(148, 163, 184, 0.16)",
    imported="#94a3b8",
    imported_fill="rgba(148, 163, 184, 0.10)",
    rest="#334155",
    outline="rgba(148, 163, 184, 0.35)",
    series=("#0ea5e9", *SERIES[1:]),
)
FONT = "Inter, sans-serif"


def figure(theme: Theme, *, height: int = 300, **layout: Any) -> go.Figure:
    """Create an empty figure in the house style; *layout* overrides it."""
    # In one go: each later update takes plotly milliseconds.
    chart = go.Figure(
        layout={
            "height": height,
            "margin": {"l": 0, "r": 8, "t": 8, "b": 0},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "font": {"family": FONT, "size": 12, "color": theme.text},
            "hovermode": "x unified",
            "hoverlabel": {
                "bgcolor": theme.surface,
                "bordercolor": theme.grid,
                "font": {"family": FONT, "size": 12, "color": theme.text},
            },
            "dragmode": False,
            "showlegend": False,
            "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.04, "xanchor": "left", "x": 0, "itemwidth": 30},
            "colorway": list(theme.series),
            "bargap": 0.35,
            "xaxis": axis_style(theme, grid=False) | {"ticklabelstandoff": 6},
            "yaxis": axis_style(theme, grid=True) | {"ticklabelstandoff": 6},
        }
    )
    if layout:
        chart.update_layout(**layout)
    return chart


def axis_style(theme: Theme, *, grid: bool) -> dict[str, Any]:
    return {
        "showgrid": grid,
        "gridcolor": theme.grid,
        "gridwidth": 1,
        "zeroline": False,
        "showline": False,
        "ticks": "",
        "tickfont": {"color": theme.muted, "size": 12},
        "automargin": True,
        "fixedrange": True,
        "title": None,
    }
