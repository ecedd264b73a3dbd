"""Text alternatives of charts, for screen readers."""

from collections.abc import Iterable

from pandas import DataFrame

from pages.components.format import day, number


def bars_alt(labels: Iterable[object], texts: Iterable[object]) -> str:
    """Return `Bars: Python 80 %, C 20 %`."""
    return f"Bars: {', '.join(f'{label} {text}' for label, text in zip(labels, texts, strict=True))}"


def line_alt(frame: DataFrame, column: str) -> str:
    """Return the first and the last value of *column* with their days, by `captured_at`."""
    known = frame.dropna(subset=[column])
    if known.empty:
        return f"No {column} are known."
    first, last = known.iloc[0], known.iloc[-1]
    return (
        f"Line of {column}: {number(first[column])} on {day(first['captured_at'])}, "
        f"{number(last[column])} on {day(last['captured_at'])}."
    )
