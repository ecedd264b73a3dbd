"""The list of ingestions with its filters, and the outcome of each account of the selected one."""

from datetime import datetime

import pandas as pd
import streamlit as st
from pandas import DataFrame
from streamlit import column_config as column

from core.queries import ingestions
from core.queries.outcomes import OUTCOME_RETENTION
from core.wording import duration, pluralize, quantity
from pages.components import query_params
from pages.components.columns import timestamp_column
from pages.components.format import UNKNOWN, number, percent
from pages.components.markdown import escape_markdown
from pages.components.segmented_choice import segmented_choice
from pages.components.table import choose_row, show_table, without_attrs
from pages.sections.account_outcome import outcome_sentence

MAX_ROWS = 200
SELECTED_PARAM = "ingestion"
MAX_ID_DIGITS = 18
TRIGGER_OPTIONS = {
    "All": "",
    "Schedule": "schedule",
    "People": "person",
    "Command line": "command line",
    "Imports": "import",
}
STATE_OPTIONS = {
    "Any outcome": "",
    **{name: name.lower() for name in ("Done", "Partial", "Failed", "Stopped", "Cancelled")},
}
COLUMNS = {
    "id": column.NumberColumn("No.", format="%d", width=52),
    "state": column.TextColumn("Outcome", width=78),
    "started_at": timestamp_column("Started", width=130),
    "took": column.TextColumn("Took", width=76),
    "trigger": column.TextColumn("By", width=92),
    "accounts": column.NumberColumn("Accounts", format="localized", width=76),
    "stored": column.NumberColumn("Stored", format="localized", width=62),
    "failed": column.NumberColumn("Failed", format="localized", width=58),
    "requests": column.NumberColumn("Requests", format="localized", width=76),
    "points": column.NumberColumn("Points", format="localized", width=58),
    "unchanged": column.TextColumn("304", width=54, help="Share of requests that returned 304 Not Modified"),
    "rows_written": column.NumberColumn("Rows", format="localized", width=64),
}
ITEM_COLUMNS = {
    "login": column.TextColumn("Account", width=160),
    "outcome": column.TextColumn("Outcome", width=460),
    "requests": column.NumberColumn("Requests", format="localized", width=80),
    "points": column.NumberColumn("Points", format="localized", width=65),
    "finished_at": timestamp_column("Finished", width=130),
}


def show(now: datetime) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="runs-filters"):
        login = query_params.text_input(
            "Account",
            key="account",
            placeholder="Account",
            icon=":material/search:",
            label_visibility="collapsed",
            width=220,
        )
        trigger = segmented_choice("By", TRIGGER_OPTIONS, key="by")
        state = segmented_choice("Outcome", STATE_OPTIONS, key="outcome")
    listed = ingestions.list_ingestions(limit=MAX_ROWS, login=login, trigger=trigger)
    # The outcome follows from an ingestion's jobs and accounts: computed for the newest, not searched among all.
    found = listed[listed["state"] == state] if state else listed
    are_more = len(listed) == MAX_ROWS
    if found.empty:
        if not (login or trigger or state):
            st.info("There has been no ingestion yet.", icon=":material/hourglass_empty:")
            return
        among = f"None of the newest {number(MAX_ROWS)} ingestions" if are_more else "No ingestion"
        st.info(f"{among} matches these filters.", icon=":material/search_off:")
        return
    show_ingestions(found, now)
    shown = f"{number(len(found))} of the newest {number(MAX_ROWS)}" if are_more else number(len(found))
    st.caption(f"{shown} shown; select one to see its accounts.")
    if selected := query_params.get(SELECTED_PARAM):
        show_ingestion(selected)


def show_ingestions(found: DataFrame, now: datetime) -> None:
    rows = without_attrs(found).assign(
        took=[
            run_duration(start, end, now) for start, end in zip(found["started_at"], found["finished_at"], strict=True)
        ],
        trigger=[
            person if trigger == "person" else trigger
            for trigger, person in zip(found["trigger"], found["requested_by"], strict=True)
        ],
        unchanged=[
            percent(not_modified / requests) if requests else UNKNOWN
            for not_modified, requests in zip(found["not_modified"], found["requests"], strict=True)
        ],
    )
    choose_row(
        rows,
        COLUMNS,
        ids=found["id"],
        param=SELECTED_PARAM,
        max_height=400,
        alt="Ingestions, newest first; select one to see its accounts",
        key="runs-table",
    )


def show_ingestion(selected: str) -> None:
    """Show the outcome of each account of one ingestion."""
    is_id = selected.isascii() and selected.isdigit() and len(selected) < MAX_ID_DIGITS
    ingestion = ingestions.get_ingestion(int(selected)) if is_id else None
    if ingestion is None:
        st.info(f"There is no ingestion {escape_markdown(selected[:20])}.", icon=":material/search_off:")
        return
    items = ingestions.items(ingestion.id)
    with st.container(border=True, key="run-detail"):
        request = f" · request `{ingestion.request_id}`" if ingestion.request_id else ""
        st.markdown(f"**Ingestion {ingestion.id}** · {ingestion.state}{request}")
        if items.empty:
            st.caption(why_no_outcomes(ingestion))
            return
        rows = items.assign(outcome=[outcome_sentence(item) for item in items.to_dict("records")])
        show_table(rows, ITEM_COLUMNS, alt="The outcome of each account", key="run-items")
        missing = ingestion.accounts - len(items)
        if missing > 0:
            st.caption(f"{quantity(missing, 'account')} {pluralize(missing, 'was', 'were')} not refreshed.")


def why_no_outcomes(ingestion: ingestions.Ingestion) -> str:
    """Say why there is no outcome of any account."""
    if ingestion.state == "queued":
        return "No worker has started it yet."
    if ingestion.stored + ingestion.failed:
        accounts = f"{quantity(ingestion.stored, 'account')} stored, {number(ingestion.failed)} failed"
        return f"{accounts}. What happened to each is kept for {OUTCOME_RETENTION.days} days."
    return "No account was refreshed."


def run_duration(started_at: datetime, finished_at: datetime | None, now: datetime) -> str:
    """Return how long an ingestion took, or has taken so far."""
    if finished_at is None or pd.isna(finished_at):
        return duration(now - started_at)
    return duration(finished_at - started_at)
