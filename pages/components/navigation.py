"""What there is to read, in the order of the menu, and who may: one row a page."""

from dataclasses import dataclass

import streamlit as st

from core.auth.identity import Identity, Role


@dataclass(frozen=True)
class PageEntry:
    """A page. `path` is its place in the address, empty for the first page; its file is named like it, or `file`."""

    path: str
    title: str
    icon: str = ""
    file: str = ""
    role: Role = "analyst"
    in_menu: bool = True

    def page(self, file: str = "") -> st.Page:
        """The page as Streamlit wants it, or *file* in its place."""
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
        PageEntry("languages", "Languages", ":material/donut_large:"),
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
# These come before a session; everything else shows the sign-in to who has none.
PUBLIC_PATHS = ("reset", "register")


def all_entries() -> list[PageEntry]:
    return [entry for entries in MENU.values() for entry in entries]


def signed_out_pages() -> list[st.Page]:
    """The sign-in under every address that there is: a link keeps meaning its page until somebody has signed in."""
    return [entry.page("" if entry.path in PUBLIC_PATHS else "sign_in.py") for entry in all_entries()]


def pages_for(identity: Identity) -> dict[str, list[st.Page]]:
    """What *identity* may read; a page for admins says so to others who ask for it."""
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
