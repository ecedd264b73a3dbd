"""
# People
Who may sign in, what they may do, and who did what.
"""

from datetime import UTC, datetime

import streamlit as st
from pandas import DataFrame
from streamlit import column_config as column

from core.queries import people
from core.queries.people import PeopleCounts
from pages.components.columns import TIMESTAMP_COLUMN
from pages.components.format import number
from pages.components.metric_cards import Card, metric_row
from pages.components.segmented_choice import segmented_choice
from pages.components.table import without_attrs
from pages.sections import audit_trail, invite_people, person_detail
from pages.session import current

ROLES = {"Everybody": "", "Analysts": "analyst", "Admins": "admin"}
STATES = {"Any state": None, "Active": True, "Inactive": False}
SELECTED_PARAM = "person"
LISTED_KEY = "people-listed"
COLUMNS = {
    "username": column.TextColumn("Name", width=120, pinned=True),
    "display_name": column.TextColumn("Shown as", width=110),
    "email": column.TextColumn("E-mail", width=165),
    "role": column.TextColumn("Role", width=65),
    "active": column.CheckboxColumn("Active", width=60),
    "sessions": column.NumberColumn("Sessions", width=72, help="Open ones"),
    "api_keys": column.NumberColumn("API keys", width=72, help="Good ones"),
    "last_seen_at": TIMESTAMP_COLUMN | {"label": "Last seen", "width": 125},
    "created_at": column.DateColumn("Created", format="YYYY-MM-DD", width=88),
}


def show_cards(told: PeopleCounts) -> None:
    metric_row(
        [
            Card("People", told.people),
            Card("Active admins", told.admins),
            Card("Inactive", told.inactive),
            Card("Sessions open", told.sessions),
        ],
        "people",
    )


def store_selection_in_url() -> None:
    """Put who was clicked into the address: a link shows the same person."""
    rows = st.session_state["people-table"]["selection"]["rows"]
    listed = st.session_state.get(LISTED_KEY, [])
    if rows and rows[0] < len(listed):
        st.query_params[SELECTED_PARAM] = listed[rows[0]]
    else:
        st.query_params.pop(SELECTED_PARAM, None)


def show_table(found: DataFrame, chosen: str) -> None:
    names = st.session_state[LISTED_KEY] = [str(name) for name in found["username"]]
    at = [place for place, name in enumerate(names) if name.lower() == chosen.lower()]
    st.dataframe(
        without_attrs(found[list(COLUMNS)]),
        column_config=COLUMNS,
        hide_index=True,
        placeholder="—",
        height=min(430, 35 * (len(found) + 1) + 3),
        on_select=store_selection_in_url,
        selection_mode="single-row",
        selection_default={"selection": {"rows": at}} if at else None,
        alt="People by name; choose one to change something",
        key="people-table",
    )
    more = " There are more: search for them." if len(found) == people.MAX_ROWS else ""
    st.caption(f"{number(len(found))} shown. Choose one to see and change more.{more}")


def filtered_people(now: datetime) -> DataFrame:
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
        role = segmented_choice("Role", ROLES, key="role")
        active = segmented_choice("State", STATES, key="state")
    return people.list_people(now, search=search, role=role, active=active)


admin, now = current.require_identity("admin"), datetime.now(UTC)
totals = people.people_counts(now)
show_cards(totals)
with st.container(horizontal=True, vertical_alignment="center", key="people-new"):
    invite_people.show_buttons(admin, totals.invitations)
found = filtered_people(now)
chosen = st.query_params.get(SELECTED_PARAM, "")
if found.empty:
    st.info("Nobody fits this search.", icon=":material/person_search:")
else:
    show_table(found, chosen)
if chosen:
    person_detail.show_person(admin, chosen, totals.admins, now)
"""
## Audit trail
Every sign-in and refusal, every change of what somebody may do or what is tracked; newest first.
"""
audit_trail.show(admin)
