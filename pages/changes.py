"""
# Changes
What happened to accounts and repositories: renames, licences, archiving, new and deleted ones; newest first.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st

from core.as_of import EARLIEST, just_after
from core.queries import accounts, changes, coverage
from core.wording import quantity, window
from pages.components import columns, labels, query_params, unknown_account
from pages.components.as_of import moment, selected_as_of, selected_vs
from pages.components.segmented_choice import segmented_choice
from pages.components.table_cell import table_cell
from pages.sections import change_feed

SPANS = {"7d": timedelta(days=7), "30d": timedelta(days=30), "Year": timedelta(days=365), "All": None}
MAX_ROWS = 10_000

kinds_by_label = {label: kind for kind, label in labels.CHANGES.items()}
query_params.show_invalid_parameters(query_params.invalid_choices("kind", kinds_by_label, several=True))
with st.container(horizontal=True, vertical_alignment="bottom"):
    login = query_params.text_input("Account", key="account", placeholder="Login", width=180)
    name = query_params.text_input("Repository", key="repository", placeholder="owner/name", width=220)
    labels_chosen = st.multiselect(
        "Kinds", list(kinds_by_label), key="kind", bind="query-params", placeholder="All kinds", width="stretch"
    )
vs = selected_vs()
span = None if vs else segmented_choice("Span", SPANS, key="span", default="30d")

as_of = selected_as_of()
account = accounts.find(login, as_of) if login else None
if login and account is None:
    unknown_account.explain(login)
    st.stop()
repository = change_feed.find_repository(name, as_of) if name else None
if name and repository is None:
    st.stop()
# To the minute, so that all who read in it share one answer.
until = as_of or datetime.now(UTC).replace(second=0, microsecond=0)
since = just_after(vs) if vs else until - span if span else EARLIEST
chosen: dict[str, Any] = {
    "kinds": [kinds_by_label[label] for label in labels_chosen],
    "login": account.current_login if account else "",
    "repository_id": repository.repository_id if repository else None,
}
found = changes.list_changes(as_of, **chosen, since=since, limit=MAX_ROWS).drop(columns="entry")
within = f" since {moment(vs)}" if vs else f" within {window(span)}" if span else ""
with st.container(horizontal=True, vertical_alignment="center", gap="small"):
    if len(found):
        days = quantity(change_feed.days_of(found).nunique(), "day")
        st.markdown(f"**{quantity(len(found), 'change')}** on {days}{within}", width="content")
    change_feed.show_feed_link(chosen["kinds"], login, name)
if vs is not None:
    change_feed.show_counts(as_of, vs, chosen)
change_feed.show_days(found)
table_cell(
    "What are all the entries?",
    "One row per change, newest first; the time is when a refresh detected it.",
    found,
    columns.CHANGES,
    name="changes",
    api=change_feed.api_path(chosen["kinds"], login, name, None if vs else span),
    shown=labels.change_rows(found),
    alt="Changes with time, kind, account, repository, before and after",
    max_height=460,
    empty=change_feed.why_empty(
        within,
        kinds=len(labels_chosen),
        has_account=account is not None,
        has_repository=repository is not None,
        was_refreshed=coverage.was_refreshed(as_of),
    ),
    empty_is_ok=coverage.was_refreshed(as_of),
)
