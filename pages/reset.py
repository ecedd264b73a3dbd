"""
# New password
"""

import streamlit as st

from core.auth import tickets
from core.auth.people import Person
from pages import door, entrance, session
from pages.forms import RULES

DONE = "reset-done"


def form(secret: str, person: Person) -> None:
    with st.form("reset"):
        st.markdown(f"For **{entrance.plain(person.username)}**. {RULES}")
        new = st.text_input("New password", type="password", autocomplete="new-password")
        repeated = st.text_input("Repeat password", type="password", autocomplete="new-password")
        end_keys = st.checkbox("Also end this person's API keys", value=True)
        st.caption("All sessions end. The link is good once.")
        sent = st.form_submit_button("Set password", type="primary")
    entrance.typing({}, rules_of="New password")
    if not sent:
        return
    with entrance.refusals_told():
        entrance.check_repeated(new, repeated)
        tickets.redeem_reset(secret, new, end_api_keys=end_keys, origin=session.origin())
        st.session_state[DONE] = person.username
        st.rerun()


def ask_for_link() -> str:
    st.caption("Open the link that an admin gave you, or paste it here.")
    return entrance.secret_of(st.text_input("Link", key="reset-link", autocomplete="off"))


if name := st.session_state.get(DONE):
    st.success(
        f"The new password of {entrance.plain(name)} is set, and all sessions have ended.", icon=":material/check:"
    )
    if st.button("Sign in", type="primary", icon=":material/login:"):
        door.leave("/")
elif secret := door.link_secret() or ask_for_link():
    try:
        person = tickets.check_reset(secret)
    except tickets.InvalidTicket as invalid:
        entrance.tell(f"{invalid}. An admin can make one; it is good for an hour")
    else:
        form(secret, person)
if DONE not in st.session_state and session.held() is None:
    st.page_link("sign_in.py", label="Sign in", icon=":material/login:")
