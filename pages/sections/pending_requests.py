"""Pending tracking requests of analysts, with buttons to approve or decline them."""

from datetime import UTC, datetime

import streamlit as st
from streamlit import column_config as column

from core.auth.identity import Identity
from core.db.engine import write_rows
from core.queries import tracking
from core.tracking import commands as tracking_commands
from core.wording import quantity
from pages.components.columns import timestamp_column
from pages.components.notices import errors_as_notices
from pages.components.table import show_table
from pages.session import current, guard

COLUMNS = {
    "login": column.TextColumn("Account", width=160),
    "repository": column.TextColumn("Only repository", width=140, help="A dash: the whole account"),
    "username": column.TextColumn("Requested by", width=140),
    "requested_at": timestamp_column("When", width=130),
    "note": column.TextColumn("Reason", width=320),
    "id": None,
}


def show(_admin: Identity) -> None:
    """List the requests with two buttons; nothing without any."""
    found = tracking.pending_requests()
    if found.empty:
        return
    with st.container(border=True, key="requests"):
        st.markdown(f"**{quantity(len(found), 'tracking request')}**")
        event = show_table(
            found,
            COLUMNS,
            max_height=250,
            alt="Pending tracking requests",
            key="requests-table",
            on_select="rerun",
            selection_mode="multi-row",
        )
        rows = event["selection"]["rows"] or range(len(found))
        ids = [int(found["id"].iloc[row]) for row in rows if row < len(found)]
        which = "all" if len(ids) == len(found) else f"{len(ids)} selected"
        with st.container(horizontal=True):
            st.button(
                f"Track {which}",
                icon=":material/check:",
                type="primary",
                on_click=decide_requests,
                args=(ids, True),
                key="grant",
            )
            st.button(
                f"Decline {which}", icon=":material/close:", on_click=decide_requests, args=(ids, False), key="decline"
            )


@guard.callback(role="admin")
def decide_requests(ids: list[int], approved: bool) -> None:
    admin = current.require_identity("admin")
    with errors_as_notices():
        result = write_rows(
            lambda connection: tracking_commands.decide_requests(
                connection, admin, ids, datetime.now(UTC), current.origin(), approved=approved
            )
        )
        notice = f"{quantity(len(result.tracked), 'account')} now tracked" if approved else "Declined"
        st.toast(notice, icon=":material/check:")
