"""
# Create an account
"""

import streamlit as st

from core.auth import tickets
from core.settings import settings
from pages.session import browser, common, current
from pages.session.forms import Forms

FIELDS = {
    "Form name": "",
    "First name": "First name (optional)",
    "Last name": "Last name (optional)",
    "Email": "E-mail (optional)",
    "Username": "Username",
    "Password": "Password",
    "Repeat password": "Repeat password",
    "Register": "Create account",
}
FILL = {
    FIELDS["First name"]: "given-name",
    FIELDS["Last name"]: "family-name",
    FIELDS["Email"]: "email",
    "Username": "username",
    "Password": "new-password",
    "Repeat password": "new-password",
}
mode = settings().registration_mode


def invitation() -> str:
    """The secret of an invitation: from the link, or pasted."""
    from_link = browser.link_secret()
    if from_link:
        return from_link
    label = "Invitation" if mode == "invite" else "Invitation (optional)"
    with st.expander(label, expanded=mode == "invite", icon=":material/mail:"):
        return common.secret_of(
            st.text_input("Paste the link or the code you were sent", key="invitation", autocomplete="off")
        )


def welcome(invite: str) -> bool:
    """Say what the invitation offers; False where it is of no use."""
    try:
        offered = tickets.check_invite(invite)
    except tickets.InvalidTicket as invalid:
        common.tell(str(invalid))
        return False
    alone = f", with the e-mail address {common.plain(offered.email)}" if offered.email else ""
    st.caption(f":material/mail: You are invited as **{offered.role}**{alone}. The invitation is good once.")
    return True


def form(invite: str | None) -> None:
    forms = Forms(current.origin(), invite)
    with common.refusals_told():
        forms.register_user(fields=FIELDS, captcha=False, password_hint=False, key="register")
    common.typing(FILL, rules_of="Password")
    if forms.person:
        browser.enter(tickets.issue_sign_in(forms.person.id, current.nonce()), None, to="/")
        st.caption(":material/hourglass_empty: Signing you in …")


common.tell(browser.refusal())
if current.held():
    st.info("You are signed in already. Sign out first to create another account.", icon=":material/person:")
elif mode == "closed":
    st.info("Nobody can register here: accounts are created by an admin.", icon=":material/lock:")
else:
    invite = invitation()
    if not invite or welcome(invite):
        if invite or mode == "open":
            form(invite or None)
        else:
            st.caption("An account needs an invitation; an admin can send you one.")
if not current.held():
    st.page_link("sign_in.py", label="Sign in", icon=":material/login:")
