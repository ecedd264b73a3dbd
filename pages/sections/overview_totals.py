"""The top of the overview: active alerts, totals, and the state of tracking in one sentence."""

from datetime import UTC, datetime, timedelta
from typing import Any

import streamlit as st
from pandas import DataFrame

from core.as_of import end_of_day
from core.queries import alerts, captures, overview
from core.queries.overview import StoredTotals, TrackingCounts
from core.sources import OWN_SOURCE_ID
from core.wording import duration, pluralize, quantity
from pages.components.alert_list import kind_title
from pages.components.as_of import selected_vs
from pages.components.format import day, number
from pages.components.history_cell import line_cell
from pages.components.markdown import escape_markdown
from pages.components.metric_cards import Card, metric_row

MIN_SHARE_OF_STORED = 0.9
ONE_DAY = "Totals of one day so far; a line needs those of two."


def show_active_alerts_link() -> None:
    """Link to the alerts page while there are active alerts."""
    found = alerts.active_alerts()
    if len(found):
        titles = ", ".join(dict.fromkeys(kind_title(kind) for kind in found["kind"]))
        label = f"{quantity(len(found), 'active alert')}: {titles}"
        st.page_link("alerts.py", label=label, icon=":material/notifications_active:")


def show_totals(stored: StoredTotals, trend: DataFrame, as_of: datetime | None) -> None:
    """Draw the cards of all stored data; of the past, of the largest source's last rollup before that day.

    Of the present too where it is compared with the past: only the rollups of one source count the same repositories.
    """
    vs = selected_vs()
    largest = overview.largest_source(trend) if vs is None else overview.largest_source_of_both(trend, vs)
    is_past = as_of is not None or vs is not None
    compared = overview.totals_at(int(largest["source_id"].iloc[-1]), vs) if vs is not None and len(largest) else {}
    numbers: dict[str, Any] = {} if is_past else vars(stored)
    covers = "All stored data, each repository as of its last refresh."
    reported_at = captures.newest_capture_at(as_of or end_of_day(datetime.now(UTC).date()))
    if is_past and len(largest):
        numbers = {str(name): value for name, value in largest.iloc[-1].items()}
        covers = f"{escape_markdown(numbers['source'])} in its last rollup, {day(numbers['at'])}; forks left out."
        reported_at = numbers["at"]
        if numbers["source_id"] == OWN_SOURCE_ID:
            reported_at = captures.newest_capture_at(min(as_of or datetime.now(UTC), end_of_day(reported_at.date())))
    # The trend of a source that covers only a part of the stored repositories would not fit the totals.
    covers_all = len(largest) > 0 and largest["repositories"].iloc[-1] > MIN_SHARE_OF_STORED * stored.repositories
    metric_row(
        [
            Card(
                label,
                numbers.get(label.lower()),
                trend=overview.daily_trend(largest, label.lower(), as_of or datetime.now(UTC))
                if (is_past or covers_all) and label.lower() in largest
                else (),
                help=covers,
                reported_at=reported_at,
                vs=compared.get(label.lower()),
            )
            for label in ("Stars", "Forks", "Repositories", "Languages")
        ],
        "totals",
    )


def show_trend(largest: DataFrame, until: datetime) -> None:
    """Draw the totals of the largest source over time, and how many repositories they add up."""
    if largest.empty:
        return
    points, intervals = overview.trend_points(largest), overview.trend_intervals(largest)
    source = escape_markdown(str(largest["source"].iloc[-1]))
    left, right = st.columns(2)
    for place, column, question, how in (
        (left, "stars", "How do the stars of all repositories develop?", "Forks left out. Grey: not collected."),
        (right, "repositories", "How many repositories does this cover?", "A step here is a step in the stars."),
    ):
        with place:
            line_cell(
                question,
                f"Totals of {source}. {how}",
                points,
                intervals,
                y=column,
                name=f"total-{column}",
                until=until,
                height=220,
                only_note=ONE_DAY,
                api="totals",
                rows=points[["captured_at", "stars", "forks", "repositories", "languages", "source"]],
            )


def tracking_sentence(counts: TrackingCounts, now: datetime) -> str:
    """Return how many accounts are tracked, in which states, and when the next refresh is due, as Markdown."""
    states = [
        f"{number(count)} {state}"
        for count, state in (
            (counts.due, "due now"),
            (counts.queued, "in the queue"),
            (counts.paused, "paused"),
            (counts.failing, "failing"),
        )
        if count
    ]
    tracked = f"**{number(counts.tracked)}** {pluralize(counts.tracked, 'account is', 'accounts are')} tracked"
    details = f": {', '.join(states)}." if states else ", none of them due, paused or failing."
    if counts.next_due_at is None:
        return tracked + details
    wait = max(timedelta(minutes=1), counts.next_due_at - now)
    return f"{tracked}{details} Next refresh in {duration(wait)}."
