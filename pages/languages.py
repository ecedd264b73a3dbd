"""
# Languages
Which languages are the stored repositories written in, and how does that change?
"""

from datetime import timedelta
from urllib.parse import quote

import streamlit as st

from core.charts import bars
from core.queries import languages
from core.wording import quantity
from pages.components import columns, definitions
from pages.components.alt_text import bars_alt
from pages.components.as_of import selected_as_of
from pages.components.cell import cell, theme
from pages.components.chart import drawn
from pages.components.format import byte_size, day, number, percent
from pages.components.history_cell import shares_cell
from pages.components.markdown import escape_markdown
from pages.components.segmented_choice import segmented_choice
from pages.components.table_cell import table_cell
from pages.sections import language_sentences

sources = languages.rollup_sources(selected_as_of())["source"].tolist()
if not sources:
    st.info(language_sentences.why_no_totals(selected_as_of()), icon=":material/hourglass_empty:")
    st.stop()

with st.container(horizontal=True):
    measure = segmented_choice(
        "Measure", {"Stars": "stars", "Repositories": "repositories", "Bytes": "bytes"}, key="by"
    )
    source = sources[0]
    if len(sources) > 1:
        source = segmented_choice("Source", {name: name for name in sources}, key="source")

ranking = languages.ranking(source, selected_as_of())
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
    f"{quantity(len(ranking), 'language')}. Click a heading to sort.",
    ranking,
    columns.LANGUAGES,
    name="languages",
    api=f"languages?source={quote(source)}",
    shown=ranking.assign(stars_share=languages.shares(ranking["stars"])),
    alt="All languages with stars, repositories and bytes",
    max_height=460,
    note=note,
)
