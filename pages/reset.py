"""
# New password
"""

import streamlit as st

from core.auth import tickets
from core.auth.people import Person
from pages.session import browser, common, current
from pages.session.forms import RULES

DONE = "reset-done"


def form(secret: str, person: Person) -> None:
    with st.form("reset"):
        st.markdown(f"For **{common.plain(person.username)}**. {RULES}")
        new = st.text_input("New password", type="password", autocomplete="new-password")
        repeated = st.text_input("Repeat password", type="password", autocomplete="new-password")
        end_keys = st.checkbox("Also end this person's API keys", value=True)
        st.caption("All sessions end. The link is good once.")
        sent = st.form_submit_button("Set password", type="primary")
    common.typing({}, rules_of="New password")
    if not sent:
        return
    with common.refusals_told():
        common.check_repeated(new, repeated)
        tickets.redeem_reset(secret, new, end_api_keys=end_keys, origin=current.origin())
        st.session_state[DONE] = person.username
        st.rerun()


def ask_for_link() -> str:
    st.caption("Open the link that an admin gave you, or paste it here.")
    return common.secret_of(st.text_input("Link", key="reset-link", autocomplete="off"))


if name := st.session_state.get(DONE):
    st.success(
        f"The new password of {common.plain(name)} is set, and all sessions have ended.", icon=":material/check:"
    )
    if st.button("Sign in", type="primary", icon=":material/login:"):
        browser.leave("/")
elif secret := browser.link_secret() or ask_for_link():
    try:
        person = tickets.check_reset(secret)
    except tickets.InvalidTicket as invalid:
        common.tell(f"{invalid}. An admin can make one; it is good for an hour")
    else:
        form(secret, person)
if DONE not in st.session_state and current.held() is None:
    st.page_link("sign_in.py", label="Sign in", icon=":material/login:")
