"""Active alerts, and the list of recent ones with its filters."""

from datetime import UTC, datetime

import pandas as pd
import streamlit as st
from streamlit import column_config as column

from core.alerts.rules import RULE_KINDS
from core.queries import alerts
from core.wording import quantity, time_ago
from pages.components import export, query_params
from pages.components.columns import timestamp_column
from pages.components.format import UNKNOWN, number
from pages.components.markdown import escape_markdown
from pages.components.table import show_table, without_attrs
from pages.session import guard

RERUN_EVERY = "15s"
MAX_ROWS = 200
KIND_BY_TITLE = {kind.title: name for name, kind in RULE_KINDS.items()}
COLUMNS = {
    "raised_at": timestamp_column("When", width=130),
    "what": column.TextColumn("Kind", width=122),
    "message": column.TextColumn("Alert", width=430),
    "account": column.TextColumn("Account", width=112),
    "until": column.TextColumn("Ended, UTC", width=130),
}


def kind_title(kind: str) -> str:
    """Return the title of a rule kind; a kind of another version is its own title."""
    return RULE_KINDS[kind].title if kind in RULE_KINDS else kind


@guard.fragment(run_every=RERUN_EVERY)
def show_active_alerts() -> None:
    """Show the active alerts, oldest first."""
    found, now = alerts.active_alerts(), datetime.now(UTC)
    with st.container(border=True, key="lasting"):
        if found.empty:
            st.markdown(":green-badge[:material/check_circle: all well] **No active alerts**")
            latest = alerts.latest_raised_at()
            st.caption("No alert has been raised yet." if latest is None else f"Last alert {time_ago(latest, now)}.")
            return
        st.markdown(f"**{quantity(len(found), 'active alert')}**")
        for alert in found.to_dict("records"):
            st.markdown(
                f":orange-badge[:material/warning: {kind_title(alert['kind'])}] {escape_markdown(alert['message'])}"
                f"  \n:gray[since {alert['raised_at']:%Y-%m-%d %H:%M} UTC, {time_ago(alert['raised_at'], now)}]"
            )


def show_recent_alerts() -> None:
    """List alerts, filtered by kind and account, newest first."""
    invalid = query_params.invalid_choices("kind", list(KIND_BY_TITLE), several=True)
    with st.container(horizontal=True, vertical_alignment="bottom", key="alerts-filters"):
        kinds = st.multiselect(
            "Kind", list(KIND_BY_TITLE), key="kind", bind="query-params", placeholder="Any kind", width=340
        )
        login = query_params.text_input("Account", key="of", placeholder="Any account", width=200)
    query_params.show_invalid_parameters(invalid)
    found = alerts.list_alerts([KIND_BY_TITLE[kind] for kind in kinds], login, limit=MAX_ROWS)
    if found.empty:
        is_filtered = bool(kinds or login)
        st.info(
            "No alert matches these filters." if is_filtered else "No alert has been raised yet.",
            icon=":material/search_off:" if is_filtered else ":material/check_circle:",
        )
        return
    rows = found.assign(
        what=[kind_title(kind) for kind in found["kind"]],
        until=[
            end_label(raised_at, ended_at)
            for raised_at, ended_at in zip(found["raised_at"], found["ended_at"], strict=True)
        ],
    )
    show_table(rows, COLUMNS, alt="Alerts, newest first", key="alerts-table", exported=False)
    with st.container(horizontal=True, vertical_alignment="center", key="line-alerts"):
        st.caption(f"The newest {number(MAX_ROWS)}." if len(found) == MAX_ROWS else f"{quantity(len(found), 'alert')}.")
        export.export_buttons(without_attrs(found).drop(columns="id"), "alerts")


def end_label(raised_at: datetime, ended_at: datetime | None) -> str:
    """Return when an alert ended: `active` while it lasts, a dash for an event, which has no duration."""
    if ended_at is None or pd.isna(ended_at):
        return "active"
    return UNKNOWN if ended_at <= raised_at else f"{ended_at:%Y-%m-%d %H:%M}"
