"""What analysts asked for and an admin decides about."""

from datetime import UTC, datetime

import streamlit as st
from streamlit import column_config as column

from core.auth.identity import Identity
from core.db.engine import transaction
from core.queries import tracking
from core.tracking import commands as tracking_commands
from pages.components.columns import TIMESTAMP_COLUMN
from pages.components.table import without_attrs
from pages.session import current
from pages.session.common import errors_as_notices

COLUMNS = {
    "login": column.TextColumn("Account", width=160),
    "username": column.TextColumn("Asked by", width=140),
    "requested_at": TIMESTAMP_COLUMN | {"label": "When", "width": 130},
    "note": column.TextColumn("Why", width=320),
    "id": None,
}


def show(_admin: Identity) -> None:
    """List the wishes with two buttons; nothing when there are none."""
    found = tracking.pending_requests()
    if found.empty:
        return
    with st.container(border=True, key="wishes"):
        st.markdown(f"**{len(found)} {'account was' if len(found) == 1 else 'accounts were'} asked for**")
        chosen = st.dataframe(
            without_attrs(found),
            column_config=COLUMNS,
            hide_index=True,
            placeholder="—",
            on_select="rerun",
            selection_mode="multi-row",
            height=min(250, 35 * (len(found) + 1) + 3),
            alt="Accounts that were asked for",
            key="wishes-table",
        )
        rows = chosen["selection"]["rows"] or range(len(found))
        ids = [int(found["id"].iloc[at]) for at in rows if at < len(found)]
        which = "all of them" if len(ids) == len(found) else f"{len(ids)} of them"
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


def decide_requests(ids: list[int], approved: bool) -> None:
    admin = current.require_identity("admin")
    with errors_as_notices(), transaction() as connection:
        outcome = tracking_commands.decide_requests(
            connection, admin, ids, datetime.now(UTC), current.origin(), approved=approved
        )
        said = f"{len(outcome.tracked)} tracked from now on" if approved else "Declined"
        st.toast(said, icon=":material/check:")
