"""The menu: one entry per page, in order, with the role that may read it."""

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from core.auth.identity import Identity, Role
from core.site_pages import PUBLIC_PATHS, SITE_PAGES

PAGES_DIR = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class PageEntry:
    """A page of `SITE_PAGES` in the menu; *file* is `{path}.py` unless given."""

    path: str
    icon: str = ""
    file: str = ""
    in_menu: bool = True

    @property
    def title(self) -> str:
        return SITE_PAGES[self.path].title

    @property
    def role(self) -> Role:
        return SITE_PAGES[self.path].role

    def page(self, file: str = "") -> st.Page:
        """Return Streamlit's page object, with *file* instead of the entry's own."""
        return st.Page(
            file or self.file or f"{self.path}.py",
            title=self.title,
            icon=self.icon or None,
            url_path=self.path or None,
            default=not self.path,
            visibility="visible" if self.in_menu else "hidden",
        )


# One list: Streamlit draws sections of a menu as a list without items, which screen readers cannot read.
MENU = (
    PageEntry("", ":material/space_dashboard:", "overview.py"),
    PageEntry("account", ":material/person:"),
    PageEntry("repositories", ":material/table_rows:"),
    PageEntry("repository", ":material/book_2:"),
    PageEntry("compare", ":material/compare_arrows:"),
    PageEntry("languages", ":material/donut_large:"),
    PageEntry("movers", ":material/trending_up:"),
    PageEntry("changes", ":material/history:"),
    PageEntry("collections", ":material/folder_special:", "collections_page.py"),
    PageEntry("scene", ":material/location_city:"),
    PageEntry("alerts", ":material/notifications:"),
    PageEntry("tracking", ":material/playlist_add_check:"),
    PageEntry("ingestion", ":material/sync:"),
    PageEntry("people", ":material/group:"),
    PageEntry("system", ":material/monitor_heart:"),
    PageEntry("search", ":material/search:", in_menu=False),
    PageEntry("profile", ":material/account_circle:", "profile_page.py", in_menu=False),
    PageEntry("reset", in_menu=False),
    PageEntry("register", in_menu=False),
)


def file_of(path: str) -> str:
    """Return the file of the page at URL path *path*, as `st.page_link` takes it."""
    return next(entry.file or f"{entry.path}.py" for entry in MENU if entry.path == path)


def signed_out_pages() -> list[st.Page]:
    """Return every path with the sign-in form as its content: after signing in, the URL still names the page."""
    return [entry.page("" if entry.path in PUBLIC_PATHS else "sign_in.py") for entry in MENU]


def pages_for(identity: Identity) -> list[st.Page]:
    """Return the menu of *identity*; to others a page for admins shows `admins_only.py`, hidden from the menu."""
    return [
        PageEntry(entry.path, in_menu=False).page("admins_only.py")
        if entry.role == "admin" and not identity.is_admin
        else entry.page()
        for entry in MENU
    ]
