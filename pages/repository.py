"""
# Repository
What is this, how has it been received over time, and who works on it?
"""

from datetime import UTC, datetime

import streamlit as st

from core.analysis import bursts, contributor_activity
from core.charts import day_bars, marks
from core.charts.star_ledger import given_and_withdrawn
from core.queries import changes as changes_queries
from core.queries import repository_facts, star_history, star_ledger
from pages.components import columns, definitions, labels
from pages.components.as_of import by_then, selected_as_of
from pages.components.cell import cell, theme
from pages.components.chart import drawn
from pages.components.history_cell import line_cell, points_cell, shares_cell
from pages.components.segmented_choice import segmented_choice
from pages.components.table_cell import table_cell
from pages.sections import repository_facts_cells, repository_header

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
releases = repository_facts.releases(found.repository_id, as_of)
changes = changes_queries.list_changes(as_of, repository_id=found.repository_id, limit=changes_queries.MAX_OF_ONE)
events = repository_facts.events(releases, changes)
repository_header.show_counts(found, detail, series, intervals, extras)

"""
## Popularity
"""
is_log = segmented_choice("Scale", {"Linear": False, "Log": True}, key="scale")
line_cell(
    "How many stars does it have?",
    f"Stars on GitHub, one point per change. Grey: not collected. {marks.READING_HINT}",
    series,
    intervals,
    y="stars",
    is_log=is_log,
    happened=events,
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
        is_log=is_log,
        happened=events,
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
        happened=events,
        y="watchers",
        unit="watchers",
        name="repository-watchers",
        api=f"{api}/extras",
        definition=definitions.REPOSITORY_EXTRAS,
        rows=extras[["captured_at", "watchers", "source"]],
        empty=f"Watchers have not been collected {by_then()}.",
        note=note,
    )

left, right = st.columns(2)
with left:
    are_apart = bool(extras["open_issues"].notna().any())
    points_cell(
        "How many issues are open?" if are_apart else "How many issues and change requests are open together?",
        "Without change requests, one dot per change." if are_apart else "As GitHub adds them up, one dot per change.",
        extras,
        happened=events,
        y="open_issues" if are_apart else "open_issues_and_change_requests",
        unit="open issues" if are_apart else "open issues and change requests",
        name="repository-issues",
        api=f"{api}/extras",
        definition=definitions.REPOSITORY_EXTRAS,
        rows=extras[["captured_at", "open_issues", "open_issues_and_change_requests", "source"]],
        empty=f"Open issues have not been collected {by_then()}.",
        note=note,
    )
with right:
    points_cell(
        "How many change requests are open?",
        "Open pull requests, one dot per change.",
        extras,
        happened=events,
        y="open_change_requests",
        unit="open change requests",
        name="repository-change-requests",
        api=f"{api}/extras",
        definition=definitions.REPOSITORY_EXTRAS,
        rows=extras[["captured_at", "open_change_requests", "source"]],
        empty=f"Open change requests have not been collected {by_then()}: without a token GitHub reports only the sum.",
        note=note,
    )

"""
## Reception
"""
given = repository_facts.stars_given(found.repository_id, as_of)
unread = repository_facts_cells.unread_sentence(found.repository_id, given, as_of)
is_total = segmented_choice("Stars given", {"Per day": False, "Cumulative": True}, key="given")
if is_total:
    shown = repository_facts.running_total(given)
    chart = drawn(
        marks.marked, day_bars.running_total, events, shown, "day", "stars", theme(), unit="stars", is_log=is_log
    )
else:
    shown = given
    chart = drawn(
        marks.marked, day_bars.count_bars, events, given, "day", "stars", theme(), unit="stars", mean="mean_7d",
        is_log=is_log,
    )  # fmt: skip
cell(
    repository_facts_cells.stars_given_question(given, is_total=is_total, has_all=not unread),
    (
        "How many of the stars that still stand were given up to each day. "
        if is_total
        else f"Bars: stars given on each day{'' if unread else ', since the first star'}. Line: mean of seven days. "
    )
    + unread
    + marks.READING_HINT,
    shown,
    name="repository-stars-given",
    api=f"{api}/star-days",
    chart=repository_facts_cells.bars_or_none(chart, given, "day", "stars"),
    alt=repository_facts_cells.days_alt(given, "day", "stars"),
    definition=definitions.STARS_GIVEN,
    empty=f"Its star history has not been collected {by_then()}.",
    note=note,
)
by_month = star_ledger.ledger(found.repository_id, as_of, "month")
triangle = star_ledger.retention(found.repository_id, as_of)
left, right = st.columns(2)
with left:
    cell(
        "How many stars were withdrawn again?",
        f"{repository_facts_cells.ledger_sentence(by_month)} {unread}".strip(),
        by_month,
        name="repository-ledger",
        api=f"{api}/ledger",
        chart=drawn(given_and_withdrawn, by_month, theme()),
        alt=repository_facts_cells.ledger_sentence(by_month),
        definition=star_ledger.DEFINITION,
        empty=f"Its star history has not been collected {by_then()}.",
        note=note,
    )
