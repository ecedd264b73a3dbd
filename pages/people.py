"""
# People
Who may sign in, what they may do, and who did what.
"""

from datetime import UTC, datetime

import streamlit as st
from pandas import DataFrame
from streamlit import column_config as column

from core.queries import people
from pages.components.cell import MOMENT, plain
from pages.components.format import number
from pages.components.metric_cards import Card, row
from pages.components.segmented_choice import choose
from pages.sections import audit_trail, invite_people, person_detail
from pages.session import current

ROLES = {"Everybody": "", "Analysts": "analyst", "Admins": "admin"}
STATES = {"Any state": None, "Active": True, "Inactive": False}
CHOSEN = "person"
LISTED = "people-listed"
COLUMNS = {
    "username": column.TextColumn("Name", width=120, pinned=True),
    "display_name": column.TextColumn("Shown as", width=110),
    "email": column.TextColumn("E-mail", width=165),
    "role": column.TextColumn("Role", width=65),
    "active": column.CheckboxColumn("Active", width=60),
    "sessions": column.NumberColumn("Sessions", width=72, help="Open ones"),
    "api_keys": column.NumberColumn("API keys", width=72, help="Good ones"),
    "last_seen_at": MOMENT | {"label": "Last seen", "width": 125},
    "created_at": column.DateColumn("Created", format="YYYY-MM-DD", width=88),
}


def cards(told: dict[str, int]) -> None:
    row(
        [
            Card("People", told["people"]),
            Card("Active admins", told["admins"]),
            Card("Inactive", told["inactive"]),
            Card("Sessions open", told["sessions"]),
        ],
        "people",
    )


def choose_row() -> None:
    """Put who was clicked into the address: a link shows the same person."""
    rows = st.session_state["people-table"]["selection"]["rows"]
    listed = st.session_state.get(LISTED, [])
    if rows and rows[0] < len(listed):
        st.query_params[CHOSEN] = listed[rows[0]]
    else:
        st.query_params.pop(CHOSEN, None)


def table(found: DataFrame, chosen: str) -> None:
    names = st.session_state[LISTED] = [str(name) for name in found["username"]]
    at = [place for place, name in enumerate(names) if name.lower() == chosen.lower()]
    st.dataframe(
        plain(found[list(COLUMNS)]),
        column_config=COLUMNS,
        hide_index=True,
        placeholder="—",
        height=min(430, 35 * (len(found) + 1) + 3),
        on_select=choose_row,
        selection_mode="single-row",
        selection_default={"selection": {"rows": at}} if at else None,
        alt="People by name; choose one to change something",
        key="people-table",
    )
    more = " There are more: search for them." if len(found) == people.MOST else ""
    st.caption(f"{number(len(found))} shown. Choose one to see and change more.{more}")


def listing(now: datetime) -> DataFrame:
    with st.container(horizontal=True, vertical_alignment="center", key="people-filters"):
        search = st.text_input(
            "Search",
            key="q",
            bind="query-params",
            max_chars=100,
            placeholder="Name or e-mail",
            icon=":material/search:",
            label_visibility="collapsed",
            width=260,
        )
        role = choose("Role", ROLES, key="role")
        active = choose("State", STATES, key="state")
    return people.people(now, search=search, role=role, active=active)


admin, now = current.required("admin"), datetime.now(UTC)
told = people.totals(now)
cards(told)
with st.container(horizontal=True, vertical_alignment="center", key="people-new"):
    invite_people.buttons(admin, told["invitations"])
found = listing(now)
chosen = st.query_params.get(CHOSEN, "")
if found.empty:
    st.info("Nobody fits this search.", icon=":material/person_search:")
else:
    table(found, chosen)
if chosen:
    person_detail.detail(admin, chosen, told["admins"], now)
"""
## Audit trail
Every sign-in and refusal, every change of what somebody may do or what is tracked; newest first.
"""
audit_trail.show(admin)
