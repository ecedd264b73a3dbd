"""
# Sign in
Almanac keeps the history of GitHub accounts and repositories.
Sign in with your username or your e-mail address.
"""

import streamlit as st

from core.auth import tickets
from core.settings import settings
from pages.components.notices import errors_as_notices, show_notice
from pages.session import browser, current, form_fields
from pages.session.forms import AuthenticationForms

FIELD_LABELS = {"Form name": "", "Username": "Username", "Password": "Password", "Login": "Sign in"}

show_notice(browser.ticket_error_message() or current.end_message())
forms = AuthenticationForms(current.origin())
with errors_as_notices():
    forms.login(fields=FIELD_LABELS, key="sign-in")
was_reloaded = form_fields.annotate_fields(
    {"Username": "username", "Password": "current-password"}, focus="Username", checks_reload=True
)
if was_reloaded and not forms.person:
    st.caption("The page was reloaded for safety. Please sign in again.")
if forms.person:
    browser.exchange_ticket(
        tickets.issue_sign_in(forms.person.id, current.nonce()), forms.person.preferences.get("theme")
    )
    st.caption(":material/hourglass_empty: Signing you in …")

st.caption("Forgot the password? Ask an admin for a reset link.")
if settings().registration_mode == "open":
    st.page_link("register.py", label="Create an account", icon=":material/person_add:")
elif settings().registration_mode == "invite":
    st.page_link("register.py", label="I have an invitation", icon=":material/mail:")
else:
    st.caption("New here? Accounts are created by an admin.")