with right:
    cell(
        "How many stars of a month survive?",
        f"{repository_facts_cells.retention_sentence(triangle)} {unread}".strip(),
        triangle,
        name="repository-retention",
        chart=repository_facts_cells.retention_chart(triangle, theme()),
        alt=repository_facts_cells.retention_alt(triangle),
        definition=star_ledger.RETENTION_DEFINITION,
        empty=f"Its star history has not been collected {by_then()}.",
        note=note,
    )
found_bursts = repository_facts.star_bursts(given, releases, changes)
table_cell(
    "When was it given far more stars than usual?",
    f"Days in a row with far more stars than in the 90 days before, and what was near in time. {unread}".strip(),
    found_bursts,
    columns.BURSTS,
    name="repository-bursts",
    api=f"{api}/bursts",
    definition=bursts.DEFINITION,
    empty=f"Its star history has not been collected {by_then()}." if given.empty else "Never: no day stands out.",
    empty_is_ok=not given.empty,
    max_height=300,
    note=note,
)

"""
## Work
"""
repository_facts_cells.show_dormancy(repository_facts.pushes(found.repository_id, as_of), detail.checked_at)
weeks = repository_facts.weekly_commits(found.repository_id, as_of)
chart = drawn(marks.marked, day_bars.count_bars, events, weeks, "week", "commits", theme(), unit="commits", height=240)
cell(
    "How many commits are made each week?",
    "Commits to the default branch, merges excluded.",
    weeks,
    name="repository-commits",
    api=f"{api}/commits",
    chart=repository_facts_cells.bars_or_none(chart, weeks, "week", "commits"),
    alt=repository_facts_cells.days_alt(weeks, "week", "commits"),
    definition=definitions.COMMIT_WEEKS,
    empty=f"Commit activity has not been collected {by_then()}.",
    note=note,
)
languages = repository_facts.languages_over_time(found.repository_id, as_of)
shares_cell(
    "Which languages is it written in?",
    f"Share of bytes; each set holds until the next that differs. {marks.READING_HINT}",
    repository_facts.held_until(languages, detail.checked_at),
    value="bytes",
    name="repository-languages",
    api=f"{api}/languages",
    period="set",
    is_step=True,
    happened=events,
    rows=languages,
    alt="Layers: the share of each language in all bytes.",
    definition=definitions.REPOSITORY_LANGUAGES,
    empty=f"Its languages have not been collected {by_then()}, or it has none.",
    note=note,
)
summary = repository_facts.contributor_summary(found.repository_id, as_of)
people = repository_facts.contributors(found.repository_id, as_of)
left, right = st.columns(2)
with left:
    table_cell(
        "Who works on it?",
        repository_facts_cells.contributors_sentence(summary, people),
        people,
        columns.CONTRIBUTORS,
        name="repository-contributors",
        api=f"{api}/contributors",
        definition=f"{definitions.ABSENCE_FACTOR}\n\n{contributor_activity.DEFINITION}",
        empty="The list was read later; of that day only the summary is known."
        if summary
        else f"Contributors have not been collected {by_then()}.",
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
    chart = drawn(marks.marked, day_bars.count_bars, events, seen, "day", "views", theme(), unit="views", height=240)
    cell(
        "How often is it viewed?",
        "Views of its pages on GitHub each day; rows also hold unique visitors and clones.",
        seen,
        name="repository-traffic",
        api=f"{api}/traffic",
        chart=repository_facts_cells.bars_or_none(chart, seen, "day", "views"),
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
    shown=changes.assign(what=changes["kind"].map(labels.change_label)),
    empty="Nothing has changed since its first refresh."
    if detail.source == "GitHub"
    else "Changes are recorded from its first refresh on, and imported history has none.",
    empty_is_ok=detail.source == "GitHub",
    max_height=300,
    note=note,
)
