"""One person, as admins see them: what they may, where they are signed in, and what can be changed about it."""

from datetime import datetime, timedelta

import streamlit as st
from streamlit import column_config as column

from core.auth import people as people_rules
from core.auth import sign_out, tickets
from core.auth.identity import Identity
from core.auth.people import Person
from core.queries import people
from core.wording import time_ago
from pages.components.columns import TIMESTAMP_COLUMN
from pages.components.devices import device_label
from pages.components.format import UNKNOWN, day, number
from pages.components.markdown import escape_markdown
from pages.components.one_time_link import show_one_time_link
from pages.components.table import without_attrs as bare
from pages.session import current
from pages.session.common import errors_as_notices, show_notice

ROLE_NOUNS = {"admin": "an admin", "analyst": "an analyst"}
ROLE_RIGHTS = {
    "admin": "Admins decide what is tracked, start ingestion and manage people.",
    "analyst": "Analysts read all pages.",
}
SESSION_COLUMNS = {
    "device": column.TextColumn("Device", width=200),
    "ip_address": column.TextColumn("From", width=130),
    "last_seen_at": TIMESTAMP_COLUMN | {"label": "Last seen", "width": 130},
    "since": TIMESTAMP_COLUMN | {"label": "Signed in", "width": 130},
    "ends_at": TIMESTAMP_COLUMN | {"label": "Ends unused", "width": 130},
}
API_KEY_COLUMNS = {
    "name": column.TextColumn("Name", width=200),
    "hint": column.TextColumn("Ends with", width=100),
    "state": column.TextColumn("State", width=80),
    "last_used_at": TIMESTAMP_COLUMN | {"label": "Last used", "width": 130},
    "created_at": TIMESTAMP_COLUMN | {"label": "Created", "width": 130},
    "expires_at": TIMESTAMP_COLUMN | {"label": "Expires", "width": 130},
}
LAST_ADMIN_HELP = (
    "This is the last active admin: make somebody else an admin first, so that somebody can manage people."
)


def show_person(admin: Identity, username: str, admins: int, now: datetime) -> None:
    """Show the person of that name, with all that an admin may do; say so where there is none."""
    shown = people_rules.find_by_username(username)
    if shown is None:
        st.warning(f"There is no person called {escape_markdown(username[:60])}.", icon=":material/person_off:")
        return
    with st.container(border=True, key="person"):
        show_heading(shown, now)
        is_last = shown.role == "admin" and shown.active and admins == 1
        show_action_buttons(admin, shown, is_last)
        if is_last:
            st.caption(f":material/info: {LAST_ADMIN_HELP}")
        show_sessions_and_keys(shown, now)


def show_heading(shown: Person, now: datetime) -> None:
    role = f":blue-badge[{shown.role}]" if shown.role == "admin" else f":gray-badge[{shown.role}]"
    state = "" if shown.active else " :orange-badge[:material/block: deactivated]"
    st.markdown(f"### {escape_markdown(shown.display_name or shown.username)} {role}{state}")
    seen = f"last seen {time_ago(shown.last_seen_at, now)}" if shown.last_seen_at else "never seen"
    parts = [
        escape_markdown(shown.username),
        escape_markdown(shown.email or "no e-mail"),
        f"since {day(shown.created_at)}",
        seen,
    ]
    st.caption(" · ".join(parts))


def show_action_buttons(admin: Identity, shown: Person, is_last: bool) -> None:
    """What can be done; what ends somebody's access asks first."""
    other = "analyst" if shown.role == "admin" else "admin"
    why_not = LAST_ADMIN_HELP if is_last else None
    with st.container(horizontal=True, key="person-actions", gap="small"):
        if st.button(
            f"Make {ROLE_NOUNS[other]}", icon=":material/badge:", disabled=is_last, help=why_not, key="role-change"
        ):
            confirm_role_change(admin, shown, other)
        if shown.active:
            if st.button("Deactivate", icon=":material/block:", disabled=is_last, help=why_not, key="deactivate"):
                confirm_deactivation(admin, shown)
            if st.button("Reset link", icon=":material/key:", key="reset-link-of"):
                confirm_reset_link(admin, shown)
        elif st.button("Activate", icon=":material/check:", key="activate"):
            with errors_as_notices():
                people_rules.set_active(admin, shown.id, True, current.origin())
                st.rerun()
        if st.button("End all sessions", icon=":material/logout:", key="end-sessions"):
            confirm_end_sessions(admin, shown)
        if st.button("Audit trail", icon=":material/history:", type="tertiary", help="Further down", key="trail-of"):
            # The trail is drawn further down: its fields can still be set.
            st.session_state["by"] = shown.username


