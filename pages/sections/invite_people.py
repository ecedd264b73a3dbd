"""How somebody new gets in: an admin adds them, or invites them to register by themselves."""

from datetime import UTC, datetime, timedelta

import streamlit as st

from core.auth import people as people_rules
from core.auth import tickets
from core.auth.identity import Identity
from core.queries import people
from core.settings import settings
from pages.components.format import UNKNOWN, day, number
from pages.components.markdown import escape_markdown
from pages.components.one_time_link import show_one_time_link
from pages.session import current
from pages.session.common import errors_as_notices

ROLES = ("analyst", "admin")
REGISTRATION_CLOSED_HELP = (
    "Registration is closed (`REGISTRATION=closed`), so nobody could use an invitation. Add people instead."
)


def show_buttons(admin: Identity, invitations: int) -> None:
    """Offer both ways."""
    if st.button("Add a person", icon=":material/person_add:", type="primary", key="add-person"):
        add_person(admin)
    closed = settings().registration_mode == "closed"
    if st.button(
        "Invite",
        icon=":material/mail:",
        disabled=closed,
        help=REGISTRATION_CLOSED_HELP if closed else None,
        key="invite",
    ):
        invite_person(admin)
    label = f"{number(invitations)} invitation{'' if invitations == 1 else 's'} not used yet"
    if invitations and st.button(label, icon=":material/drafts:", type="tertiary", key="invitations"):
        show_pending_invitations(admin)


@st.dialog("Add a person")
def add_person(_admin: Identity) -> None:
    with st.form("add-form", border=False):
        username = st.text_input("Name", max_chars=100, help="What they sign in with", autocomplete="off")
        email = st.text_input("E-mail (optional)", max_chars=300, autocomplete="off")
        shown = st.text_input("Shown as (optional)", max_chars=200, autocomplete="off")
        role = st.selectbox("Role", ROLES)
        sent = st.form_submit_button("Add", type="primary")
    st.caption("They set their password themselves, with a link that you give them.")
    if not sent:
        return
    admin = current.require_identity("admin")
    with errors_as_notices():
        person = people_rules.create(
            username, actor=admin, role=role, email=email or None, display_name=shown or None, origin=current.origin()
        )
        st.success(
            f"{escape_markdown(person.username)} is added. With this link they set a password:", icon=":material/check:"
        )
        show_one_time_link("reset", tickets.issue_reset(admin, person.id, current.origin()), tickets.RESET_LIFETIME)


@st.dialog("Invite")
def invite_person(_admin: Identity) -> None:
    with st.form("invite-form", border=False):
        role = st.selectbox("Role", ROLES)
        email = st.text_input(
            "E-mail (optional)", max_chars=300, help="Who registers has to give this one", autocomplete="off"
        )
        days = st.number_input("Days", min_value=1, max_value=tickets.MAX_INVITE_DAYS, value=7)
        sent = st.form_submit_button("Make a link", type="primary")
    st.caption("Whoever has the link may register once, with a name of their own.")
    if not sent:
        return
    admin = current.require_identity("admin")
    with errors_as_notices():
        token = tickets.issue_invite(admin, current.origin(), role, email or None, int(days))
        show_one_time_link("register", token, timedelta(days=int(days)))


@st.dialog("Invitations not used yet")
def show_pending_invitations(_admin: Identity) -> None:
    """Who holds one of these can still come in, unless it is withdrawn."""
    found = people.invitations(datetime.now(UTC))
    if found.empty:
        st.caption("There are none.")
    for place, (invite_id, role, email, invited_by, ends_at) in enumerate(found.itertuples(index=False)):
        with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"invitation-{place}"):
            with st.container(gap=None):
                st.markdown(
                    f"**{role}** for {escape_markdown(email) if isinstance(email, str) else 'whoever has the link'}"
                )
                st.caption(
                    f"by {escape_markdown(invited_by) if isinstance(invited_by, str) else UNKNOWN} · good until {day(ends_at)}"
                )
            # Before the list is drawn anew, so that it is gone from there.
            st.button(
                "Withdraw",
                icon=":material/link_off:",
                key=f"withdraw-{place}",
                on_click=withdraw_invitation,
                args=[invite_id],
            )


def withdraw_invitation(invite_id: str) -> None:
    with errors_as_notices():
        tickets.revoke_invite(current.require_identity("admin"), invite_id, current.origin())
