"""Plotly charts that are built and written as JSON once for all readers.

`st.plotly_chart` copies and writes a figure in every run of a page, which costs more than the rest of the page. Here its
message is filled with JSON that is kept; `tests/pages/components/test_chart.py` compares the two messages, so that a new
version of Streamlit cannot change one alone.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ParamSpec

import plotly.io
import streamlit as st
from plotly.graph_objects import Figure
from streamlit.elements.lib.layout_utils import LayoutConfig
from streamlit.elements.lib.utils import compute_and_register_element_id
from streamlit.proto.PlotlyChart_pb2 import PlotlyChart

from core.charts.comparison import Earlier
from core.shared_cache import memoized
from pages.components.as_of import selected_as_of, selected_vs

CONFIG = {"displayModeBar": False, "responsive": True, "scrollZoom": False}
DEFAULT_HEIGHT_PX = 450  # Plotly's
Parameters = ParamSpec("Parameters")


@dataclass(frozen=True)
class Drawing:
    """A figure as the browser gets it."""

    spec: str
    height: int


def selected_earlier() -> Earlier | None:
    """Return the time that charts compare with, and where their axis ends; None without `vs`.

    Now has whole minutes: a chart is built once for equal arguments.
    """
    vs = selected_vs()
    if vs is None:
        return None
    return Earlier(vs, selected_as_of() or datetime.now(UTC).replace(second=0, microsecond=0))


def drawn(build: Callable[Parameters, Figure], *args: Parameters.args, **kwargs: Parameters.kwargs) -> Drawing:
    """Return the figure that *build*, a function of `core.charts`, makes of its arguments; `memoized`."""
    return memoized(_draw, _size, build, args, kwargs)


def drawing(figure: Figure) -> Drawing:
    """Return *figure* as the browser gets it. Use `drawn`, which keeps it, where the figure is built from rows."""
    return Drawing(plotly.io.to_json(figure, validate=False), int(figure.layout.height or DEFAULT_HEIGHT_PX))


def _draw(build: Callable[..., Figure], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Drawing:
    return drawing(build(*args, **kwargs))


def _size(drawing: Drawing) -> int:
    return len(drawing.spec)


def show_drawing(drawing: Drawing, *, alt: str, key: str) -> None:
    """Show *drawing* like `st.plotly_chart`, as wide as there is room."""
    message = PlotlyChart(spec=drawing.spec, config=json.dumps(CONFIG), alt=alt.strip())
    message.id = compute_and_register_element_id(
        "plotly_chart",
        user_key=key,
        key_as_main_identity=False,
        dg=st._main,
        plotly_spec=message.spec,
        plotly_config=message.config,
        selection_mode=("points", "box", "lasso"),
        is_selection_activated=False,
        theme=None,
        width="stretch",
        height="content",
        alt=message.alt,
    )
    st._main._enqueue("plotly_chart", message, LayoutConfig(width="stretch", height=drawing.height))
