"""
# Sign in
Almanac keeps the history that GitHub does not keep.
"""

import streamlit as st

from core.auth import tickets
from core.settings import settings
from pages import door, entrance, session
from pages.forms import Forms

FIELDS = {"Form name": "", "Username": "Username", "Password": "Password", "Login": "Sign in"}

entrance.tell(door.refusal() or session.farewell())
forms = Forms(session.origin())
with entrance.refusals_told():
    forms.login(fields=FIELDS, key="sign-in")
again = entrance.typing({"Username": "username", "Password": "current-password"}, focus="Username", asks_again=True)
if again and not forms.person:
    st.caption("The page was loaded anew to be safe. Please sign in once more.")
if forms.person:
    door.enter(tickets.issue_sign_in(forms.person.id, session.nonce()), forms.person.preferences.get("theme"))
    st.caption(":material/hourglass_empty: Signing you in …")

st.caption("Forgot the password? Ask an admin for a reset link.")
if settings().registration_mode == "open":
    st.page_link("register.py", label="Create an account", icon=":material/person_add:")
elif settings().registration_mode == "invite":
    st.page_link("register.py", label="I have an invitation", icon=":material/mail:")
else:
    st.caption("New here? Accounts are created by an admin.")
