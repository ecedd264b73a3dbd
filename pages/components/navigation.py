"""The menu: one entry per page, in order, with the role that may read it."""

from dataclasses import dataclass

import streamlit as st

from core.auth.identity import Identity, Role


@dataclass(frozen=True)
class PageEntry:
    """A page. `path` is its URL path, empty for the first page; *file* is `{path}.py` unless given."""

    path: str
    title: str
    icon: str = ""
    file: str = ""
    role: Role = "analyst"
    in_menu: bool = True

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
    "": (PageEntry("", "Overview", ":material/space_dashboard:", "overview.py"),),
    "Read": (
        PageEntry("account", "Account", ":material/person:"),
        PageEntry("repositories", "Repositories", ":material/table_rows:"),
        PageEntry("repository", "Repository", ":material/book_2:"),
        PageEntry("languages", "Languages", ":material/donut_large:"),
        PageEntry("movers", "Movers", ":material/trending_up:"),
        PageEntry("changes", "Changes", ":material/history:"),
        PageEntry("scene", "Scene", ":material/location_city:"),
        PageEntry("alerts", "Alerts", ":material/notifications:"),
    ),
    "Admin": (
        PageEntry("tracking", "Tracking", ":material/playlist_add_check:", role="admin"),
        PageEntry("ingestion", "Ingestion", ":material/sync:", role="admin"),
        PageEntry("people", "People", ":material/group:", role="admin"),
        PageEntry("system", "System", ":material/monitor_heart:", role="admin"),
    ),
    "You": (
        PageEntry("profile", "Profile", ":material/account_circle:", "profile_page.py", in_menu=False),
        PageEntry("reset", "New password", in_menu=False),
        PageEntry("register", "New account", in_menu=False),
    ),
}
# Readable without a session; every other path shows the sign-in form instead.
PUBLIC_PATHS = ("reset", "register")


def all_entries() -> list[PageEntry]:
    return [entry for entries in MENU.values() for entry in entries]


def signed_out_pages() -> list[st.Page]:
    """Return every path with the sign-in form as its content: after signing in, the URL still names the page."""
    return [entry.page("" if entry.path in PUBLIC_PATHS else "sign_in.py") for entry in all_entries()]


def pages_for(identity: Identity) -> dict[str, list[st.Page]]:
    """Return the menu of *identity*; to others a page for admins shows `admins_only.py`, hidden from the menu."""
    shown: dict[str, list[st.Page]] = {}
    for heading, entries in MENU.items():
        for entry in entries:
            if entry.role == "admin" and not identity.is_admin:
                shown.setdefault(" ", []).append(
                    PageEntry(entry.path, entry.title, in_menu=False).page("admins_only.py")
                )
            else:
                shown.setdefault(heading, []).append(entry.page())
    return shown
