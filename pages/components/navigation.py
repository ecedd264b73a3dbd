"""What there is to read, in the order of the menu, and who may: one row a page."""

from dataclasses import dataclass

import streamlit as st

from core.auth.identity import Identity, Role


@dataclass(frozen=True)
class Entry:
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


CONTENTS: dict[str, tuple[Entry, ...]] = {
    "": (Entry("", "Overview", ":material/space_dashboard:", "overview.py"),),
    "Read": (
        Entry("account", "Account", ":material/person:"),
        Entry("repositories", "Repositories", ":material/table_rows:"),
        Entry("languages", "Languages", ":material/donut_large:"),
        Entry("scene", "Scene", ":material/location_city:"),
        Entry("alerts", "Alerts", ":material/notifications:"),
    ),
    "Admin": (
        Entry("tracking", "Tracking", ":material/playlist_add_check:", role="admin"),
        Entry("ingestion", "Ingestion", ":material/sync:", role="admin"),
        Entry("people", "People", ":material/group:", role="admin"),
        Entry("system", "System", ":material/monitor_heart:", role="admin"),
    ),
    "You": (
        Entry("profile", "Profile", ":material/account_circle:", "profile_page.py", in_menu=False),
        Entry("reset", "New password", in_menu=False),
        Entry("register", "New account", in_menu=False),
    ),
}
# These come before a session; everything else shows the sign-in to who has none.
BEFORE_A_SESSION = ("reset", "register")


def all_entries() -> list[Entry]:
    return [entry for entries in CONTENTS.values() for entry in entries]


def for_nobody() -> list[st.Page]:
    """The sign-in under every address that there is: a link keeps meaning its page until somebody has signed in."""
    return [entry.page("" if entry.path in BEFORE_A_SESSION else "sign_in.py") for entry in all_entries()]


def for_reader(identity: Identity) -> dict[str, list[st.Page]]:
    """What *identity* may read; a page for admins says so to others who ask for it."""
    shown: dict[str, list[st.Page]] = {}
    for heading, entries in CONTENTS.items():
        for entry in entries:
            if entry.role == "admin" and not identity.is_admin:
                shown.setdefault(" ", []).append(Entry(entry.path, entry.title, in_menu=False).page("admins_only.py"))
            else:
                shown.setdefault(heading, []).append(entry.page())
    return shown
