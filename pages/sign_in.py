"""
# Sign in
Almanac keeps the history that GitHub does not keep.
"""

import streamlit as st

from core.auth import tickets
from core.settings import settings
from pages.session import browser, common, current
from pages.session.forms import Forms

FIELDS = {"Form name": "", "Username": "Username", "Password": "Password", "Login": "Sign in"}

common.tell(browser.refusal() or current.farewell())
forms = Forms(current.origin())
with common.refusals_told():
    forms.login(fields=FIELDS, key="sign-in")
again = common.typing({"Username": "username", "Password": "current-password"}, focus="Username", asks_again=True)
if again and not forms.person:
    st.caption("The page was loaded anew to be safe. Please sign in once more.")
if forms.person:
    browser.enter(tickets.issue_sign_in(forms.person.id, current.nonce()), forms.person.preferences.get("theme"))
    st.caption(":material/hourglass_empty: Signing you in …")

st.caption("Forgot the password? Ask an admin for a reset link.")
if settings().registration_mode == "open":
    st.page_link("register.py", label="Create an account", icon=":material/person_add:")
elif settings().registration_mode == "invite":
    st.page_link("register.py", label="I have an invitation", icon=":material/mail:")
else:
    st.caption("New here? Accounts are created by an admin.")
