"""Choices, sentences and frames of the cells of the compare page."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import streamlit as st
from pandas import DataFrame, isna
from plotly.graph_objects import Figure

from core.charts import bars
from core.charts.comparison import Scale, Track
from core.charts.theme import Theme
from core.queries import compare, peers
from core.queries.compare import Align, Indexed, Kind, Measure, Subject
from core.wording import quantity
from pages.components import definitions
from pages.components.as_of import page_links
from pages.components.compared import dotted_hint
from pages.components.format import day, number, percent
from pages.components.markdown import escape_markdown

MEASURES: dict[Kind, dict[str, Measure]] = {
    kind: {measure.capitalize(): measure for measure in measures} for kind, measures in compare.MEASURES.items()
}
ALIGNMENTS: dict[str, Align] = {"By date": "date", "By age": "age"}
SCALES: dict[str, Scale] = {"Absolute": "absolute", "Indexed": "indexed", "Log": "log"}
VIEWS = {"Together": "together", "Small multiples": "panels"}
MEASURE_DEFINITIONS: dict[Kind, str] = {
    "account": definitions.ACCOUNT_TOTALS,
    "repository": definitions.REPOSITORY_HISTORY,
}
RANK_COLUMNS = ["name", "stars", "language", "age_class", "peers", "rank", "unranked"]
UNRANKED = {
    "fork": "is a fork, and forks are not ranked",
    "age unknown": "cannot be ranked: when it was created is not known",
    "no language": "cannot be ranked: its primary language is not known, or it has none",
}


def question(measure: Measure, align: Align) -> str:
    if align == "age":
        return f"How many {measure} did each one have at the same age?"
    return f"How many {measure} did each one have at the same time?"


def how_to_read(
    subjects: Sequence[Subject], indexed: Indexed, align: Align, scale: Scale, vs: datetime | None = None
) -> str:
    """Say what the axes are and which lines are missing."""
    parts = [
        "A line ends where nobody refreshed. Thin: imported history, and before our first refresh stars by day of giving."
    ]
    if vs is not None:
        parts.append(dotted_hint(indexed.rows["at"], vs))
    if scale == "indexed":
        parts.append(_base_sentence(indexed, align))
    if scale == "log":
        parts.append("Equal steps up are equal factors; zeros are left out.")
    ageless = [one.name for one in subjects if one.created_at is None]
    if align == "age" and ageless:
        parts.append(f"Left out, because their creation is not known: {_names(ageless)}.")
    without = [one.name for one in subjects if one.name not in set(indexed.rows["name"])]
    if without:
        parts.append(f"Not collected: {_names(without)}.")
    return " ".join(parts)


def _base_sentence(indexed: Indexed, align: Align) -> str:
    if indexed.base_at is not None:
        return f"All are 100 on {day(indexed.base_at)}, the first day on which each has a number."
    if indexed.base_age_years is not None:
        return f"All are 100 at the age of {indexed.base_age_years:.1f} years, the first at which each has a number."
    return f"Each one starts at 100: there is no {align} at which all have a number."


def tracks(
    subjects: Sequence[Subject], series: DataFrame, intervals: Mapping[str, DataFrame], align: Align
) -> list[Track]:
    """Return what to draw, without subjects that have no place on the axis."""
    found = []
    for one in subjects:
        rows = series[series["name"] == one.name]
        if rows.empty or (align == "age" and one.created_at is None):
            continue
        first = rows.dropna(subset=["indexed"]).query("value > 0").head(1)
        base = float(first["value"].iloc[0] / first["indexed"].iloc[0] * 100) if len(first) else None
        points = rows.rename(columns={"at": "captured_at"})
        born = one.created_at if align == "age" else None
        found.append(Track(one.name, points, intervals[one.name], base, born))
    return found


def lines_alt(series: DataFrame, measure: Measure) -> str:
    """Return each one's last number with its day, for screen readers."""
    last = series.groupby("name", sort=False).tail(1)
    texts = [f"{row.name} {number(row.value)} on {day(row.at)}" for row in last.itertuples(index=False)]
    return f"Lines of {measure}: {', '.join(texts)}." if texts else f"No {measure} are known."


def differences_sentence(differences: DataFrame, kind: Kind) -> str:
    """Say what the differences refer to."""
    span = "28 days" if kind == "account" else "30 days"
    first = escape_markdown(str(differences["name"].iloc[0]))
    return f"Difference: stars compared with those of {first}, the first one. Gained: in the {span} up to the last refresh."


def linked(differences: DataFrame, kind: Kind) -> DataFrame:
    """Add links to the pages of what is compared."""
    path, param = ("account", "login") if kind == "account" else ("repository", "name")
    return differences.assign(link=page_links(path, param, differences["name"]))


def rank_bars(ranked: DataFrame, theme: Theme) -> Figure:
    """Draw one bar per ranked subject, highest first."""
    rows = ranked.sort_values("rank", ascending=False)
    texts = rows["rank"].map(percent).astype(object) + " of " + rows["peers"].map(number).astype(object)
    return bars.ranking_bars(rows, "name", "rank", theme, texts=texts)


def ranks_alt(ranked: DataFrame) -> str:
    texts = [f"{row['name']} ahead of {percent(row['rank'])} of {peer_group(row)}" for _, row in ranked.iterrows()]
    return f"Bars: {', '.join(texts)}."


def peer_group(row: Any) -> str:
    """Return the peer group of a row of `compare.differences` as plain text: `240 peers (Python, 3 to 5 years)`."""
    return f"{quantity(int(row['peers']), 'peer')} ({row['language']}, {row['age_class']})"


def show_ranks(differences: DataFrame) -> None:
    """Name the peer group of each one, and say of those without a rank why."""
    st.caption(
        "\n".join(f"- **{escape_markdown(str(row['name']))}** {_rank(row)}." for _, row in differences.iterrows())
    )


def _rank(row: Any) -> str:
    if isna(row["stars"]):
        return "has no stars that are known"
    if not isna(row["unranked"]):
        return UNRANKED[str(row["unranked"])]
    if isna(row["age_class"]):
        return "was deleted or made private, and is not ranked"
    group = escape_markdown(peer_group(row))
    if isna(row["rank"]):
        return f"has {group}: fewer than {peers.MIN_PEERS}, so that a rank would say little"
    return f"is ahead of {percent(row['rank'])} of {group}"


def _names(names: Sequence[str]) -> str:
    return ", ".join(escape_markdown(name) for name in names)
