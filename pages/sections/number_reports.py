"""Reports of doubtful numbers: what was doubted, by whom, with a button to close each."""

import json
from datetime import UTC, datetime
from typing import Any

import streamlit as st
from pandas import DataFrame
from streamlit import column_config as column

from core import number_reports as commands
from core.db.engine import transaction
from core.queries import number_reports
from core.wording import quantity, time_ago
from pages.components.columns import timestamp_column
from pages.components.markdown import escape_markdown
from pages.components.notices import errors_as_notices
from pages.components.status_cards import query_or_reason
from pages.components.table import show_table
from pages.session import current, guard

MAX_OPEN, MAX_CLOSED = 50, 100
CLOSED_COLUMNS = {
    "question": column.TextColumn("Cell", width=260),
    "comment": column.TextColumn("What is wrong", width=320),
    "username": column.TextColumn("Reported by", width=120),
    "closed_by": column.TextColumn("Closed by", width=120),
    "closed_at": timestamp_column("Closed", width=130),
}


@guard.fragment(role="admin")
def show() -> None:
    """List open reports with a button to close each, and the closed ones below."""
    found, reason = query_or_reason(lambda: number_reports.reports(is_open=True, limit=MAX_OPEN))
    closed, _ = query_or_reason(lambda: number_reports.reports(is_open=False, limit=MAX_CLOSED))
    if found is None or closed is None:
        st.info(f"{reason} Reports are shown again once it responds.", icon=":material/cloud_off:")
        return
    if found.empty:
        st.success("No number is reported.", icon=":material/check_circle:")
    for position in range(len(found)):
        report = {str(name): value for name, value in found.iloc[position].items()}
        with st.container(border=True, key=f"report-{report['id']}", gap="xsmall"):
            _show_report(report, datetime.now(UTC))
    if len(closed):
        with st.expander(f"{quantity(len(closed), 'closed report')}", key="closed-reports"):
            show_table(closed, CLOSED_COLUMNS, alt="Closed reports, newest first", key="closed-reports-table")


def _show_report(report: dict[str, Any], now: datetime) -> None:
    st.markdown(f"**{escape_markdown(report['question'])}**")
    st.caption(
        f"Report {report['id']} by {escape_markdown(report['username'])}, {time_ago(report['reported_at'], now)} · "
        f"{escape_markdown(report['note'])} · data version {report['data_version']:,}"
    )
    st.text(report["comment"])
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"[:material/open_in_new: Open the cell]({report['url']})", width="content")
        if report["query"]:
            with st.popover("SQL", icon=":material/code:", type="tertiary", key=f"report-sql-{report['id']}"):
                st.code(report["query"], language="sql", height=300, width=640)
                st.json(json.loads(report["bound"]), expanded=False)
        with st.popover("Rows", icon=":material/table:", type="tertiary", key=f"report-rows-{report['id']}"):
            rows = DataFrame(json.loads(report["rows"]))
            st.caption(f"The first {len(rows):,} of {quantity(report['row_count'], 'row')}.")
            columns = {str(name): str(name) for name in rows}
            show_table(rows, columns, alt="Reported rows", key=f"reported-rows-{report['id']}")
        st.button(
            "Close",
            icon=":material/check:",
            on_click=close_report,
            args=(int(report["id"]),),
            key=f"close-report-{report['id']}",
        )


@guard.callback(role="admin")
def close_report(report_id: int) -> None:
    admin = current.require_identity("admin")
    with errors_as_notices(), transaction() as connection:
        commands.close(connection, admin, report_id, datetime.now(UTC), current.origin())
