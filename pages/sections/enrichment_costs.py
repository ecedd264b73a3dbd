"""The cost of each kind of fact: spent, share, and the time until all of it was read."""

from datetime import datetime

import streamlit as st
from pandas import DataFrame
from streamlit import column_config as column

from core.budget.enrichment_forecast import KindForecast, counted_at
from core.queries import enrichment
from core.settings import settings
from core.wording import duration, quantity, time_ago
from pages.components import github_budget
from pages.components.table import share_bar, show_table

COLUMNS = {
    "fact": column.TextColumn("Fact", width=275),
    "waiting": column.NumberColumn("Waiting", format="localized", help="Repositories or users whose fact is due"),
    "subjects": column.NumberColumn("Of", format="localized", help="Tracked repositories or users that have it"),
    "spent": column.TextColumn("Last 24 hours", help="Spent of REST (requests) or GraphQL (points)"),
    "share": share_bar("Share", color="primary", help="Of what enrichment spent there"),
    "until": column.TextColumn("Until all are read", help="If what is due shares the rest of the budget by weight"),
}


def show(now: datetime) -> None:
    """Draw one row per kind of fact; says so before any was counted."""
    costs = enrichment.kind_costs(now)
    if costs.empty:
        st.info("Nothing was counted yet: the scheduler does so every ten minutes.", icon=":material/hourglass_empty:")
        return
    budget, _ = github_budget.load_budget(now)
    found = enrichment.forecast(costs, budget.buckets if budget else (), now, with_token=settings().with_token)
    show_table(
        DataFrame([_table_row(one) for one in found]),
        COLUMNS,
        alt="What each kind of fact costs of GitHub's rate budget",
        key="enrichment-costs",
    )
    measured = counted_at(costs.to_dict("records"))
    counted = f"Counted {time_ago(measured, now)} · " if measured else ""
    st.caption(
        f"{counted}a 304 costs nothing with a token · facts of accounts that somebody opened in the last week come first"
    )


def _table_row(one: KindForecast) -> dict[str, object]:
    return {
        "fact": one.kind.label,
        "waiting": one.waiting,
        "subjects": one.subjects,
        "spent": quantity(one.per_day, one.unit),
        "share": one.share,
        "until": until_text(one),
    }


def until_text(one: KindForecast) -> str:
    """Return how long it takes to collect what is due: `done`, `2.5 h`, or why that is unknown."""
    if one.waiting is None:
        return "not counted yet"
    if one.until_read is None:
        return "no budget is left for it"
    return duration(one.until_read, round_up=True) if one.waiting else "done"
