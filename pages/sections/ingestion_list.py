"""The list of ingestions, filtered, and what became of each account of one."""

from datetime import datetime

import pandas as pd
import streamlit as st
from pandas import DataFrame
from streamlit import column_config as column

from core.exports import csv
from core.queries import ingestions
from pages.components import export
from pages.components.columns import TIMESTAMP_COLUMN
from pages.components.format import number, percent
from pages.components.segmented_choice import segmented_choice
from pages.components.table import without_attrs
from pages.sections.account_outcome import outcome_sentence

MAX_ROWS = 200
SELECTED_PARAM = "ingestion"
LISTED_KEY = "ingestions-listed"
TRIGGER_OPTIONS = {
    "All": "",
    "Timetable": "schedule",
    "People": "person",
    "Command line": "command line",
    "Imports": "import",
}
TRIGGER_LABELS = {"schedule": "timetable"}
STATE_OPTIONS = {
    "Any outcome": "",
    **{name: name.lower() for name in ("Done", "Partial", "Failed", "Stopped", "Cancelled")},
}
COLUMNS = {
    "id": column.NumberColumn("No.", format="%d", width=52),
    "state": column.TextColumn("Outcome", width=78),
    "started_at": TIMESTAMP_COLUMN | {"label": "Begun", "width": 122},
    "took": column.TextColumn("Took", width=76),
    "trigger": column.TextColumn("By", width=92),
    "accounts": column.NumberColumn("Accounts", format="localized", width=76),
    "stored": column.NumberColumn("Stored", format="localized", width=62),
    "failed": column.NumberColumn("Failed", format="localized", width=58),
    "requests": column.NumberColumn("Requests", format="localized", width=76),
    "points": column.NumberColumn("Points", format="localized", width=58),
    "unchanged": column.TextColumn("304", width=54, help="Share of requests answered with 304: not modified"),
    "rows_written": column.NumberColumn("Rows", format="localized", width=64),
}
ITEM_COLUMNS = {
    "login": column.TextColumn("Account", width=160),
    "outcome": column.TextColumn("What became of it", width=460),
    "requests": column.NumberColumn("Requests", width=80),
    "points": column.NumberColumn("Points", width=65),
    "finished_at": TIMESTAMP_COLUMN | {"label": "When", "width": 130},
}


def show(now: datetime) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="runs-filters"):
        login = st.text_input(
            "Account", key="account", bind="query-params", max_chars=100, placeholder="Of one account",
            icon=":material/search:", label_visibility="collapsed", width=220,
        )  # fmt: skip
        trigger = segmented_choice("By", TRIGGER_OPTIONS, key="by")
        state = segmented_choice("Outcome", STATE_OPTIONS, key="outcome")
    found = ingestions.list_ingestions(most=MAX_ROWS, login=login.replace("\x00", ""), trigger=trigger)
    if state:
        found = found[found["state"] == state]
    if found.empty:
        st.info("No ingestion fits these filters.", icon=":material/search_off:")
        return
    show_table(found, now)
    if chosen := st.query_params.get(SELECTED_PARAM, ""):
        show_ingestion(chosen)


def show_table(found: DataFrame, now: datetime) -> None:
    ids = st.session_state[LISTED_KEY] = [int(one) for one in found["id"]]
    at = [place for place, one in enumerate(ids) if str(one) == st.query_params.get(SELECTED_PARAM, "")]
    shown = without_attrs(found).assign(
        took=[
            run_duration(start, end, now) for start, end in zip(found["started_at"], found["finished_at"], strict=True)
        ],
        trigger=[
            by if what == "person" else TRIGGER_LABELS.get(what, what)
            for what, by in zip(found["trigger"], found["requested_by"], strict=True)
        ],
        unchanged=[
            percent(kept / asked) if asked else "—"
            for kept, asked in zip(found["not_modified"], found["requests"], strict=True)
        ],
    )
    st.dataframe(
        shown[list(COLUMNS)],
        column_config=COLUMNS,
        hide_index=True,
        placeholder="—",
        height=min(400, 35 * (len(shown) + 1) + 3),
        on_select=store_selection_in_url,
        selection_mode="single-row",
        selection_default={"selection": {"rows": at}} if at else None,
        alt="Ingestions, newest first; choose one to see its accounts",
        key="runs-table",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{number(len(found))} shown; choose one to see its accounts.")
        export.export_button(
            "CSV", shown[list(COLUMNS)], csv, key="runs-csv", file_name="almanac-ingestions.csv", mime="text/csv",
            icon=":material/download:",
        )  # fmt: skip


def store_selection_in_url() -> None:
    """Put the chosen one into the address: a link shows the same."""
    rows = st.session_state["runs-table"]["selection"]["rows"]
    listed = st.session_state.get(LISTED_KEY, [])
    if rows and rows[0] < len(listed):
        st.query_params[SELECTED_PARAM] = str(listed[rows[0]])
    else:
        st.query_params.pop(SELECTED_PARAM, None)


def show_ingestion(chosen: str) -> None:
    """What became of each account of one ingestion."""
    one = ingestions.get_ingestion(int(chosen)) if chosen.isascii() and chosen.isdigit() and len(chosen) < 18 else None
    if one is None:
        st.info(f"There is no ingestion {chosen[:20]}.", icon=":material/search_off:")
        return
    items = ingestions.items(int(chosen))
    with st.container(border=True, key="run-detail"):
        request = f" · request `{one.request_id}`" if one.request_id else ""
        st.markdown(f"**Ingestion {one.id}** · {one.state}{request}")
        if items.empty:
            st.caption("No account was reached." if one.state != "queued" else "No worker has begun it yet.")
            return
        rows = without_attrs(items).assign(outcome=[outcome_sentence(item) for item in items.to_dict("records")])
        st.dataframe(
            rows[list(ITEM_COLUMNS)],
            column_config=ITEM_COLUMNS,
            hide_index=True,
            placeholder="—",
            height=min(430, 35 * (len(rows) + 1) + 3),
            alt="What became of each account",
            key="run-items",
        )
        missing = one.accounts - len(items)
        if missing > 0:
            st.caption(f"{number(missing)} {'was' if missing == 1 else 'were'} not reached.")


def run_duration(start: datetime, end: datetime | None, now: datetime) -> str:
    """How long something took, or has taken so far: 3 s, 2 min 5 s, 1 h 3 min."""
    seconds = int(((now if pd.isna(end) else end) - start).total_seconds())
    if seconds < 60:
        return f"{max(0, seconds)} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
