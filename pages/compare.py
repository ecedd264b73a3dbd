"""
# Compare
How do up to ten accounts or repositories differ, now and over time?
"""

import streamlit as st

from core.analysis import comparison
from core.charts import comparison as charts
from core.charts import marks
from core.queries import compare, growth, peers
from pages.components import chart_marks, columns
from pages.components.as_of import by_then, selected_as_of, selected_vs
from pages.components.cell import cell, theme
from pages.components.chart import drawn, selected_earlier
from pages.components.format import day
from pages.components.segmented_choice import segmented_choice
from pages.components.table_cell import table_cell
from pages.sections import compare_cells, compare_input

as_of, vs = selected_as_of(), selected_vs()
choice = compare_input.show_choice(compare_input.names_input(), as_of)
if not choice.subjects:
    st.stop()

with st.container(horizontal=True, key="compare-choices"):
    measure = segmented_choice("Measure", compare_cells.MEASURES[choice.kind], key="measure")
    align = segmented_choice("Aligned", compare_cells.ALIGNMENTS, key="align")
    scale = segmented_choice("Scale", compare_cells.SCALES, key="scale")
    view = segmented_choice("View", compare_cells.VIEWS, key="view")

intervals = compare.coverage_intervals(choice.subjects, as_of)
indexed = compare.with_index(compare.series(choice.subjects, measure, as_of), intervals, choice.subjects, align)
series = indexed.rows
# By age, the curve up to then is a part of the one that is drawn.
compared = selected_earlier() if align == "date" else None
happened = None
if align == "date" and view == "together":
    happened = chart_marks.chosen_marks(compare.events(choice.subjects, as_of))
tracks = compare_cells.tracks(choice.subjects, series, intervals, align)
draw = {"together": charts.together, "panels": charts.panels}[view]
cell(
    compare_cells.question(measure, align),
    compare_cells.how_to_read(choice.subjects, indexed, align, scale, vs if compared else None)
    + chart_marks.reading_hint(happened),
    series,
    name=f"compare-{measure}",
    chart=drawn(
        marks.marked, draw, happened, tracks, scale, theme(), unit=measure, by_age=align == "age", compared=compared
    ),
    alt=compare_cells.lines_alt(series, measure),
    rows=series.drop(columns="source_id"),
    definition=f"{compare_cells.MEASURE_DEFINITIONS[choice.kind]}\n\n{comparison.INDEX_DEFINITION}",
    empty=f"No {measure} of these have been collected {by_then()}.",
)

"""
## Differences
"""
shown_columns = columns.COMPARED_ACCOUNTS if choice.kind == "account" else columns.COMPARED_REPOSITORIES
if vs is None:
    differences = compare.differences(choice.subjects, as_of)
else:
    differences = compare.compared_differences(choice.subjects, as_of, vs)
    shown_columns = columns.with_compared(shown_columns, "stars", "Stars", day(vs), "Since then")
table_cell(
    "How far apart are they?",
    compare_cells.differences_sentence(differences, choice.kind),
    differences,
    shown_columns,
    name="compare-differences",
    shown=compare_cells.linked(differences, choice.kind),
    definition=growth.DEFINITION,
)

"""
## Fair rank
"""
ranked = differences.dropna(subset=["rank"])
cell(
    "How many of its peers is each one ahead of?",
    "The share of its peers with fewer stars: same primary language, same age class.",
    ranked,
    name="compare-rank",
    chart=drawn(compare_cells.rank_bars, ranked, theme()),
    alt=compare_cells.ranks_alt(ranked),
    rows=differences[compare_cells.RANK_COLUMNS],
    definition=peers.DEFINITION,
    empty=f"None of these has {peers.MIN_PEERS} peers or more.",
)
compare_cells.show_ranks(differences)
