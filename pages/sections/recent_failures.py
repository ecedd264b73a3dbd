"""Refreshes that failed lately."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import streamlit as st
from pandas import DataFrame
from streamlit import column_config as column

from core.queries import system
from pages.components.columns import timestamp_column
from pages.components.status_cards import query_or_reason
from pages.components.table import show_table
from pages.session import guard

RERUN_EVERY = "5s"
PERIOD = timedelta(days=7)
COLUMNS = {
    "at": timestamp_column("When", width=130),
    "login": column.TextColumn("Account", width=140),
    "code": column.TextColumn("Code", width=120),
    "error": column.TextColumn("Error", width=420),
}


@guard.fragment(role="admin", run_every=RERUN_EVERY)
def show() -> None:
    failures, reason = query_or_reason(lambda: system.recent_failures(datetime.now(UTC) - PERIOD))
    if failures is None:
        st.info(f"{reason} Recent failures are shown again once it responds.", icon=":material/cloud_off:")
    elif not failures:
        st.success(f"No account failed in the last {PERIOD.days} days.", icon=":material/check_circle:")
    else:
        rows = DataFrame([asdict(failure) for failure in failures], columns=list(COLUMNS))
        show_table(rows, COLUMNS, max_height=290, alt="Recent failures, newest first", key="failures")
