"""One person, as admins see them: role, sessions, API keys, and the actions on them."""

from datetime import datetime, timedelta

import streamlit as st
from streamlit import column_config as column

from core.auth import people as people_rules
from core.auth import sign_out, tickets
from core.auth.identity import Identity, Role
from core.auth.people import Person
from core.queries import people
from core.wording import time_ago
from pages.components import query_params
from pages.components.columns import timestamp_column
from pages.components.devices import device_label
from pages.components.format import day, number
from pages.components.markdown import escape_markdown
from pages.components.notices import errors_as_notices, show_notice
from pages.components.one_time_link import show_one_time_link
from pages.components.table import show_table
from pages.session import current, guard

ROLE_NOUNS: dict[Role, str] = {"admin": "an admin", "analyst": "an analyst"}
ROLE_RIGHTS: dict[Role, str] = {
    "admin": "Admins decide what is tracked, start ingestion and manage people.",
    "analyst": "Analysts read all pages.",
}
SESSION_COLUMNS = {
    "device": column.TextColumn("Device", width=200),
    "ip_address": column.TextColumn("IP address", width=130),
    "last_seen_at": timestamp_column("Last seen", width=130),
    "since": timestamp_column("Signed in", width=130),
    "ends_at": timestamp_column("Expires", width=130),
}
API_KEY_COLUMNS = {
    "name": column.TextColumn("Name", width=200),
    "hint": column.TextColumn("Ends with", width=100),
    "state": column.TextColumn("State", width=80),
    "last_used_at": timestamp_column("Last used", width=130),
    "created_at": timestamp_column("Created", width=130),
    "expires_at": timestamp_column("Expires", width=130),
}
LAST_ADMIN_HELP = (
    "This is the last active admin. Make someone else an admin first, so that people can still be managed."
)


def show_person(admin: Identity, username: str, admins: int, now: datetime) -> None:
    """Show the person called *username* with all actions, or that there is none. *admins* counts the active ones."""
    person = people_rules.find_by_username(username)
    if person is None:
        st.warning(f"There is no person called {escape_markdown(username[:60])}.", icon=":material/person_off:")
        return
    with st.container(border=True, key="person"):
        show_heading(person, now)
        is_last = person.role == "admin" and person.active and admins == 1
        show_action_buttons(admin, person, is_last)
        if is_last:
            st.caption(f":material/info: {LAST_ADMIN_HELP}")
        show_sessions_and_keys(person, now)


def show_heading(person: Person, now: datetime) -> None:
    role = f":blue-badge[{person.role}]" if person.role == "admin" else f":gray-badge[{person.role}]"
    state = "" if person.active else " :orange-badge[:material/block: deactivated]"
    st.markdown(f"### {escape_markdown(person.display_name or person.username)} {role}{state}")
    last_seen = f"last seen {time_ago(person.last_seen_at, now)}" if person.last_seen_at else "never seen"
    parts = [
        escape_markdown(person.username),
        escape_markdown(person.email or "no e-mail"),
        f"since {day(person.created_at)}",
        last_seen,
    ]
    st.caption(" · ".join(parts))


def show_action_buttons(admin: Identity, person: Person, is_last: bool) -> None:
    """Draw the actions; those that end the person's access ask for confirmation."""
    other: Role = "analyst" if person.role == "admin" else "admin"
    why_not = LAST_ADMIN_HELP if is_last else None
    with st.container(horizontal=True, key="person-actions", gap="small"):
        if st.button(
            f"Make {ROLE_NOUNS[other]}", icon=":material/badge:", disabled=is_last, help=why_not, key="role-change"
        ):
            confirm_role_change(admin, person, other)
        if person.active:
            if st.button("Deactivate", icon=":material/block:", disabled=is_last, help=why_not, key="deactivate"):
                confirm_deactivation(admin, person)
            if st.button("Reset link", icon=":material/key:", key="reset-link-of"):
                confirm_reset_link(admin, person)
        elif st.button("Activate", icon=":material/check:", key="activate"):
            with errors_as_notices():
                people_rules.set_active(admin, person.id, True, current.origin())
                st.rerun()
        if st.button("End all sessions", icon=":material/logout:", key="end-sessions"):
            confirm_end_sessions(admin, person)
        if st.button(
            "Audit trail",
            icon=":material/history:",
            type="tertiary",
            help="Filters the audit trail below",
            key="trail-of",
        ):
            # The trail is drawn below and reads it in this run.
            query_params.set_param("by", person.username)


