"""
# Overview
What Almanac tracks, how fresh the data are, and which repositories are growing.
"""

from datetime import UTC, datetime

import streamlit as st

from core.analysis.milestones import DEFINITION as MILESTONE_DEFINITION
from core.as_of import just_after
from core.charts import bars
from core.emoji import render_shortcodes
from core.queries import changes as changes_queries
from core.queries import coverage, freshness, growth, overview
from core.queries import milestones as milestone_queries
from core.queries import movers as movers_queries
from pages.components import columns, labels, track_request
from pages.components.alt_text import bars_alt
from pages.components.as_of import by_then, nothing_collected, page_links, selected_as_of, selected_vs
from pages.components.cell import cell, theme
from pages.components.chart import drawn
from pages.components.format import day, duration, number, percent, signed_number
from pages.components.movers_texts import movers_sentence, why_no_movers
from pages.components.segmented_choice import segmented_choice
from pages.components.table_cell import table_cell
from pages.sections import overview_totals, since_last_visit, welcome
from pages.session import current

MAX_MOVERS, MAX_CHANGES = 15, 50

now, as_of = datetime.now(UTC), selected_as_of()
tracking, stored = overview.tracking_counts(now), overview.stored_totals()
if not stored.repositories and not tracking.tracked:
    welcome.show()
    st.stop()

if as_of is None:
    overview_totals.show_active_alerts_link()
trend = overview.source_trend(as_of)
overview_totals.show_totals(stored, trend, as_of)
overview_totals.show_trend(overview.largest_source(trend), as_of or now)

if as_of is None:
    "## Since your last visit"
    since_last_visit.show(current.last_visit(), now)

"""
## Freshness
"""
if not tracking.tracked:
    st.info("No account is tracked: all stored data were imported.", icon=":material/bookmark_add:")
    track_request.show_track_form()
else:
    st.markdown(overview_totals.tracking_sentence(tracking, now))
    left, right = st.columns(2)
    with left:
        ages = overview.accounts_by_age(now)
        cell(
            "How old are the data?",
            "Tracked accounts by the age of their last refresh.",
            ages,
            name="freshness",
            chart=drawn(bars.ranking_bars, ages, "age", "accounts", theme(), texts=ages["accounts"].map(number)),
            alt=bars_alt(ages["age"], ages["accounts"]),
            definition=coverage.DEFINITION,
            note="as of now",
        )
    with right:
        late = freshness.account_freshness(now, only_late=True)
        table_cell(
            "Which accounts need attention?",
            "Overdue, never refreshed, or failing.",
            late,
            columns.OVERDUE_ACCOUNTS,
            name="late",
            shown=late.assign(state=late["state"].map(labels.FRESHNESS), every=late["every_hours"].map(duration)),
            alt="Accounts that are overdue or failing",
            max_height=220,
            definition=freshness.DEFINITION,
            empty="None: every account is on time.",
            empty_is_ok=True,
            note="as of now",
        )

"""
## Movers
"""
days = segmented_choice("Growth over", {f"{count}d": count for count in labels.PERIODS}, key="over", default="30d")
period, movers = labels.PERIODS[days], movers_queries.movers(as_of, days, limit=MAX_MOVERS)
newest, rows = day(movers.newest_at), movers.rows
shares = rows["share"].map(lambda share: f"  ({percent(share, 1)})", na_action="ignore").astype(object).fillna("")
cell(
    f"Which repositories gained most stars in {period}?",
    movers_sentence(movers, period),
    rows,
    name=f"movers-{days}-days",
    api=f"movers?days={days}&top={MAX_MOVERS}",
    chart=drawn(
        bars.ranking_bars,
        rows,
        "full_name",
        "growth",
        theme(),
        texts=rows["growth"].map(signed_number).astype(str) + shares.astype(str),
    ),
    alt=bars_alt(rows["full_name"].head(5), rows["growth"].head(5).map(signed_number)),
    rows=rows.assign(description=rows["description"].map(render_shortcodes, na_action="ignore")),
    columns=columns.MOVERS,
    empty=why_no_movers(movers, "gained", period),
    note=f"up to {newest}",
    definition=growth.DEFINITION,
)

"""
## Milestones ahead
"""
vs = selected_vs()
milestones = milestone_queries.ahead(as_of, vs=vs)
table_cell(
    "Which repositories come near a round number of stars?",
    "Between which days, where a straight line fits their last 90 days; else why there is no range.",
    milestones,
    columns.with_compared(columns.MILESTONES, "stars", "Stars", day(vs)) if vs else columns.MILESTONES,
    name="milestones",
    api="milestones",
    shown=milestones.assign(repository=page_links("repository", "name", milestones["full_name"])),
    max_height=360,
    definition=MILESTONE_DEFINITION,
    empty=nothing_collected()
    if movers.newest_at is None
    else "No repository would reach its next round number within 90 days at its growth of the last 30.",
    empty_is_ok=movers.newest_at is not None,
)

"""
## Changes
"""
changes = changes_queries.list_changes(as_of, since=just_after(vs), limit=MAX_CHANGES).drop(columns="entry")
was_refreshed = coverage.was_refreshed(as_of)
table_cell(
    "What changed most recently?",
    "Names, licences, archiving, new and deleted repositories; newest first.",
    changes,
    columns.CHANGES,
    name="changes",
    api=f"changes?top={MAX_CHANGES}",
    shown=labels.change_rows(changes),
    alt="The newest changes",
    max_height=400,
    empty="No name, licence or state has changed since the first refresh."
    if was_refreshed
    else f"Nothing was refreshed {by_then()}: changes are recorded from an account's first "
    "refresh, and imported history has none.",
    empty_is_ok=was_refreshed,
)
