"""How fresh what is known is: share within target, age, the ten worst, and a calendar of coverage."""

from datetime import datetime

import pandas as pd
import streamlit as st
from streamlit import column_config as column

from core.charts import calendar_heatmap
from core.queries import ingestions, overview
from core.queries.coverage import DEFINITION
from pages.components.as_of import end_of_day
from pages.components.cell import cell, theme
from pages.components.format import UNKNOWN, duration, number, percent
from pages.components.metric_cards import Card, metric_row
from pages.components.table_cell import table_cell

CALENDAR_DAYS = 182
MAX_STALEST = 10
TARGET_DEFINITION = "Looked at within twice its own cadence; paused accounts do not count."
STALEST_COLUMNS = {
    "login": column.TextColumn("Account", width=120),
    "age": column.TextColumn("Age", width=66),
    "every": column.TextColumn("Every", width=66, help="How often it is meant to be looked at"),
    "failures": column.NumberColumn("Failed", width=58, help="Times in a row"),
}


def show(now: datetime) -> None:
    found = overview.account_freshness(now)
    watched = found[found["state"] != "paused"]
    if watched.empty:
        st.info("Nothing is tracked, so nothing can be fresh.", icon=":material/hourglass_empty:")
        return
    ages = watched["age_hours"].dropna().astype(float)
    in_time = int((watched["state"] == "fresh").sum())
    metric_row(
        [
            Card("Within target", percent(in_time / len(watched)), help=TARGET_DEFINITION),
            Card("Age, 95 %", duration(ages.quantile(0.95)) if len(ages) else UNKNOWN, help="95 % are younger"),
            Card("Age, median", duration(ages.median()) if len(ages) else UNKNOWN),
            Card("Never looked at", int((watched["state"] == "never").sum())),
        ],
        "fresh",
    )
    left, right = st.columns([4, 3])
    with left:
        coverage_calendar_cell(now)
    with right:
        worst = watched.assign(
            age=[duration(hours) for hours in watched["age_hours"]],
            every=[duration(hours) for hours in watched["every_hours"]],
            # Where nobody was ever looked at there is no number that tells of what type it would be.
            lateness=watched["age_hours"].astype("Float64") / watched["every_hours"],
        )
        worst = worst.sort_values("lateness", ascending=False, na_position="first").head(MAX_STALEST)
        worst.attrs = found.attrs
        table_cell(
            "Which are furthest behind?",
            "The ten whose last look is oldest, measured by their own cadence.",
            worst,
            STALEST_COLUMNS,
            name="worst",
            alt="The ten accounts furthest behind",
            max_height=230,
            definition=TARGET_DEFINITION,
            note="as of now",
        )


def coverage_calendar_cell(now: datetime) -> None:
    days = ingestions.daily_coverage(end_of_day(now.date()), CALENDAR_DAYS)
    told = [
        f"{day:%Y-%m-%d}: {number(looked)} of {number(tracked)} looked at"
        if tracked
        else f"{day:%Y-%m-%d}: nothing tracked"
        for day, looked, tracked in zip(pd.to_datetime(days["day"]), days["looked"], days["tracked"], strict=True)
    ]
    drawn = days.assign(told=told)
    drawn.attrs = days.attrs
    covered = days["share"].dropna().astype(float)
    cell(
        "On which days were they looked at?",
        "A square a day: the fuller its colour, the more of what was tracked had a successful look.",
        days,
        name="coverage",
        chart=calendar_heatmap.calendar_heatmap(drawn, theme(), text="told"),
        alt=f"A calendar of the last {CALENDAR_DAYS} days; on average {percent(covered.clip(upper=1).mean())} were looked at"
        if len(covered)
        else "A calendar without any look yet",
        definition=DEFINITION,
    )
