"""
# Languages
Which languages are the stored repositories written in, and how does that change?
"""

from datetime import timedelta
from urllib.parse import quote

import streamlit as st

from core.charts import bars
from core.queries import language_use, languages
from core.wording import window
from pages.components import columns, definitions, query_params
from pages.components.alt_text import bars_alt
from pages.components.as_of import page_links, selected_as_of, selected_vs
from pages.components.cell import cell, theme
from pages.components.chart import drawn
from pages.components.format import byte_size, day, number, percent
from pages.components.history_cell import shares_cell
from pages.components.markdown import escape_markdown
from pages.components.segmented_choice import segmented_choice
from pages.components.table_cell import table_cell
from pages.sections import language_detail, language_sentences
from pages.sections.language_detail import known_languages, language_links

rollups = languages.rollup_sources(selected_as_of())
sources = rollups["source"].tolist()
if not sources:
    st.info(language_sentences.why_no_totals(selected_as_of()), icon=":material/hourglass_empty:")
    st.stop()

query_params.show_invalid_parameters(query_params.invalid_languages(known_languages(), several=False))
selected = st.selectbox(
    "Language",
    known_languages(),
    index=None,
    key="language",
    bind="query-params",
    placeholder="All languages, or one",
    label_visibility="collapsed",
    width=260,
)
if selected:
    language_detail.show(selected)
    st.stop()
with st.container(horizontal=True):
    measure = segmented_choice(
        "Measure", {"Stars": "stars", "Repositories": "repositories", "Bytes": "bytes"}, key="by"
    )
    source = languages.default_source(rollups)
    if len(sources) > 1:
        source = segmented_choice("Source", {name: name for name in sources}, key="source", default=source)

vs = selected_vs()
if vs is None:
    ranking = languages.ranking(source, selected_as_of())
else:
    ranking = languages.compared_ranking(source, selected_as_of(), vs)
note = f"{day(ranking['day'].iloc[0])} · {escape_markdown(source)}"
top = languages.top_languages(ranking, measure, limit=15)
counts = top[measure].map(byte_size if measure == "bytes" else number).astype(str)
shares = languages.shares(ranking[measure])[top.index].map(lambda share: percent(share, 1)).astype(str)
texts = counts + "  (" + shares + ")"
no_values = language_sentences.why_no_values(ranking, measure, source, selected_as_of()) if top.empty else ""
cell(
    f"Which languages have most {measure}?",
    definitions.LANGUAGE_MEASURES[measure],
    top,
    name=f"languages-{measure}",
    api=f"languages?source={quote(source)}",
    chart=drawn(bars.language_bars, top, measure, theme(), texts=texts),
    alt=bars_alt(top["language"], texts),
    empty=no_values,
    note=note,
)

trend = languages.language_trend(source, selected_as_of()).dropna(subset=[measure])
shares_cell(
    "How do the shares change?",
    f"Share of {measure}, month by month, as reported by {escape_markdown(source)}. "
    "Where the layers stop, nothing was collected.",
    trend,
    value=measure,
    name=f"languages-{measure}-trend",
    period="month",
    max_gap=timedelta(days=62),
    height=360,
    alt=f"Layers: the share of each language in all {measure}, by month.",
    definition=definitions.LANGUAGE_TREND,
    empty=no_values,
    note=note,
)

table_cell(
    "What are all the numbers?",
    f"{language_sentences.counted(ranking)}{', most changed first' if vs else ''}. Click a heading to sort.",
    ranking,
    columns.with_compared(columns.LANGUAGES, measure, measure.capitalize(), day(vs)) if vs else columns.LANGUAGES,
    name="languages",
    api=f"languages?source={quote(source)}",
    shown=ranking.assign(stars_share=languages.shares(ranking["stars"])),
    alt="All languages with stars, repositories and bytes",
    max_height=460,
    note=note,
)

"""
## Rising and falling
"""
span = segmented_choice("Span", {"30d": 30, "90d": 90, "Year": 365}, key="span", default="Year")
moved = language_use.rising_and_falling(source, selected_as_of(), timedelta(days=span))
table_cell(
    f"Which languages gain a share of all stars within {window(timedelta(days=span))}?",
    "Share of all stars in percentage points; those that gain most first, those that lose most last.",
    moved,
    columns.RISING,
    name="languages-rising",
    shown=moved.assign(language=language_links(moved["language"])),
    definition=language_use.RISING_DEFINITION,
    empty=f"There are no totals of {escape_markdown(source)} from {window(timedelta(days=span))} before.",
    max_height=400,
    note=note,
)

"""
## Who uses what
"""
leading = language_use.leading_users(selected_as_of())
pairs = language_use.together(selected_as_of())
left, right = st.columns(2)
with left:
    table_cell(
        "Which account leads in each language?",
        "By stars of repositories with that primary language; forks left out. Click a language for all of its accounts.",
        leading,
        columns.LEADING_USERS,
        name="languages-leading",
        shown=leading.assign(
            language=language_links(leading["language"]), account=page_links("account", "login", leading["owner"])
        ),
        max_height=400,
    )
with right:
    table_cell(
        "Which languages occur together?",
        "Repositories with bytes of both, and how much more often than by chance.",
        pairs,
        columns.TOGETHER,
        name="languages-together",
        shown=pairs.assign(other=language_links(pairs["other"])),
        definition=language_use.TOGETHER_DEFINITION,
        empty="Bytes of code have not been collected of two repositories with the same two languages.",
        max_height=400,
    )
