"""Events since the reader's last visit: changes, movers and alerts."""

import math
from datetime import datetime, timedelta

import streamlit as st

from core.as_of import as_of_text
from core.queries import alerts, changes, growth, movers
from core.wording import quantity, time_ago
from pages.components import columns, labels
from pages.components.alert_list import kind_title
from pages.components.as_of import moment
from pages.components.markdown import escape_markdown
from pages.components.movers_texts import movers_table
from pages.components.table_cell import table_cell

MAX_ROWS, MAX_ALERTS, MAX_DAYS = 500, 5, 365


def show(last_visit: datetime | None, now: datetime) -> None:
    """Draw the section; without an earlier visit, one sentence."""
    if last_visit is None:
        st.caption("This is your first visit: from the next one on, this place says what has happened since.")
        return
    st.markdown(f"Your last visit ended {time_ago(last_visit, now)}, on {moment(last_visit)}.")
    _show_alerts(last_visit)
    left, right = st.columns(2)
    with left:
        found = changes.list_changes(None, since=last_visit, limit=MAX_ROWS).drop(columns="entry")
        table_cell(
            "What changed?",
            f"{quantity(len(found), 'change')} of names, licences, states and the like; newest first.",
            found,
            columns.CHANGES,
            name="since-changes",
            api=f"changes?since={as_of_text(last_visit)}&top={MAX_ROWS}",
            shown=labels.change_rows(found),
            max_height=260,
            empty="No name, licence or state has changed since then.",
            empty_is_ok=True,
        )
    with right:
        days = min(MAX_DAYS, max(1, math.ceil((now - last_visit) / timedelta(days=1))))
        moved = movers.movers(None, days, limit=20)
        rows = moved.rows[moved.rows["growth"] != 0]
        table_cell(
            "Who moved?",
            f"Stars gained in the {quantity(days, 'day')} before each repository's last refresh.",
            rows,
            columns.MOVERS_TABLE,
            name="since-movers",
            shown=movers_table(rows),
            max_height=260,
            definition=growth.DEFINITION,
            empty="No repository is known to have gained or lost stars since then.",
        )
    st.page_link(
        "overview.py",
        label="Compare every page with your last visit",
        icon=":material/history:",
        query_params={"vs": as_of_text(last_visit)},
    )


def _show_alerts(last_visit: datetime) -> None:
    raised = alerts.raised_since(last_visit)
    if raised.empty:
        st.caption("No alert was raised since then.")
        return
    lines = [
        f"- :orange-badge[{kind_title(row['kind'])}] {escape_markdown(row['message'])}"
        for row in raised.head(MAX_ALERTS).to_dict("records")
    ]
    st.markdown("\n".join([f"**{quantity(len(raised), 'alert')}**", *lines]))
    if len(raised) > MAX_ALERTS:
        st.page_link("alerts.py", label="All alerts", icon=":material/notifications:")
