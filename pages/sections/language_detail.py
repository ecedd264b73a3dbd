"""One language on the page of languages: its accounts and repositories, and what occurs beside it."""

from typing import Any
from urllib.parse import quote

import streamlit as st
from pandas import Series

from core.queries import language_use, repository_list
from core.wording import quantity
from pages.components import columns
from pages.components.as_of import page_links, selected_as_of
from pages.components.markdown import escape_markdown
from pages.components.table_cell import table_cell

MAX_ROWS = 100


def known_languages() -> list[str]:
    """Return the primary languages of stored repositories, the most frequent first."""
    return [str(name) for name in repository_list.language_counts()["language"]]


def language_links(names: "Series[Any]") -> "Series[Any]":
    """Return URLs of this page for each language, where a table's link shows the name."""
    return page_links("languages", "language", names.astype(str).map(quote))


def show(language: str) -> None:
    """Show who uses *language*, in which repositories, and together with what."""
    as_of, name = selected_as_of(), escape_markdown(language)
    users = language_use.users(language, as_of, MAX_ROWS)
    repositories = language_use.repositories(language, as_of, MAX_ROWS)
    pairs = language_use.together(as_of, language)
    st.markdown(f"## {name}")
    left, right = st.columns(2)
    with left:
        table_cell(
            f"Who uses {name}?",
            f"{quantity(len(users), 'account')} by stars of repositories with this primary language; forks left out.",
            users,
            columns.LANGUAGE_USERS,
            name="language-users",
            shown=users.assign(account=page_links("account", "login", users["owner"])),
            empty="No stored repository had this primary language then.",
            max_height=420,
        )
    with right:
        table_cell(
            f"Which repositories are written in {name}?",
            "Most stars first; click a name to open its page.",
            repositories,
            columns.LANGUAGE_REPOSITORIES,
            name="language-repositories",
            shown=repositories.assign(repository=page_links("repository", "name", repositories["full_name"])),
            empty="No stored repository had this primary language then.",
            max_height=420,
        )
    table_cell(
        f"What occurs together with {name}?",
        "Other languages in repositories with bytes of it, and how much more often than by chance.",
        pairs,
        columns.TOGETHER,
        name="language-together",
        shown=pairs.assign(other=language_links(pairs["other"])),
        definition=language_use.TOGETHER_DEFINITION,
        empty=f"Bytes of code have not been collected of two repositories with {name} and another language.",
        max_height=420,
    )
