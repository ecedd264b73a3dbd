"""
# Repositories
Everything that is held, in one table. What you choose is in the address: a link shows the same rows.
"""

import pyarrow as pa
import streamlit as st
from pandas import ArrowDtype, DataFrame, Series

from core.charts.repositories import growth_scatter, stars_histogram
from core.emoji import render_shortcodes
from core.queries import repository_list
from core.queries.repository_list import Filters
from pages.components import as_of, query_params
from pages.components.cell import cell, theme
from pages.components.format import number
from pages.components.table_cell import table_cell

# What can be chosen, which is also what the address says, and the columns that it means.
ORDER_COLUMNS = {
    "most stars": "stars",
    "most won in 30 days": "stars_30d",
    "most won in 7 days": "stars_7d",
    "most forks": "forks",
    "latest push": "pushed_at",
    "oldest numbers": "checked_at",
    "name": "full_name",
}
HIDE_OPTIONS = ["forks", "archived", "gone"]
MAX_STARS = 10_000_000
# The keys of the widgets, which are the names in the address, and what each is without a choice.
DEFAULT_FILTERS = {"search": "", "owner": "", "language": [], "license": None, "min_stars": 0, "hide": []}
LOOSENED_LABELS = {
    "search": "another search",
    "owner": "any owner",
    "languages": "all languages",
    "license": "any licence",
    "min_stars": "fewer stars",
    "forks": "forks",
    "archived": "archived ones",
    "gone": "gone ones",
}
STATE_COMBINATIONS = [[], ["archived"], ["fork"], ["archived", "fork"]]
STATE_COMBINATIONS += [[*states, "gone"] for states in STATE_COMBINATIONS]
COLUMNS = {
    "repository": st.column_config.LinkColumn(
        "Repository", display_text=r"github\.com/[^/]+/(.+)$", width=200, pinned=True
    ),
    "account": st.column_config.LinkColumn(
        "Owner", display_text=r"login=(.+)$", width=105, help="Opens the account here"
    ),
    "language": st.column_config.TextColumn("Language", width=90),
    "stars": st.column_config.NumberColumn("Stars", format="localized", width=75),
    "stars_7d": st.column_config.NumberColumn(
        "in 7 days", format="localized", width=75, help="Stars won in the 7 days before the last look"
    ),
    "stars_30d": st.column_config.NumberColumn(
        "in 30 days", format="localized", width=82, help="Stars won in the 30 days before the last look"
    ),
    "forks": st.column_config.NumberColumn("Forks", format="localized", width=70),
    "checked_at": st.column_config.DatetimeColumn(
        "Looked at", format="YYYY-MM-DD", width=95, help="The last look: how old these numbers are"
    ),
    "pushed_at": st.column_config.DatetimeColumn("Pushed", format="YYYY-MM-DD", width=95),
    "watchers": st.column_config.NumberColumn("Watchers", format="localized", width=80),
    "open_issues": st.column_config.NumberColumn(
        "Open issues",
        format="localized",
        width=95,
        help="Without change requests; a dash where GitHub did not tell them apart",
    ),
    "size": st.column_config.NumberColumn("Size", format="bytes", width=75),
    "license": st.column_config.TextColumn("Licence", width=95),
    "topics": st.column_config.ListColumn("Topics", width=170),
    "state": st.column_config.ListColumn("State", width=120, help="archived, fork, gone"),
    "source": st.column_config.TextColumn(
        "Source", width=110, help="Who looked: github is this installation; the others kept history that was imported"
    ),
    "description": st.column_config.TextColumn("Description", width=420),
}


language_options = repository_list.language_counts()["language"].tolist()
license_options = repository_list.license_counts()["license"].tolist()
query_params.show_invalid_parameters(
    query_params.invalid_choices("language", language_options, several=True),
    query_params.invalid_choices("license", license_options),
    query_params.invalid_choices("order", ORDER_COLUMNS),
    query_params.invalid_choices("hide", HIDE_OPTIONS, several=True),
    query_params.invalid_whole_numbers("min_stars", MAX_STARS),
)


def clear_filters() -> None:
    st.session_state.update(DEFAULT_FILTERS)


