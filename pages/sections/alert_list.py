"""What rules noticed: what lasts, calmly and since when, and what happened, newest first."""

from datetime import UTC, datetime

import pandas as pd
import streamlit as st
from streamlit import column_config as column

from core.alerts.rules import KINDS
from core.exports import csv
from core.queries import alerts
from pages.components import export, query_params
from pages.components.cell import MOMENT, plain
from pages.components.format import ago, number
from pages.session.common import plain as as_text

EVERY = "15s"
MOST = 200
TITLES = {kind.title: name for name, kind in KINDS.items()}
COLUMNS = {
    "raised_at": MOMENT | {"label": "When", "width": 130},
    "what": column.TextColumn("What", width=122),
    "sentence": column.TextColumn("Told", width=470),
    "account": column.TextColumn("Account", width=112),
    "until": column.TextColumn("Over", width=80),
}


def title_of(kind: str) -> str:
    """What a kind is called; one of another version by its own word."""
    return KINDS[kind].title if kind in KINDS else kind


@st.fragment(run_every=EVERY)
def lasting() -> None:
    """What is out of the ordinary at this moment."""
    found, now = alerts.lasting(), datetime.now(UTC)
    with st.container(border=True, key="lasting"):
        if found.empty:
            st.markdown(":green-badge[:material/check_circle: all well] **Nothing is out of the ordinary**")
            newest = alerts.newest_at()
            st.caption("No rule has noticed anything yet." if newest is None else f"Noticed last {ago(newest, now)}.")
            return
        st.markdown(f"**{number(len(found))} {'thing is' if len(found) == 1 else 'things are'} out of the ordinary**")
        for one in found.to_dict("records"):
            st.markdown(
                f":orange-badge[:material/warning: {title_of(one['kind'])}] {as_text(one['sentence'])}"
                f"  \n:gray[since {one['raised_at']:%Y-%m-%d %H:%M} UTC, {ago(one['raised_at'], now)}]"
            )


def recent() -> None:
    """What was noticed, filtered by kind and account."""
    told = query_params.one_of("kind", list(TITLES), several=True)
    with st.container(horizontal=True, vertical_alignment="bottom", key="alerts-filters"):
        kinds = st.multiselect(
            "What", list(TITLES), key="kind", bind="query-params", placeholder="Anything", width=340
        )  # fmt: skip
        login = st.text_input(
            "Account", key="of", bind="query-params", max_chars=100, placeholder="Any account", width=200
        )
    query_params.tell(told)
    found = alerts.noticed([TITLES[kind] for kind in kinds], login.strip().replace("\x00", ""), most=MOST)
    if found.empty:
        filtered = bool(kinds or login.strip())
        st.info(
            "Nothing fits these filters." if filtered else "Nothing has been noticed yet.",
            icon=":material/search_off:" if filtered else ":material/check_circle:",
        )
        return
    shown = plain(found).assign(
        what=[title_of(kind) for kind in found["kind"]],
        until=[until(begun, end) for begun, end in zip(found["raised_at"], found["ended_at"], strict=True)],
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
        st.caption(f"The newest {number(MOST)}." if len(found) == MOST else f"{number(len(found))} noticed.")
        export.button(
            "CSV", plain(found).drop(columns="id"), csv, key="alerts-csv", file_name="almanac-alerts.csv",
            mime="text/csv", icon=":material/download:",
        )  # fmt: skip


def until(begun: datetime, ended: datetime | None) -> str:
    """When it was over: a happening has no length."""
    if pd.isna(ended):
        return "lasts"
    return "" if ended <= begun else f"{ended:%m-%d %H:%M}"
