"""
# Movers
Which repositories gained or lost most, over any span from a day to a year?
"""

from dataclasses import replace
from datetime import datetime, timedelta

import streamlit as st

from core.charts import bars
from core.emoji import render_shortcodes
from core.queries import collections, growth, repository_list
from core.queries import movers as queries
from core.queries.movers import MIN_STARS_FOR_SHARE, Ranking
from core.wording import quantity, window
from pages.components import columns, query_params
from pages.components.alt_text import bars_alt
from pages.components.as_of import selected_as_of
from pages.components.cell import cell, theme
from pages.components.chart import drawn
from pages.components.compare_link import compare_link
from pages.components.format import day, percent, signed_number
from pages.components.movers_texts import movers_sentence, movers_table, why_no_movers
from pages.components.segmented_choice import segmented_choice
from pages.components.table_cell import table_cell

MAX_DAYS, SHOWN_BARS = 365, 20
RANKINGS: dict[str, Ranking] = {"Gained": "gained", "Gained, share": "share", "Lost": "lost"}
QUESTIONS: dict[Ranking, str] = {
    "gained": "Which repositories gained most stars",
    "share": "Which repositories grew fastest for their size",
    "lost": "Which repositories lost most stars",
}
AGES = {"Any age": None, "Younger than a year": timedelta(days=365)}

languages = repository_list.language_counts()["language"].tolist()
query_params.show_invalid_parameters(
    query_params.invalid_languages(languages, several=False), query_params.invalid_whole_numbers("days", MAX_DAYS, 1)
)
with st.container(horizontal=True, vertical_alignment="bottom"):
    days = query_params.whole_number_input("Days", key="days", step=1, most=MAX_DAYS, least=1, default=30, width=130)
    language = st.selectbox(
        "Language",
        languages,
        index=None,
        key="language",
        bind="query-params",
        placeholder="All languages",
        width=220,
    )
    login = query_params.text_input("Account", key="account", placeholder="Login", width=160)
    collection = None
    if collection_names := collections.names():
        collection = st.selectbox(
            "Collection", collection_names, index=None, key="collection", bind="query-params", width=180
        )
with st.container(horizontal=True):
    ranking = segmented_choice("Ranking", RANKINGS, key="by")
    max_age = segmented_choice("Age", AGES, key="age")


def ranked(as_of: datetime | None) -> queries.Movers:
    return queries.movers(
        as_of, days, language or "", ranking=ranking, max_age=max_age, login=login, collection=collection or ""
    )


found = ranked(selected_as_of())
before = ranked(found.newest_at - timedelta(days=days)) if found.newest_at else found
found = replace(found, rows=queries.with_rank_movement(found.rows, before.rows))
span, newest = window(timedelta(days=days)), day(found.newest_at)
rows = found.rows.assign(description=found.rows["description"].map(render_shortcodes, na_action="ignore"))
note = f"up to {newest}" if found.newest_at else ""
empty = why_no_movers(found, ranking, span)
top = found.rows.head(SHOWN_BARS)
shares = top["share"].map(lambda share: percent(share, 1), na_action="ignore").astype(object).fillna("—").astype(str)
gains = top["growth"].map(signed_number).astype(str)
cell(
    f"{QUESTIONS[ranking]} within {span}?",
    movers_sentence(found, span) + (f" From {MIN_STARS_FOR_SHARE} stars before." if ranking == "share" else ""),
    found.rows,
    name=f"movers-{ranking}-{days}-days",
    chart=drawn(
        bars.ranking_bars,
        top.assign(share=top["share"].astype(float), growth=top["growth"].abs()),
        "full_name",
        "share" if ranking == "share" else "growth",
        theme(),
        texts=shares + "  (" + gains + ")" if ranking == "share" else gains + "  (" + shares + ")",
    ),
    alt=bars_alt(top["full_name"].head(5), gains.head(5)),
    rows=rows,
    columns=columns.MOVERS,
    empty=empty,
    note=note,
    definition=growth.DEFINITION,
)
compare_link(found.rows["full_name"], "Compare the first ten over time")
table_cell(
    "What are all the numbers?",
    f"{quantity(len(rows), 'repository', 'repositories')}. Places: risen against the {span} before. Click a heading to sort, a name to open its page.",
    found.rows,
    columns.RANKED_MOVERS,
    name="movers",
    shown=movers_table(rows),
    alt="Repositories with stars gained, share, stars and language",
    max_height=560,
    empty=empty,
    note=note,
    definition=growth.DEFINITION,
)
