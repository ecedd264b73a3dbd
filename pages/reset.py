"""
# New password
"""

import streamlit as st

from core.auth import tickets
from core.auth.people import Person
from pages.components.markdown import escape_markdown
from pages.components.notices import errors_as_notices, show_notice
from pages.session import browser, current, form_fields
from pages.session.forms import PASSWORD_RULES

RESET_USERNAME_KEY = "reset-done"


def show_reset_form(secret: str, person: Person) -> None:
    with st.form("reset"):
        st.markdown(f"For **{escape_markdown(person.username)}**. {PASSWORD_RULES}")
        new = st.text_input("New password", type="password", autocomplete="new-password")
        repeated = st.text_input("Repeat password", type="password", autocomplete="new-password")
        end_keys = st.checkbox("Also end this person's API keys", value=True)
        st.caption("All sessions end. The link can be used once.")
        sent = st.form_submit_button("Set password", type="primary")
    form_fields.annotate_fields({}, rules_for="New password")
    if not sent:
        return
    with errors_as_notices():
        form_fields.check_passwords_match(new, repeated)
        tickets.redeem_reset(secret, new, revoke_api_keys=end_keys, origin=current.origin())
        st.session_state[RESET_USERNAME_KEY] = person.username
        st.rerun()


def link_input() -> str:
    st.caption("Open the link that an admin gave you, or paste it here.")
    return form_fields.secret_from_link(st.text_input("Link", key="reset-link", autocomplete="off"))


if name := st.session_state.get(RESET_USERNAME_KEY):
    st.success(
        f"The new password of {escape_markdown(name)} is set, and all sessions have ended.",
        icon=":material/check:",
    )
    if st.button("Sign in", type="primary", icon=":material/login:"):
        browser.redirect_to("/")
elif secret := browser.link_secret() or link_input():
    try:
        person = tickets.check_reset(secret)
    except tickets.InvalidTicket as invalid:
        show_notice(f"{invalid}. An admin can create a new link, which is valid for an hour")
    else:
        show_reset_form(secret, person)
if RESET_USERNAME_KEY not in st.session_state and current.current_session() is None:
    st.page_link("sign_in.py", label="Sign in", icon=":material/login:")