with st.container(horizontal=True, vertical_alignment="bottom"):
    search = st.text_input(
        "Search", key="search", bind="query-params", placeholder="Name, description, topic", icon=":material/search:"
    )
    owner = st.text_input("Owner", key="owner", bind="query-params", placeholder="Login", width=160)
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
    min_stars = st.number_input(
        "Stars, at least", 0, MAX_STARS, 0, 1_000, key="min_stars", bind="query-params", width=150
    )
    order = st.selectbox("Order", list(ORDER_COLUMNS), key="order", bind="query-params", width=200)
    hidden = st.pills("Hide", HIDE_OPTIONS, selection_mode="multi", key="hide", bind="query-params", width="content")

filters = Filters(
    search, owner, tuple(languages), license_id or "", min_stars, frozenset(hidden), as_of=as_of.selected_as_of()
)
rows = repository_list.matching_repositories(filters, ORDER_COLUMNS[order])
stored_count = repository_list.count_repositories(filters.as_of)


def display_rows(frame: DataFrame) -> DataFrame:
    """The rows as the table shows them: links, bytes, and the three flags in one column."""
    flags = frame["is_archived"].astype(int) + 2 * frame["is_fork"].astype(int) + 4 * frame["is_gone"].astype(int)
    states = pa.array(STATE_COMBINATIONS, pa.list_(pa.string())).take(pa.array(flags.to_numpy()))
    return frame.assign(
        repository="https://github.com/" + frame["full_name"],
        account="/account?login=" + frame["owner"],
        size=frame["size_kb"] * 1024,
        description=descriptions_with_emoji(frame["description"]),
        state=Series(states, dtype=ArrowDtype(states.type), index=frame.index),
    )[list(COLUMNS)]


def descriptions_with_emoji(texts: Series) -> Series:
    """Descriptions with the emoji that they name; most name none, so only those that may are looked at."""
    naming = texts.str.contains(":", regex=False).fillna(False).astype(bool)
    texts = texts.copy()
    texts[naming] = [render_shortcodes(text) for text in texts[naming]]
    return texts


def no_match_advice() -> str:
    """Say which filter keeps everything out."""
    if not stored_count:
        return (
            "No repository is held as of this day. The first look came later."
            if filters.as_of
            else "Nothing has been collected yet."
        )
    found = [(name, count) for name, count in repository_list.counts_without_each_filter(filters).items() if count]
    if found:
        ways = ", or ".join(f"{number(count)} with {LOOSENED_LABELS[name]}" for name, count in found[:3])
        return f"No repository matches. There would be {ways}.{similar_owners_hint()}"
    return f"No repository matches, and no one filter alone is the reason: loosen two.{similar_owners_hint()}"


def similar_owners_hint() -> str:
    """Owners that begin like the one that was asked for."""
    near = repository_list.owners_with_prefix(owner.strip()[:5]) if owner.strip() else []
    return f" Owners that begin alike: {', '.join(near)}." if near else ""


with st.container(horizontal=True, vertical_alignment="center"):
    st.markdown(f"**{number(len(rows))}** of {number(stored_count)} repositories")
    if filters.active:
        st.button("Clear filters", icon=":material/filter_alt_off:", type="tertiary", on_click=clear_filters)

table_cell(
    "Which repositories are held, and what is known of each?",
    "Click a heading to sort by it. A dash is not known, never zero; each row says of which day its numbers are.",
    rows,
    COLUMNS,
    name="repositories",
    shown=display_rows(rows),
    alt="Repositories that match the filters",
    max_height=560,
    lazy=True,
    definition="A repository's numbers are those of the last look at it: ours, else the last that an imported source kept. "
    "Growth is the number then less the last number at or before so many days earlier. "
    "A fork, an archived or a gone repository counts like any other until it is hidden.",
    empty=no_match_advice() if rows.empty else "",
)

"""
## In numbers
"""
left, right = st.columns(2)
with left:
    distribution = repository_list.star_distribution(filters)
    cell(
        "How are stars distributed?",
        "Repositories by stars; each bar reaches about twice as far as the one before.",
        distribution,
        name="stars-distribution",
        chart=stars_histogram(distribution, theme()),
        alt=f"Repositories by stars, in {len(distribution)} bins",
        empty=no_match_advice() if distribution.empty else "",
    )
with right:
    fastest_growing = repository_list.fastest_growing(filters)
    cell(
        "Which ones grow fastest for their size?",
        f"Across: stars. Up: stars won in the 30 days before the last look. The {number(len(fastest_growing))} that won most.",
        fastest_growing,
        name="growing",
        chart=growth_scatter(fastest_growing, theme()),
        alt="Stars against stars won in 30 days",
        empty="No matching repository is known to have won stars in 30 days.",
    )
