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


MENU: dict[str, tuple[PageEntry, ...]] = {
    "": (PageEntry("", ":material/space_dashboard:", "overview.py"),),
    "Read": (
        PageEntry("account", ":material/person:"),
        PageEntry("repositories", ":material/table_rows:"),
        PageEntry("repository", ":material/book_2:"),
        PageEntry("compare", ":material/compare_arrows:"),
        PageEntry("languages", ":material/donut_large:"),
        PageEntry("movers", ":material/trending_up:"),
        PageEntry("changes", ":material/history:"),
        PageEntry("scene", ":material/location_city:"),
        PageEntry("alerts", ":material/notifications:"),
    ),
    "Admin": (
        PageEntry("tracking", ":material/playlist_add_check:"),
        PageEntry("ingestion", ":material/sync:"),
        PageEntry("people", ":material/group:"),
        PageEntry("system", ":material/monitor_heart:"),
    ),
    "You": (
        PageEntry("search", ":material/search:", in_menu=False),
        PageEntry("profile", ":material/account_circle:", "profile_page.py", in_menu=False),
        PageEntry("reset", in_menu=False),
        PageEntry("register", in_menu=False),
    ),
}


def all_entries() -> list[PageEntry]:
    return [entry for entries in MENU.values() for entry in entries]


def file_of(path: str) -> str:
    """Return the file of the page at URL path *path*, as `st.page_link` takes it."""
    return next(entry.file or f"{entry.path}.py" for entry in all_entries() if entry.path == path)


def signed_out_pages() -> list[st.Page]:
    """Return every path with the sign-in form as its content: after signing in, the URL still names the page."""
    return [entry.page("" if entry.path in PUBLIC_PATHS else "sign_in.py") for entry in all_entries()]


def pages_for(identity: Identity) -> dict[str, list[st.Page]]:
    """Return the menu of *identity*; to others a page for admins shows `admins_only.py`, hidden from the menu."""
    shown: dict[str, list[st.Page]] = {}
    for heading, entries in MENU.items():
        for entry in entries:
            if entry.role == "admin" and not identity.is_admin:
                shown.setdefault(" ", []).append(PageEntry(entry.path, in_menu=False).page("admins_only.py"))
            else:
                shown.setdefault(heading, []).append(entry.page())
    return shown
