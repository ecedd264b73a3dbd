"""
# Repository
What is this, how has it been received over time, and who works on it?
"""

from datetime import UTC, datetime

import streamlit as st

from core.queries import star_history
from pages.components import definitions
from pages.components.as_of import selected_as_of
from pages.components.history_cell import line_cell, points_cell
from pages.sections import repository_header

found = repository_header.find_repository(repository_header.name_input())
detail = repository_header.show_repository(found) if found else None
if found is None or detail is None:
    st.stop()

as_of = selected_as_of()
until = as_of or datetime.now(UTC)
series = star_history.star_series(found.repository_id, as_of)
extras = star_history.extra_series(found.repository_id, as_of)
intervals = star_history.coverage_intervals(found.repository_id, as_of)
note = repository_header.capture_note(found)
repository_header.show_counts(detail, series, intervals, extras)

"""
## Popularity
"""
line_cell(
    "How many stars does it have?",
    "Stars on GitHub, one point per change. Grey: not collected.",
    series,
    intervals,
    y="stars",
    name="repository-stars",
    until=until,
    definition=definitions.REPOSITORY_HISTORY,
    rows=series.drop(columns=["source_id", "forks"]),
    note=note,
)
left, right = st.columns(2)
with left:
    line_cell(
        "How many forks does it have?",
        "Forks on GitHub, one point per change.",
        series,
        intervals,
        y="forks",
        name="repository-forks",
        until=until,
        height=240,
        definition=definitions.REPOSITORY_HISTORY,
        rows=series.drop(columns=["source_id", "stars"]),
        note=note,
    )
with right:
    points_cell(
        "How many people watch it?",
        "Subscribers to its notifications, one dot per change.",
        extras,
        y="watchers",
        unit="watchers",
        name="repository-watchers",
        definition=definitions.REPOSITORY_EXTRAS,
        rows=extras[["captured_at", "watchers", "source"]],
        empty="Watchers have not been collected yet.",
        note=note,
    )

left, right = st.columns(2)
with left:
    are_apart = bool(extras["open_issues"].notna().any())
    points_cell(
        "How many issues are open?" if are_apart else "How many issues and change requests are open together?",
        "Without change requests, one dot per change." if are_apart else "As GitHub adds them up, one dot per change.",
        extras,
        y="open_issues" if are_apart else "open_issues_and_change_requests",
        unit="open issues" if are_apart else "open issues and change requests",
        name="repository-issues",
        definition=definitions.REPOSITORY_EXTRAS,
        rows=extras[["captured_at", "open_issues", "open_issues_and_change_requests", "source"]],
        empty="Open issues have not been collected yet.",
        note=note,
    )
with right:
    points_cell(
        "How many change requests are open?",
        "Open pull requests, one dot per change.",
        extras,
        y="open_change_requests",
        unit="open change requests",
        name="repository-change-requests",
        definition=definitions.REPOSITORY_EXTRAS,
        rows=extras[["captured_at", "open_change_requests", "source"]],
        empty="Open change requests have not been collected yet: without a token GitHub reports only the sum.",
        note=note,
    )