def show_sessions_and_keys(person: Person, now: datetime) -> None:
    open_sessions, keys = people.sessions(person.id, now), people.api_keys(person.id, now)
    open_sessions = open_sessions.assign(device=open_sessions["device"].map(device_label))
    for title, rows, columns in (("Sessions", open_sessions, SESSION_COLUMNS), ("API keys", keys, API_KEY_COLUMNS)):
        if rows.empty:
            st.caption(f"**{title}**: none.")
            continue
        st.markdown(f"**{title}** · {number(len(rows))}")
        show_table(
            rows,
            columns,
            max_height=220,
            alt=f"{title} of {person.username}",
            key=f"person-{title.lower().replace(' ', '-')}",
        )


@guard.dialog("Change the role", role="admin")
def confirm_role_change(admin: Identity, person: Person, role: Role) -> None:
    st.markdown(
        f"**{escape_markdown(person.username)}** becomes {ROLE_NOUNS[role]}. {ROLE_RIGHTS[role]} "
        "Their sessions end and they have to sign in again."
    )
    if person.id == admin.person_id:
        show_notice("This is you: you will be signed out and no longer be an admin")
    if st.button(f"Make {ROLE_NOUNS[role]}", type="primary", key="role-sure"):
        with errors_as_notices():
            people_rules.change_role(require_admin_again(), person.id, role, current.origin())
            st.rerun()


@guard.dialog("Deactivate", role="admin")
def confirm_deactivation(admin: Identity, person: Person) -> None:
    st.markdown(
        f"**{escape_markdown(person.username)}** can no longer sign in: their sessions and links end now, and their API keys "
        "stop working. Nothing is deleted, and activating undoes it."
    )
    if person.id == admin.person_id:
        show_notice("This is you: you will be signed out immediately")
    if st.button("Deactivate", type="primary", key="deactivate-sure"):
        with errors_as_notices():
            people_rules.set_active(require_admin_again(), person.id, False, current.origin())
            st.rerun()


@guard.dialog("End all sessions", role="admin")
def confirm_end_sessions(admin: Identity, person: Person) -> None:
    st.markdown(
        f"**{escape_markdown(person.username)}** is signed out everywhere and can sign in again. API keys stay valid."
    )
    if person.id == admin.person_id:
        show_notice("This is you: you will be signed out here, too")
    if st.button("End all sessions", type="primary", key="end-sure"):
        with errors_as_notices():
            sign_out.end_sessions(require_admin_again(), person.id, current.origin())
            st.rerun()


@guard.dialog("Reset link", role="admin")
def confirm_reset_link(_admin: Identity, person: Person) -> None:
    hours = tickets.RESET_LIFETIME // timedelta(hours=1)
    st.markdown(
        f"With this link **{escape_markdown(person.username)}** can set a new password. It can be used once, within {hours} h, and "
        "replaces earlier links. Send it through a channel you trust."
    )
    if st.button("Create link", type="primary", key="reset-sure"):
        with errors_as_notices():
            show_one_time_link(
                "reset", tickets.issue_reset(require_admin_again(), person.id, current.origin()), tickets.RESET_LIFETIME
            )


def require_admin_again() -> Identity:
    """Check again that the reader is an admin: a dialog may have been open for long."""
    return current.require_identity("admin")
