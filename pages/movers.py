"""
# Movers
Which repositories gained or lost most, over any span from a day to a year?
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from core.analysis.difference import most_changed_first, with_differences
from core.charts import bars
from core.db.frames import derived
from core.emoji import render_shortcodes
from core.queries import accounts, collections, growth, repository_list
from core.queries import movers as queries
from core.queries.movers import MIN_STARS_FOR_SHARE, Ranking
from core.wording import quantity, window
from pages.components import columns, query_params, unknown_account
from pages.components.alt_text import bars_alt
from pages.components.as_of import selected_as_of, selected_vs
from pages.components.cell import cell, theme
from pages.components.chart import drawn
from pages.components.compare_link import compare_link
from pages.components.format import day, signed_number
from pages.components.movers_texts import bar_texts, movers_sentence, movers_table, why_no_movers
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
collection_names = collections.names()
query_params.show_invalid_parameters(
    query_params.invalid_languages(languages, several=False),
    query_params.invalid_whole_numbers("days", MAX_DAYS, 1),
    query_params.invalid_choices("collection", collection_names),
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
    if collection_names:
        collection = st.selectbox(
            "Collection", collection_names, index=None, key="collection", bind="query-params", width=180
        )
with st.container(horizontal=True):
    ranking = segmented_choice("Ranking", RANKINGS, key="by")
    max_age = segmented_choice("Age", AGES, key="age")
if login and accounts.find(login, selected_as_of()) is None:
    unknown_account.explain(login)
    st.stop()

chosen: dict[str, Any] = {"ranking": ranking, "max_age": max_age, "login": login, "collection": collection or ""}
vs = selected_vs()
found = queries.ranked_movers(selected_as_of(), days, language or "", **chosen)
if vs is not None:
    then = queries.movers(vs, days, language or "", **chosen).rows
    found = replace(found, rows=with_differences(found.rows, then, "id", queries.COMPARED_COLUMNS, changed_first=False))
span, newest = window(timedelta(days=days)), day(found.newest_at)
rows = found.rows.assign(description=found.rows["description"].map(render_shortcodes, na_action="ignore"))
note = f"up to {newest}" if found.newest_at else ""
empty = why_no_movers(found, ranking, span)
top = found.rows.head(SHOWN_BARS)
filters = {
    "days": days,
    "by": ranking,
    "language": language,
    "account": login,
    "collection": collection,
    "max_age_days": max_age.days if max_age else None,
}
api = f"movers?{urlencode({name: value for name, value in filters.items() if value})}"
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
        texts=bar_texts(top, by_share=ranking == "share"),
    ),
    alt=bars_alt(top["full_name"].head(5), gains.head(5)),
    rows=rows,
    api=api,
    columns=columns.MOVERS,
    empty=empty,
    note=note,
    definition=growth.DEFINITION,
)
compare_link(found.rows["full_name"], "Compare the first ten over time")
listed, shown_columns = rows, columns.RANKED_MOVERS
if vs is not None:
    listed = most_changed_first(rows, "growth")
    shown_columns = columns.with_compared(shown_columns, "growth", "Gained", f"up to {day(vs)}")
table_cell(
    "What are all the numbers?",
    f"{quantity(len(rows), 'repository', 'repositories')}{', most changed first' if vs else ''}. Places gained: against "
    f"the {span} before. Click a heading to sort, a name to open its page.",
    derived(listed, found.rows),
    shown_columns,
    name="movers",
    api=api,
    shown=movers_table(listed),
    alt="Repositories with stars gained, share, stars and language",
    max_height=560,
    empty=empty,
    note=note,
    definition=growth.DEFINITION,
)
