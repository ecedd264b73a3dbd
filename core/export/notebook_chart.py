"""The chart of a notebook's cell in a line of code: the columns that the page's chart draws, found by their values."""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pandas import DataFrame
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype


def chart_code(rows: DataFrame, figure: Mapping[str, Any], title: str) -> str:
    """Return code that draws *rows* as *figure* (Plotly's JSON) does, without its details.

    Lines cross gaps, so a chart with gaps, or of dots, becomes dots. The first bars of a ranking are all it shows.
    """
    names = [str(name) for name in rows.columns]
    times = [name for name in names if is_datetime64_any_dtype(rows[name])]
    numbers = [name for name in names if is_numeric_dtype(rows[name]) and not is_bool_dtype(rows[name])]
    labels = [name for name in names if name not in times and name not in numbers]
    counts = [name for name in numbers if name != "id" and not name.endswith("_id")]
    traces: Sequence[Mapping[str, Any]] = figure["data"]
    is_ranking = any(trace.get("orientation") == "h" for trace in traces)
    value_axis, other_axis = ("x", "y") if is_ranking else ("y", "x")
    trace = max(traces, key=lambda one: len(_values(one, value_axis)), default={})
    drawn, over = _values(trace, value_axis), _values(trace, other_axis)
    kind = "bar" if any(one.get("type") == "bar" for one in traces) else "line"
    if kind == "line" and (trace.get("mode") == "markers" or np.isnan(drawn).any()):
        kind = "scatter"
    across = labels + times if is_ranking else times + labels
    y = _column_of(rows, counts, drawn) or next(iter(counts), "")
    numeric_x = "" if kind == "bar" else _column_of(rows, [name for name in counts if name != y], over)
    x = numeric_x or next(iter(across), "")
    if not x or not y:
        return "rows.describe()"
    is_cut = is_ranking and 0 < len(drawn) < len(rows)
    shown = f"rows.head({len(drawn)})" if is_cut else "rows"
    color = _color(rows, labels, len(traces)) if kind != "bar" and x not in labels else ""
    return f"chart({shown}, {kind!r}, x={x!r}, y={y!r}{f', color={color!r}' if color else ''}, title={title!r})"


def _color(rows: DataFrame, labels: Sequence[str], traces: int) -> str:
    """Return the first label that has no more values than the chart has traces; else the one with fewest values."""
    values = {name: rows[name].astype(str).nunique() for name in labels}
    return next(
        (name for name in labels if values[name] <= traces), min(values, key=lambda name: values[name], default="")
    )


def _values(trace: Mapping[str, Any], axis: str) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Return the numbers of a trace's axis, as a list or in Plotly's base64; none where it has text or times."""
    given = trace.get(axis, ())
    try:
        if isinstance(given, Mapping):
            return np.frombuffer(b64decode(given["bdata"]), np.dtype(given["dtype"])).astype(np.float64)
        return np.array([np.nan if value is None else value for value in given], np.float64)
    except (TypeError, ValueError):
        return np.array([], np.float64)


def _column_of(rows: DataFrame, names: Sequence[str], drawn: "np.ndarray[Any, np.dtype[np.float64]]") -> str:
    """Return which of the columns *names* holds most of the values *drawn*, itself or in percent; empty for none."""
    known = drawn[~np.isnan(drawn)]
    best, best_share = "", 0.0
    for name in names if len(known) else ():
        column = rows[name].astype("Float64").to_numpy(np.float64, na_value=np.nan)
        share = max(np.isin(known, column).mean(), np.isin(known, column * 100).mean())
        if share > best_share:
            best, best_share = name, float(share)
    return best
