"""The filters of the repositories page: options, validation, and advice when nothing matches."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.queries import repository_list
from core.queries.repository_list import Filters
from core.wording import quantity
from pages.components import query_params
from pages.components.as_of import nothing_collected
from pages.components.format import number
from pages.components.markdown import escape_markdown
from pages.session import guard

# Labels, which also stand in the URL, and the columns to order by.
ORDER_COLUMNS = {
    "most stars": "stars",
    "most gained in 30 days": "stars_30d",
    "most gained in 7 days": "stars_7d",
    "most forks": "forks",
    "latest push": "pushed_at",
    "least recently refreshed": "checked_at",
    "name": "full_name",
}
HIDE_OPTIONS = ["forks", "archived", "deleted"]
# By widget key, which is also the query parameter.
CHOICE_DEFAULTS: dict[str, Any] = {"language": [], "license": None, "hide": []}
INPUT_KEYS = ("search", "owner", "min_stars")
LOOSENED_LABELS = {
    "search": "another search",
    "owner": "any owner",
    "languages": "all languages",
    "license": "any licence",
    "min_stars": "fewer stars",
    "forks": "forks",
    "archived": "archived ones",
    "deleted": "deleted or private ones",
}
MAX_ADVICE = 3


def show_invalid_parameters(languages: Sequence[str], licenses: Sequence[str]) -> None:
    """Warn about filters in the URL that are not among the options. Call before the widgets read them."""
    query_params.show_invalid_parameters(
        query_params.invalid_languages(languages),
        query_params.invalid_choices("license", licenses),
        query_params.invalid_choices("order", ORDER_COLUMNS),
        query_params.invalid_choices("hide", HIDE_OPTIONS, several=True),
        query_params.invalid_whole_numbers("min_stars"),
    )


def show_match_count(filters: Filters, matching: int, stored: int) -> None:
    """Show how many repositories match, and a button to clear the filters while any is set."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{number(matching)}** of {quantity(stored, 'repository', 'repositories')}")
        if filters.active:
            icon = ":material/filter_alt_off:"
            st.button("Clear filters", icon=icon, type="tertiary", on_click=clear_filters)


@guard.callback()
def clear_filters() -> None:
    st.session_state.update(CHOICE_DEFAULTS)
    for key in INPUT_KEYS:
        query_params.set_param(key, "")


def no_match_advice(filters: Filters, stored: int) -> str:
    """Return a sentence that says which filter excludes everything."""
    if not stored:
        return nothing_collected()
    counts = repository_list.counts_without_each_filter(filters)
    found = [f"{number(count)} with {LOOSENED_LABELS[name]}" for name, count in counts.items() if count]
    owners = repository_list.owners_with_prefix(filters.owner.strip()[:5]) if filters.owner.strip() else []
    similar = f" Similar owners: {', '.join(map(escape_markdown, owners))}." if owners else ""
    if not found:
        return f"No repository matches, and removing any single filter does not help: remove two.{similar}"
    return f"No repository matches. There would be {', or '.join(found[:MAX_ADVICE])}.{similar}"
