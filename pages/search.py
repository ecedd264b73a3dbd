"""
# Search
Accounts, repositories, languages and pages by parts of their names.
"""

import streamlit as st

from core import site_search
from core.emoji import render_shortcodes
from pages.components import navigation, query_params
from pages.components.as_of import selected_as_of, selected_vs
from pages.components.markdown import escape_markdown
from pages.session import current

MAX_PER_KIND = 20
HEADINGS: dict[site_search.Kind, tuple[str, str]] = {
    "account": ("Accounts", ":material/person:"),
    "repository": ("Repositories", ":material/book_2:"),
    "language": ("Languages", ":material/donut_large:"),
    "page": ("Pages", ":material/web_asset:"),
}

text = query_params.text_input(
    "Search", key="q", placeholder="Login, owner/name, language, page", icon=":material/search:"
)
identity, as_of = current.require_identity(), selected_as_of()
hits = site_search.find(text, as_of, MAX_PER_KIND, is_admin=identity.is_admin) if text else []
if not text:
    st.info("Type a part of a name. A word of one or two letters has to begin it.", icon=":material/search:")
elif not hits:
    st.info(
        f"Nothing stored is called {query_params.quoted(text)}. An account can be requested on the page Account, under "
        "its exact login.",
        icon=":material/search_off:",
    )
for kind, (heading, icon) in HEADINGS.items():
    found = [hit for hit in hits if hit.kind == kind]
    if not found:
        continue
    with st.container(border=True, key=f"hits-{kind}", gap="xsmall"):
        more = ", the best matches first" if len(found) == MAX_PER_KIND else ""
        st.markdown(f"**{heading}**{more}")
        for hit in found:
            with st.container(gap=None):
                st.page_link(
                    navigation.file_of(hit.path),
                    label=escape_markdown(hit.name),
                    icon=icon,
                    query_params=hit.query(as_of, selected_vs()),
                )
                if hit.description:
                    st.caption(escape_markdown(render_shortcodes(hit.description)))
