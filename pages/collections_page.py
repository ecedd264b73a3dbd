"""
# Collections
Named groups of accounts and repositories, to read together. The link of this page shows the same collection.
"""

import streamlit as st

from core.db.frames import derived
from core.emoji import render_shortcodes
from core.queries import collections
from core.wording import quantity
from pages.components import columns, definitions, query_params
from pages.components.as_of import page_links, selected_as_of, selected_vs
from pages.components.compare_link import compare_link
from pages.components.format import day
from pages.components.table_cell import table_cell
from pages.sections import edit_collection
from pages.session import current

identity = current.current_identity()
names = collections.names()
query_params.show_invalid_parameters(query_params.invalid_choices("collection", names))
with st.container(horizontal=True, vertical_alignment="bottom"):
    chosen = st.selectbox(
        "Collection", names, index=None, key="collection", bind="query-params", placeholder="Choose one", width=320
    )
    edit_collection.show_new()
collection = collections.find(chosen) if chosen else None
if collection is None:
    edit_collection.show_none_chosen(has_any=bool(names))
else:
    members = collections.members(collection.id)
    edit_collection.show_header(identity, collection, members)
    as_of, vs = selected_as_of(), selected_vs()
    if vs is None:
        found = collections.repositories(collection.name, as_of)
        shown_columns = columns.COLLECTED_REPOSITORIES
    else:
        found = collections.compared_repositories(collection.name, as_of, vs)
        shown_columns = columns.with_compared(columns.COLLECTED_REPOSITORIES, "stars", "Stars", day(vs))
    shown = found.assign(
        repository=page_links("repository", "name", found["full_name"]),
        account=page_links("account", "login", found["owner"]),
        description=found["description"].map(render_shortcodes, na_action="ignore"),
    )
    table_cell(
        "Which repositories are in it?",
        f"{quantity(len(found), 'repository', 'repositories')}, its accounts' own included"
        f"{f'; compared with {day(vs)}, most changed first' if vs else ', most stars first'}.",
        found,
        shown_columns,
        name="collection-repositories",
        shown=derived(shown, found),
        alt="Repositories of the collection with stars, growth, forks and language",
        max_height=560,
        definition=definitions.REPOSITORY_COUNTS,
        empty=edit_collection.why_empty(members, as_of),
    )
    if not found.empty:
        with st.container(horizontal=True):
            st.page_link(
                "movers.py",
                label="Its movers",
                icon=":material/trending_up:",
                query_params={"collection": collection.name},
                width="content",
            )
            compare_link(found["full_name"], "Compare the first ten over time")
