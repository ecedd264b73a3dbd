"""What rules noticed: what lasts, calmly and since when, and what happened, newest first."""

from datetime import UTC, datetime

import pandas as pd
import streamlit as st
from streamlit import column_config as column

from core.alerts.rules import RULE_KINDS
from core.exports import csv
from core.queries import alerts
from core.wording import time_ago
from pages.components import export, query_params
from pages.components.columns import TIMESTAMP_COLUMN
from pages.components.format import number
from pages.components.markdown import escape_markdown as as_text
from pages.components.table import without_attrs

RERUN_EVERY = "15s"
MAX_ROWS = 200
KIND_BY_TITLE = {kind.title: name for name, kind in RULE_KINDS.items()}
COLUMNS = {
    "raised_at": TIMESTAMP_COLUMN | {"label": "When", "width": 130},
    "what": column.TextColumn("What", width=122),
    "message": column.TextColumn("Message", width=470),
    "account": column.TextColumn("Account", width=112),
    "until": column.TextColumn("Over", width=80),
}


def kind_title(kind: str) -> str:
    """What a kind is called; one of another version by its own word."""
    return RULE_KINDS[kind].title if kind in RULE_KINDS else kind


@st.fragment(run_every=RERUN_EVERY)
def show_active_alerts() -> None:
    """What is out of the ordinary at this moment."""
    found, now = alerts.active_alerts(), datetime.now(UTC)
    with st.container(border=True, key="lasting"):
        if found.empty:
            st.markdown(":green-badge[:material/check_circle: all well] **Nothing is out of the ordinary**")
            newest = alerts.latest_raised_at()
            st.caption(
                "No rule has noticed anything yet." if newest is None else f"Noticed last {time_ago(newest, now)}."
            )
            return
        st.markdown(f"**{number(len(found))} {'thing is' if len(found) == 1 else 'things are'} out of the ordinary**")
        for one in found.to_dict("records"):
            st.markdown(
                f":orange-badge[:material/warning: {kind_title(one['kind'])}] {as_text(one['message'])}"
                f"  \n:gray[since {one['raised_at']:%Y-%m-%d %H:%M} UTC, {time_ago(one['raised_at'], now)}]"
            )


def show_recent_alerts() -> None:
    """What was noticed, filtered by kind and account."""
    told = query_params.invalid_choices("kind", list(KIND_BY_TITLE), several=True)
    with st.container(horizontal=True, vertical_alignment="bottom", key="alerts-filters"):
        kinds = st.multiselect(
            "What", list(KIND_BY_TITLE), key="kind", bind="query-params", placeholder="Anything", width=340
        )  # fmt: skip
        login = st.text_input(
            "Account", key="of", bind="query-params", max_chars=100, placeholder="Any account", width=200
        )
    query_params.show_invalid_parameters(told)
    found = alerts.list_alerts(
        [KIND_BY_TITLE[kind] for kind in kinds], login.strip().replace("\x00", ""), most=MAX_ROWS
    )
    if found.empty:
        filtered = bool(kinds or login.strip())
        st.info(
            "Nothing fits these filters." if filtered else "Nothing has been noticed yet.",
            icon=":material/search_off:" if filtered else ":material/check_circle:",
        )
        return
    shown = without_attrs(found).assign(
        what=[kind_title(kind) for kind in found["kind"]],
        until=[end_label(begun, end) for begun, end in zip(found["raised_at"], found["ended_at"], strict=True)],
    )
    st.dataframe(
        shown[list(COLUMNS)],
        column_config=COLUMNS,
        hide_index=True,
        placeholder="—",
        height=min(430, 35 * (len(shown) + 1) + 3),
        alt="What was noticed, newest first",
        key="alerts-table",
    )
    with st.container(horizontal=True, vertical_alignment="center", key="line-alerts"):
        st.caption(f"The newest {number(MAX_ROWS)}." if len(found) == MAX_ROWS else f"{number(len(found))} noticed.")
        export.export_button(
            "CSV", without_attrs(found).drop(columns="id"), csv, key="alerts-csv", file_name="almanac-alerts.csv",
            mime="text/csv", icon=":material/download:",
        )  # fmt: skip


def end_label(begun: datetime, ended: datetime | None) -> str:
    """When it was over: a happening has no length."""
    if pd.isna(ended):
        return "lasts"
    return "" if ended <= begun else f"{ended:%m-%d %H:%M}"
