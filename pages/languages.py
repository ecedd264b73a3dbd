"""
# Languages
In what is all of this written, and how does that change.
"""

from datetime import timedelta

import pandas as pd
import streamlit as st
from pandas import DataFrame, Series
from streamlit import column_config as column

from core.charts import areas, bars
from core.queries import languages
from pages.components import as_of
from pages.components.cell import cell, theme
from pages.components.format import day, number, percent
from pages.components.segmented_choice import segmented_choice
from pages.components.table_cell import table_cell

MEASURE_LABELS = {"stars": "Stars", "repositories": "Repositories", "bytes": "Bytes"}
MEASURE_DEFINITIONS = {
    "stars": "Stars of all repositories that have it as their primary language; forks left out.",
    "repositories": "Repositories that have it as their primary language; forks left out.",
    "bytes": "Bytes of code in it over all repositories, whatever their primary language; forks left out.",
}
MAX_LANGUAGES = 15
TWO_MONTHS = timedelta(days=62)
COLUMNS = {
    "language": column.TextColumn("Language", width=150),
    "stars": column.NumberColumn("Stars", format="localized", width=110),
    "stars_share": column.ProgressColumn("of all stars", format="percent", min_value=0, max_value=1, width=120),
    "stars_4w": column.NumberColumn("In 4 weeks", format="localized", width=100),
    "repositories": column.NumberColumn("Repositories", format="localized", width=110),
    "bytes": column.NumberColumn("Bytes", format="compact", width=100),
}


def shares(values: Series) -> Series:
    """Each value as a share of their sum; unknown where nothing is known."""
    total = values.astype("Float64").sum()
    return values.astype("Float64") / total if total else values.astype("Float64") * pd.NA


def ranking_cell(found: DataFrame, measure: str, source: str, note: str) -> None:
    known = found.dropna(subset=[measure])
    top = known[known[measure] > 0].sort_values(measure, ascending=False).head(MAX_LANGUAGES)
    part = shares(known[measure]).reindex(top.index)
    say = byte_size if measure == "bytes" else number
    texts = Series(
        [f"{say(count)}  ({percent(share, 1)})" for count, share in zip(top[measure], part, strict=True)], dtype=str
    )
    top.attrs = found.attrs
    cell(
        f"Which languages have most {measure}?",
        MEASURE_DEFINITIONS[measure],
        top,
        name=f"languages-{measure}",
        chart=bars.language_bars(top, measure, theme(), texts=texts) if len(top) else None,
        alt=f"Bars: {', '.join(f'{name} {text}' for name, text in zip(top['language'], texts, strict=True))}",
        empty=f"{MEASURE_LABELS[measure]} of languages were not collected: {source} does not tell them.",
        note=note,
    )


def byte_size(count: float) -> str:
    """1234567 -> 1.2 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def trend_cell(measure: str, source: str, note: str) -> None:
    course = languages.language_trend(source, as_of.selected_as_of())
    line = course.dropna(subset=[measure])
    cell(
        "How do the shares develop?",
        f"Share of {measure}, month by month, as {source} saw it. Where the layers stop, nothing was collected.",
        line,
        name=f"languages-{measure}-course",
        chart=areas.stacked_shares(line, measure, theme(), unit=measure, longest=TWO_MONTHS, height=360)
        if line["at"].nunique() > 1
        else show_single_month,
        alt=f"Layers: the share of each language in all {measure}, by month.",
        definition="The last rollup of each month. Imported: repositories that the source had shown that week; forks are "
        "left out. Each counts with the primary language it has now.",
        empty=f"{MEASURE_LABELS[measure]} over time were not collected: {source} does not tell them.",
        note=note,
    )


def show_single_month() -> None:
    st.info("So far there is one month; a course needs two.", icon=":material/hourglass_empty:")


def all_languages_cell(found: DataFrame, note: str) -> None:
    shown = found.assign(stars_share=shares(found["stars"]))
    table_cell(
        "What are all the numbers?",
        f"All {len(found):,} languages; a click on a heading sorts.",
        found,
        COLUMNS,
        name="languages",
        shown=shown,
        alt="All languages with stars, repositories and bytes",
        max_height=460,
        note=note,
    )


sources = list(languages.rollup_sources(as_of.selected_as_of())["source"])
if not sources:
    st.info(
        f"No languages were summed up {'by then' if as_of.selected_as_of() else 'yet'}: that happens after each refresh and each import.",
        icon=":material/hourglass_empty:",
    )
else:
    with st.container(horizontal=True):
        measure = segmented_choice("Measured by", {said: name for name, said in MEASURE_LABELS.items()}, key="by")
        source = (
            segmented_choice("As seen by", {name: name for name in sources}, key="source")
            if len(sources) > 1
            else sources[0]
        )
    found = languages.ranking(source, as_of.selected_as_of())
    note = f"{day(found['day'].iloc[0])} · {source}"
    ranking_cell(found, measure, source, note)
    trend_cell(measure, source, note)
    all_languages_cell(found, note)
