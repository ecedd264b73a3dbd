"""
# Create an account
"""

import streamlit as st

from core.auth import tickets
from core.settings import settings
from pages.components.markdown import escape_markdown
from pages.components.notices import errors_as_notices, show_notice
from pages.session import browser, current, form_fields
from pages.session.forms import AuthenticationForms

FIELD_LABELS = {
    "Form name": "",
    "First name": "First name (optional)",
    "Last name": "Last name (optional)",
    "Email": "E-mail (optional)",
    "Username": "Username",
    "Password": "Password",
    "Repeat password": "Repeat password",
    "Register": "Create account",
}
AUTOCOMPLETE = {
    FIELD_LABELS["First name"]: "given-name",
    FIELD_LABELS["Last name"]: "family-name",
    FIELD_LABELS["Email"]: "email",
    "Username": "username",
    "Password": "new-password",
    "Repeat password": "new-password",
}
registration_mode = settings().registration_mode


def invitation_secret() -> str:
    """Return the invitation's secret, from the URL or pasted; empty without one."""
    from_link = browser.link_secret()
    if from_link:
        return from_link
    label = "Invitation" if registration_mode == "invite" else "Invitation (optional)"
    with st.expander(label, expanded=registration_mode == "invite", icon=":material/mail:"):
        return form_fields.secret_from_link(
            st.text_input("Paste the link or the code you were sent", key="invitation", autocomplete="off")
        )


def show_invitation(invite: str) -> bool:
    """Show what the invitation grants, or why it is invalid; return whether it is valid."""
    try:
        offered = tickets.check_invite(invite)
    except tickets.InvalidTicket as invalid:
        show_notice(str(invalid))
        return False
    for_email = f", with the e-mail address {escape_markdown(offered.email)}" if offered.email else ""
    st.caption(f":material/mail: You are invited as **{offered.role}**{for_email}. The invitation can be used once.")
    return True


def show_registration_form(invite: str | None) -> None:
    forms = AuthenticationForms(current.origin(), invite)
    with errors_as_notices():
        forms.register_user(fields=FIELD_LABELS, captcha=False, password_hint=False, key="register")
    form_fields.annotate_fields(AUTOCOMPLETE, rules_for="Password")
    if forms.person:
        browser.exchange_ticket(tickets.issue_sign_in(forms.person.id, current.nonce()), None, path="/")
        st.caption(":material/hourglass_empty: Signing you in …")


show_notice(browser.ticket_error_message())
if current.current_session():
    st.info("You are signed in already. Sign out first to create another account.", icon=":material/person:")
elif registration_mode == "closed":
    st.info("Registration is closed: an admin creates accounts.", icon=":material/lock:")
else:
    invite = invitation_secret()
    if not invite or show_invitation(invite):
        if invite or registration_mode == "open":
            show_registration_form(invite or None)
        else:
            st.caption("An account needs an invitation; an admin can send you one.")
if not current.current_session():
    st.page_link("sign_in.py", label="Sign in", icon=":material/login:")
