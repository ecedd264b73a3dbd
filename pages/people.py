"""
# People
Who can sign in, with which role, and the audit trail of their actions.
"""

from datetime import UTC, datetime

import streamlit as st
from pandas import DataFrame
from streamlit import column_config as column

from core.queries import people
from pages.components import query_params
from pages.components.columns import timestamp_column
from pages.components.format import number
from pages.components.metric_cards import Card, metric_row
from pages.components.segmented_choice import segmented_choice
from pages.components.table import choose_row
from pages.sections import audit_trail, invite_people, person_detail
from pages.session import current

ROLES = {"Everyone": "", "Analysts": "analyst", "Admins": "admin"}
STATES = {"Any state": "", "Active": "active", "Inactive": "inactive"}
IS_ACTIVE = {"": None, "active": True, "inactive": False}
SELECTED_PARAM = "person"
COLUMNS = {
    "username": column.TextColumn("Username", width=120, pinned=True),
    "display_name": column.TextColumn("Display name", width=110),
    "email": column.TextColumn("E-mail", width=165),
    "role": column.TextColumn("Role", width=65),
    "active": column.CheckboxColumn("Active", width=60),
    "sessions": column.NumberColumn("Sessions", format="localized", width=72, help="Active ones"),
    "api_keys": column.NumberColumn("API keys", format="localized", width=72, help="Valid ones"),
    "last_seen_at": timestamp_column("Last seen", width=130),
    "created_at": column.DateColumn("Created", format="YYYY-MM-DD", width=88),
}


def filtered_people(now: datetime) -> DataFrame:
    with st.container(horizontal=True, vertical_alignment="center", key="people-filters"):
        search = query_params.text_input(
            "Search",
            key="q",
            placeholder="Name or e-mail",
            icon=":material/search:",
            label_visibility="collapsed",
            width=260,
        )
        role = segmented_choice("Role", ROLES, key="role")
        state = segmented_choice("State", STATES, key="state")
    return people.list_people(now, search=search, role=role, active=IS_ACTIVE[state])


admin, now = current.require_identity("admin"), datetime.now(UTC)
totals = people.people_counts(now)
metric_row(
    [
        Card("People", totals.people),
        Card("Active admins", totals.admins),
        Card("Inactive", totals.inactive),
        Card("Active sessions", totals.sessions),
    ],
    "people",
)
with st.container(horizontal=True, vertical_alignment="center", key="people-new"):
    invite_people.show_buttons(admin, totals.invitations)
found = filtered_people(now)
if found.empty:
    st.info("No person matches this search.", icon=":material/person_search:")
else:
    choose_row(
        found,
        COLUMNS,
        ids=found["username"],
        param=SELECTED_PARAM,
        alt="People by name; select one to manage it",
        key="people-table",
    )
    more = " There are more: search for them." if len(found) == people.MAX_ROWS else ""
    st.caption(f"{number(len(found))} shown. Select a person for details and actions.{more}")
if selected := query_params.get(SELECTED_PARAM):
    person_detail.show_person(admin, selected, totals.admins, now)
"""
## Audit trail
Sign-ins and refusals, changes of rights, tracking and alerts, and started ingestions; newest first.
"""
audit_trail.show(admin)