def show_sessions_and_keys(shown: Person, now: datetime) -> None:
    open_ones, keys = people.sessions(shown.id, now), people.api_keys(shown.id, now)
    open_ones = open_ones.assign(device=open_ones["device"].map(device_label))
    for title, rows, columns in (("Sessions", open_ones, SESSION_COLUMNS), ("API keys", keys, API_KEY_COLUMNS)):
        if rows.empty:
            st.caption(f"**{title}**: none.")
            continue
        st.markdown(f"**{title}** · {number(len(rows))}")
        st.dataframe(
            bare(rows[list(columns)]),
            column_config=columns,
            hide_index=True,
            placeholder=UNKNOWN,
            height=min(220, 35 * (len(rows) + 1) + 3),
            alt=f"{title} of {shown.username}",
            key=f"person-{title.lower().replace(' ', '-')}",
        )


@st.dialog("Change the role")
def confirm_role_change(admin: Identity, shown: Person, role: str) -> None:
    st.markdown(
        f"**{escape_markdown(shown.username)}** becomes {ROLE_NOUNS[role]}. {ROLE_RIGHTS[role]} Their sessions end; they sign in again."
    )
    if shown.id == admin.person_id:
        show_notice("This is you: you will be signed out, and no longer be an admin")
    if st.button(f"Make {ROLE_NOUNS[role]}", type="primary", key="role-sure"):
        with errors_as_notices():
            people_rules.change_role(require_admin_again(), shown.id, role, current.origin())
            st.rerun()


@st.dialog("Deactivate")
def confirm_deactivation(admin: Identity, shown: Person) -> None:
    st.markdown(
        f"**{escape_markdown(shown.username)}** can no longer sign in: their sessions and links end now, their API keys stop "
        "working. Nothing is deleted, and activating undoes it."
    )
    if shown.id == admin.person_id:
        show_notice("This is you: you will be signed out at once")
    if st.button("Deactivate", type="primary", key="deactivate-sure"):
        with errors_as_notices():
            people_rules.set_active(require_admin_again(), shown.id, False, current.origin())
            st.rerun()


@st.dialog("End all sessions")
def confirm_end_sessions(admin: Identity, shown: Person) -> None:
    st.markdown(
        f"**{escape_markdown(shown.username)}** is signed out everywhere, and may sign in again. API keys stay good."
    )
    if shown.id == admin.person_id:
        show_notice("This is you: this page ends, too")
    if st.button("End all sessions", type="primary", key="end-sure"):
        with errors_as_notices():
            sign_out.end_sessions(require_admin_again(), shown.id, current.origin())
            st.rerun()


@st.dialog("Reset link")
def confirm_reset_link(_admin: Identity, shown: Person) -> None:
    hours = tickets.RESET_LIFETIME // timedelta(hours=1)
    st.markdown(
        f"With this link **{escape_markdown(shown.username)}** sets a new password. It is good once, for {hours} h; "
        "earlier links of theirs end. Give it to them by a way you trust."
    )
    if st.button("Make a link", type="primary", key="reset-sure"):
        with errors_as_notices():
            show_one_time_link(
                "reset", tickets.issue_reset(require_admin_again(), shown.id, current.origin()), tickets.RESET_LIFETIME
            )


def require_admin_again() -> Identity:
    """Who presses the button, asked once more: a dialog may stand open for long."""
    return current.require_identity("admin")
