"""
# Repositories
All stored repositories in one table. The filters are in the URL: a link shows the same rows.
"""

import streamlit as st

from core.charts.repositories import growth_scatter, stars_histogram
from core.queries import repository_list
from core.queries.repository_list import Filters
from core.wording import quantity
from pages.components import query_params
from pages.components import repository_filters as options
from pages.components.as_of import selected_as_of
from pages.components.cell import cell, theme
from pages.components.chart import drawn
from pages.components.format import number
from pages.sections.repository_table import show_repositories

language_options = repository_list.language_counts()["language"].tolist()
license_options = repository_list.license_counts()["license"].tolist()
options.show_invalid_parameters(language_options, license_options)
with st.container(horizontal=True, vertical_alignment="bottom"):
    search = query_params.text_input(
        "Search", key="search", placeholder="Name, description, topic", icon=":material/search:"
    )
    owner = query_params.text_input("Owner", key="owner", placeholder="Login", width=160)
    languages = st.multiselect(
        "Languages",
        language_options,
        key="language",
        bind="query-params",
        placeholder="All languages",
        width="stretch",
    )
with st.container(horizontal=True, vertical_alignment="bottom"):
    license_id = st.selectbox(
        "Licence",
        license_options,
        index=None,
        key="license",
        bind="query-params",
        placeholder="Any licence",
        width=180,
    )
    min_stars = query_params.whole_number_input("Stars, at least", key="min_stars", step=1_000, width=150)
    order = st.selectbox("Order", list(options.ORDER_COLUMNS), key="order", bind="query-params", width=200)
    hidden = st.pills(
        "Hide", options.HIDE_OPTIONS, selection_mode="multi", key="hide", bind="query-params", width="content"
    )

filters = Filters(
    search, owner, tuple(languages), license_id or "", min_stars, frozenset(hidden), as_of=selected_as_of()
)
matching = repository_list.count_matching(filters)
stored_count = repository_list.count_repositories(filters.as_of)
options.show_match_count(filters, matching, stored_count)
no_match = options.no_match_advice(filters, stored_count) if not matching else ""
show_repositories(filters, options.ORDER_COLUMNS[order], matching, no_match)

"""
## Distribution and growth
"""
left, right = st.columns(2)
with left:
    distribution = repository_list.star_distribution(filters)
    cell(
        "How are stars distributed?",
        "Repositories by stars; each bin is about twice as wide as the one before.",
        distribution,
        name="stars-distribution",
        chart=drawn(stars_histogram, distribution, theme()),
        alt=f"Repositories by stars, in {quantity(len(distribution), 'bin')}",
        empty=no_match,
    )
with right:
    fastest_growing = repository_list.fastest_growing(filters)
    cell(
        "Which ones grow fastest for their size?",
        "Across: stars. Up: stars gained in the 30 days before the last refresh."
        + (f" The {number(len(fastest_growing))} that gained most." if len(fastest_growing) > 1 else ""),
        fastest_growing,
        name="growing",
        chart=drawn(growth_scatter, fastest_growing, theme()),
        alt="Stars against stars gained in 30 days",
        empty="No matching repository is known to have gained stars in 30 days.",
    )
