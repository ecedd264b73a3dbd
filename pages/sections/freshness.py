"""Freshness of the tracked accounts: share on time, ages, the ten furthest behind, and a coverage calendar."""

from datetime import datetime

import pandas as pd
import streamlit as st
from streamlit import column_config as column

from core.as_of import end_of_day
from core.charts import calendar_heatmap
from core.queries import coverage, freshness, overview
from core.wording import quantity
from pages.components.cell import cell, theme
from pages.components.chart import drawn
from pages.components.format import UNKNOWN, duration, number, percent
from pages.components.metric_cards import Card, metric_row
from pages.components.table_cell import table_cell

CALENDAR_DAYS = 182
MAX_STALEST = 10
STALEST_COLUMNS = {
    "login": column.TextColumn("Account", width=120),
    "age": column.TextColumn("Age", width=66),
    "every": column.TextColumn("Cadence", width=66, help="Its own interval between two refreshes"),
    "failures": column.NumberColumn("Failed", format="localized", width=58, help="Consecutive failures"),
}


def show(now: datetime) -> None:
    active = overview.counted_accounts(freshness.account_freshness(now))
    if active.empty:
        st.info("Nothing is tracked, so there is no freshness to show.", icon=":material/hourglass_empty:")
        return
    ages = active["age_hours"].dropna().astype(float)
    on_time = int((active["state"] == "on_time").sum())
    metric_row(
        [
            Card("On time", percent(on_time / len(active), round_down=True), help=freshness.DEFINITION),
            Card("Age, p95", duration(ages.quantile(0.95)) if len(ages) else UNKNOWN, help="95 % are younger"),
            Card("Age, median", duration(ages.median()) if len(ages) else UNKNOWN),
            Card("Never refreshed", int((active["state"] == "never").sum())),
        ],
        "freshness",
    )
    left, right = st.columns([4, 3])
    with left:
        coverage_calendar_cell(now)
    with right:
        worst = overview.most_overdue(active, MAX_STALEST)
        worst = worst.assign(
            age=[duration(hours) for hours in worst["age_hours"]],
            every=[duration(hours) for hours in worst["every_hours"]],
        )
        table_cell(
            "Which accounts are most overdue?",
            "The ten whose last refresh is oldest, relative to their own cadence.",
            worst,
            STALEST_COLUMNS,
            name="worst",
            alt="The ten accounts furthest behind",
            max_height=230,
            definition=freshness.DEFINITION,
            note="as of now",
        )


def coverage_calendar_cell(now: datetime) -> None:
    days = coverage.daily_coverage(end_of_day(now.date()), CALENDAR_DAYS)
    labels = [
        f"{day:%Y-%m-%d}: {number(refreshed)} of {quantity(accounts, 'account')} refreshed"
        if accounts
        else f"{day:%Y-%m-%d}: before the first refresh"
        for day, refreshed, accounts in zip(
            pd.to_datetime(days["day"]), days["refreshed"], days["accounts"], strict=True
        )
    ]
    covered = coverage.covered_share(days)
    cell(
        "On which days were they refreshed?",
        "One square per day; the larger the share of tracked accounts that were refreshed, the fuller its colour.",
        days,
        name="coverage",
        chart=drawn(calendar_heatmap.calendar_heatmap, days.assign(label=labels), theme(), text="label"),
        alt=f"A calendar of the last {CALENDAR_DAYS} days; coverage {percent(covered, round_down=True)}"
        if covered is not None
        else "A calendar without any refresh yet",
        definition=coverage.DEFINITION,
    )
