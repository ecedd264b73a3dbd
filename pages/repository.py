"""
# Repository
What is this, how has it been received over time, and who works on it?
"""

from datetime import UTC, datetime

import streamlit as st

from core import bursts
from core.charts import day_bars
from core.queries import changes as changes_queries
from core.queries import repository_facts, star_history
from pages.components import columns, definitions, labels
from pages.components.as_of import selected_as_of
from pages.components.cell import cell, theme
from pages.components.chart import drawn
from pages.components.history_cell import line_cell, points_cell
from pages.components.table_cell import table_cell
from pages.sections import repository_facts_cells, repository_header

MAX_CHANGES = 1_000

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
api = f"repositories/{found.full_name}"
repository_header.show_counts(found, detail, series, intervals, extras)

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
    api=f"{api}/counts",
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
        api=f"{api}/counts",
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
        api=f"{api}/extras",
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
        api=f"{api}/extras",
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
        api=f"{api}/extras",
        definition=definitions.REPOSITORY_EXTRAS,
        rows=extras[["captured_at", "open_change_requests", "source"]],
        empty="Open change requests have not been collected yet: without a token GitHub reports only the sum.",
        note=note,
    )

"""
## Reception
"""
given = repository_facts.stars_given(found.repository_id, as_of)
releases = repository_facts.releases(found.repository_id, as_of)
changes = changes_queries.ledger(as_of, repository_id=found.repository_id, limit=MAX_CHANGES)
cell(
    "How many stars is it given each day?",
    "Bars: stars given on each day, since the first star. Line: mean of seven days.",
    given,
    name="repository-stars-given",
    api=f"{api}/star-days",
    chart=drawn(day_bars.count_bars, given, "day", "stars", theme(), unit="stars", mean="mean_7d"),
    alt=repository_facts_cells.days_alt(given, "day", "stars"),
    definition=definitions.STARS_GIVEN,
    empty="Its star history has not been collected yet.",
    note=note,
)
found_bursts = repository_facts.star_bursts(given, releases, changes)
table_cell(
    "When was it given far more stars than usual?",
    "Days in a row with far more stars than in the 90 days before, and what was near in time.",
    found_bursts,
    columns.BURSTS,
    name="repository-bursts",
    api=f"{api}/bursts",
    definition=bursts.DEFINITION,
    empty="Its star history has not been collected yet." if given.empty else "Never: no day stands out.",
    empty_is_ok=not given.empty,
    max_height=300,
    note=note,
)

"""
## Work
"""
repository_facts_cells.show_dormancy(repository_facts.pushes(found.repository_id, as_of), detail.checked_at)
weeks = repository_facts.weekly_commits(found.repository_id, as_of)
cell(
    "How many commits are made each week?",
    "Commits to the default branch, merges excluded.",
    weeks,
    name="repository-commits",
    api=f"{api}/commits",
    chart=drawn(day_bars.count_bars, weeks, "week", "commits", theme(), unit="commits", height=240),
    alt=repository_facts_cells.days_alt(weeks, "week", "commits"),
    definition=definitions.COMMIT_WEEKS,
    empty="Commit activity has not been collected yet.",
    note=note,
)
summary = repository_facts.contributor_summary(found.repository_id, as_of)
people = repository_facts.contributors(found.repository_id, as_of)
left, right = st.columns(2)
with left:
    table_cell(
        "Who works on it?",
        repository_facts_cells.contributors_sentence(summary),
        people,
        columns.CONTRIBUTORS,
        name="repository-contributors",
        api=f"{api}/contributors",
        definition=definitions.ABSENCE_FACTOR,
        empty="The list was read later; of that day only the summary is known."
        if summary
        else "Contributors have not been collected yet.",
        note=repository_facts_cells.read_note(summary) or note,
    )
with right:
    table_cell(
        "What was released?",
        "Releases, newest first; drafts and deleted ones left out.",
        releases,
        columns.RELEASES,
        name="repository-releases",
        api=f"{api}/releases",
        empty=repository_facts_cells.no_releases_sentence(found.repository_id, as_of),
        empty_is_ok=repository_facts.was_collected(found.repository_id, "releases", as_of),
        note=note,
    )
seen = repository_facts.traffic(found.repository_id, as_of)
if not seen.empty:
    cell(
        "How often is it viewed?",
        "Views of its pages on GitHub each day; rows also hold unique visitors and clones.",
        seen,
        name="repository-traffic",
        api=f"{api}/traffic",
        chart=drawn(day_bars.count_bars, seen, "day", "views", theme(), unit="views", height=240),
        alt=repository_facts_cells.days_alt(seen, "day", "views"),
        definition=definitions.TRAFFIC_DAYS,
        note=note,
    )

"""
## Changes
"""
table_cell(
    "What changed about it?",
    "Names, owner, licence, archiving and the like; newest first.",
    changes,
    columns.REPOSITORY_CHANGES,
    name="repository-changes",
    shown=changes.assign(what=changes["kind"].map(lambda kind: labels.CHANGES.get(kind, kind))),
    empty="Nothing has changed since its first refresh."
    if detail.source == "GitHub"
    else "Changes are recorded from its first refresh on, and imported history has none.",
    empty_is_ok=detail.source == "GitHub",
    max_height=300,
    note=note,
)
