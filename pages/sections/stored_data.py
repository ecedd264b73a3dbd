"""The published data version, and the sizes of the tables."""

from dataclasses import asdict
from datetime import UTC, datetime

import streamlit as st
from pandas import DataFrame
from streamlit import column_config as column

from core.queries import system
from core.queries.system import DataStatus
from core.wording import time_ago
from pages.components.format import number
from pages.components.status_cards import query_or_reason
from pages.components.table import show_table
from pages.session import guard

COLUMNS = {
    "name": column.TextColumn("Table"),
    "rows": column.NumberColumn("Rows (estimate)", format="localized", help="As of the last ANALYZE"),
    "size_kb": column.NumberColumn("Size with indexes, kB", format="localized"),
    "partitions": column.NumberColumn("Partitions", format="localized"),
}


@guard.fragment(role="admin", run_every="30s")
def show() -> None:
    result, reason = query_or_reason(lambda: (system.data_status(), system.table_sizes()))
    if result is None:
        st.info(f"{reason} The sizes are shown again once it responds.", icon=":material/cloud_off:")
        return
    status, tables = result
    st.caption(version_line(status, datetime.now(UTC)))
    rows = DataFrame([asdict(table) for table in tables]).astype({"rows": "Int64"})
    rows["size_kb"] = (rows["bytes"] / 1000).round().astype("Int64")
    show_table(rows, COLUMNS, max_height=290, alt="Tables, largest first", key="tables")


def version_line(status: DataStatus, now: datetime) -> str:
    published = f"published {time_ago(status.published_at, now)}" if status.published_at else "not published yet"
    partitions = f"partitions up to {status.last_month.replace('_', '-')}" if status.last_month else "no partition yet"
    return f"Data version {number(status.version or 0)}, {published} · {partitions}"
