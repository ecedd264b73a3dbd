"""Add people, or invite them to register."""

from datetime import UTC, datetime, timedelta

import streamlit as st

from core.auth import people as people_rules
from core.auth import tickets
from core.auth.identity import Identity
from core.queries import people
from core.settings import settings
from core.wording import quantity
from pages.components.format import UNKNOWN, day
from pages.components.markdown import escape_markdown
from pages.components.notices import errors_as_notices
from pages.components.one_time_link import show_one_time_link
from pages.session import current, guard

ROLES = ("analyst", "admin")
REGISTRATION_CLOSED_HELP = (
    "Registration is closed (`REGISTRATION=closed`), so an invitation could not be used. Add people instead."
)


def show_buttons(admin: Identity, invitations: int) -> None:
    """Draw the buttons to add a person, to invite one, and to list pending invitations."""
    if st.button("Add a person", icon=":material/person_add:", type="primary", key="add-person"):
        add_person(admin)
    is_closed = settings().registration_mode == "closed"
    if st.button(
        "Invite",
        icon=":material/mail:",
        disabled=is_closed,
        help=REGISTRATION_CLOSED_HELP if is_closed else None,
        key="invite",
    ):
        invite_person(admin)
    label = quantity(invitations, "pending invitation")
    if invitations and st.button(label, icon=":material/drafts:", type="tertiary", key="invitations"):
        show_pending_invitations(admin)


@guard.dialog("Add a person", role="admin")
def add_person(_admin: Identity) -> None:
    with st.form("add-form", border=False):
        username = st.text_input(
            "Username",
            max_chars=32,
            help="For signing in: letters A to Z, digits, `.`, `-` and `_`",
            autocomplete="off",
        )
        email = st.text_input("E-mail (optional)", max_chars=300, autocomplete="off")
        display_name = st.text_input("Display name (optional)", max_chars=200, autocomplete="off")
        role = st.selectbox("Role", ROLES)
        is_submitted = st.form_submit_button("Add", type="primary")
    st.caption("They set their own password with a link that you send them.")
    if not is_submitted:
        return
    admin = current.require_identity("admin")
    with errors_as_notices():
        person = people_rules.create(
            username,
            actor=admin,
            role=role,
            email=email or None,
            display_name=display_name or None,
            origin=current.origin(),
        )
        st.success(
            f"{escape_markdown(person.username)} is added. With this link they set a password:", icon=":material/check:"
        )
        show_one_time_link("reset", tickets.issue_reset(admin, person.id, current.origin()), tickets.RESET_LIFETIME)


@guard.dialog("Invite", role="admin")
def invite_person(_admin: Identity) -> None:
    with st.form("invite-form", border=False):
        role = st.selectbox("Role", ROLES)
        email = st.text_input(
            "E-mail (optional)",
            max_chars=300,
            help="Required when registering with this invitation",
            autocomplete="off",
        )
        days = st.number_input("Valid for days", min_value=1, max_value=tickets.MAX_INVITE_DAYS, value=7)
        is_submitted = st.form_submit_button("Create link", type="primary")
    st.caption("Anyone with the link can register once and choose a username.")
    if not is_submitted:
        return
    admin = current.require_identity("admin")
    with errors_as_notices():
        token = tickets.issue_invite(admin, current.origin(), role, email or None, int(days))
        show_one_time_link("register", token, timedelta(days=int(days)))


@guard.dialog("Pending invitations", role="admin")
def show_pending_invitations(_admin: Identity) -> None:
    """List the invitations that can still be used, each with a button to revoke it."""
    found = people.invitations(datetime.now(UTC))
    if found.empty:
        st.caption("There are none.")
    for index, (invite_id, role, email, invited_by, ends_at) in enumerate(found.itertuples(index=False)):
        with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"invitation-{index}"):
            with st.container(gap=None):
                st.markdown(
                    f"**{role}** for {escape_markdown(email) if isinstance(email, str) else 'anyone with the link'}"
                )
                st.caption(
                    f"by {escape_markdown(invited_by) if isinstance(invited_by, str) else UNKNOWN} · valid until {day(ends_at)}"
                )
            # A callback runs before the list is drawn again, so the invitation disappears at once.
            st.button(
                "Revoke",
                icon=":material/link_off:",
                key=f"withdraw-{index}",
                on_click=revoke_invitation,
                args=[invite_id],
            )


@guard.callback(role="admin")
def revoke_invitation(invite_id: str) -> None:
    with errors_as_notices():
        tickets.revoke_invite(current.require_identity("admin"), invite_id, current.origin())
