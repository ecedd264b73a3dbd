"""
# Overview
What Almanac watches, how fresh it is, and what moves.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import streamlit as st
from pandas import DataFrame
from streamlit import column_config as column

from core.charts import bars
from core.emoji import render_shortcodes
from core.queries import alerts, overview
from core.queries.coverage import DEFINITION
from core.queries.overview import StoredTotals, TrackingCounts
from pages.components import as_of as components_as_of
from pages.components.cell import cell, theme
from pages.components.format import day, number, percent, signed_number
from pages.components.metric_cards import Card, metric_row
from pages.components.segmented_choice import segmented_choice
from pages.components.table_cell import table_cell
from pages.sections import track_request
from pages.sections.alert_list import kind_title

PERIOD_LABELS = {7: "7 days", 30: "30 days", 90: "90 days", 365: "a year"}
AGE_BINS = {
    "under an hour": 1,
    "under 6 hours": 6,
    "under a day": 24,
    "under 2 days": 48,
    "under a week": 168,
    "older": float("inf"),
}
NEVER_REFRESHED = "never looked at"
CHANGE_LABELS = {
    "new": "appeared",
    "gone": "is gone",
    "back": "is back",
    "archived": "was archived",
    "restored": "was taken out of the archive",
    "renamed": "was renamed",
    "transferred": "moved to another owner",
    "relicensed": "changed its licence",
    "primary_language": "changed its main language",
    "default_branch": "changed its default branch",
}
MOVER_COLUMNS = {
    "full_name": column.TextColumn("Repository"),
    "growth": column.NumberColumn("Gained", format="localized"),
    "share": column.NumberColumn("Gained, share", format="percent"),
    "stars": column.NumberColumn("Stars", format="localized"),
    "language": column.TextColumn("Language"),
    "description": column.TextColumn("Description", width="large"),
    "until_at": column.DatetimeColumn("Up to", format="YYYY-MM-DD"),
    "source": column.TextColumn("Source"),
    "compared": None,
}
CHANGE_COLUMNS = {
    "detected_at": column.DatetimeColumn("Noticed", format="YYYY-MM-DD HH:mm", width=130),
    "subject": column.TextColumn("Repository or account", width=220),
    "what": column.TextColumn("What happened", width=190),
    "before": column.TextColumn("Before", width=160),
    "after": column.TextColumn("After", width=160),
}
STALE_COLUMNS = {
    "login": column.TextColumn("Account", width=120),
    "state": column.TextColumn("State", width=60),
    "checked_at": column.DatetimeColumn("Last look", format="YYYY-MM-DD HH:mm", width=130),
    "every_hours": column.NumberColumn(
        "Every", format="%.0f h", width=60, help="How often it is meant to be looked at"
    ),
    "failures": column.NumberColumn("Failed", width=60, help="Times in a row"),
}


def show_welcome() -> None:
    """The first page of an empty Almanac."""
    st.info("Nothing is tracked yet, so there is nothing to read. Here is how to begin.", icon=":material/waving_hand:")
    left, right = st.columns(2)
    with left.container(border=True, height="stretch"):
        st.markdown("**Track accounts**")
        st.caption("Users or organizations. Almanac looks at them soon after, and from then on keeps their history.")
        track_request.show_track_form()
        st.caption("Or many at once, from the command line:")
        st.code("python -m ingest track pallets gaearon", language="sh", wrap_lines=True)
    with right.container(border=True, height="stretch"):
        st.markdown("**Bring history along**")
        st.caption("That somebody else kept: a table of days, repositories, stars and forks.")
        st.code("python -m ingest import-history stars.csv.gz --source my-notes", language="sh", wrap_lines=True)
    st.caption("Without a token GitHub answers 60 questions an hour; with one in `GITHUB_TOKENS`, 5,000.")


def show_total_cards(held: StoredTotals, course: DataFrame, as_of: datetime | None) -> None:
    """Cards of everything held; in the past: of the last rollup of each source before that day."""
    widest = course.groupby("source_id")["repositories"].last().idxmax() if len(course) else None
    line = course[course["source_id"] == widest]
    numbers: Mapping[Any, Any] = asdict(held) if as_of is None else (line.iloc[-1].to_dict() if len(line) else {})
    last_year = line[line["at"] > line["at"].max() - pd.Timedelta(days=365)] if len(line) else line
    covers = "Everything held, each repository at its last look."
    if as_of is not None and len(line):
        covers = f"{line['source'].iloc[-1]} in its last rollup, {day(line['at'].iloc[-1])}; forks left out."
    # A line of a source that sees a part says nothing about the whole.
    whole = as_of is not None or (len(line) > 0 and line["repositories"].iloc[-1] > 0.9 * held.repositories)
    metric_row(
        [
            Card(
                label,
                numbers.get(name),
                trend=[float(value) for value in last_year[name]] if whole and name in last_year else (),
                help=covers,
            )
            for label, name in (
                ("Stars", "stars"),
                ("Forks", "forks"),
                ("Repositories", "repositories"),
                ("Languages", "languages"),
            )
        ],
        "totals",
    )


def tracking_sentence(tracked: TrackingCounts, now: datetime) -> str:
    one = tracked.tracked == 1
    parts = [f"**{number(tracked.tracked)}** account{' is' if one else 's are'} tracked"]
    told = [
        f"{number(count)} {word}"
        for count, word in (
            (tracked.due, "due now"),
            (tracked.queued, "in the queue"),
            (tracked.paused, "paused"),
            (tracked.failing, "failing"),
        )
        if count
    ]
    parts.append(f": {', '.join(told)}." if told else ", none of them due, paused or failing.")
    if tracked.next_due_at is not None:
        minutes = max(1, round((tracked.next_due_at - now).total_seconds() / 60))
        parts.append(
            f" The next is due in {minutes if minutes < 120 else round(minutes / 60)} {'min' if minutes < 120 else 'h'}."
        )
    return "".join(parts)


def show_active_alerts_link() -> None:
    """A line, while anything lasts that a rule has noticed."""
    found = alerts.active_alerts()
    if len(found):
        titles = ", ".join(dict.fromkeys(kind_title(kind) for kind in found["kind"]))
        what = "1 thing is" if len(found) == 1 else f"{number(len(found))} things are"
        st.page_link("alerts.py", label=f"{what} out of the ordinary: {titles}", icon=":material/notifications_active:")


def accounts_by_age(fresh: DataFrame) -> DataFrame:
    """Count the accounts by the age of their newest look, freshest first."""
    bins = [0.0, *AGE_BINS.values()]
    ages = pd.cut(fresh["age_hours"].astype(float).clip(lower=0), bins=bins, labels=list(AGE_BINS), right=False)
    counts = ages.astype(object).where(ages.notna(), NEVER_REFRESHED).value_counts()
    order = [*AGE_BINS, NEVER_REFRESHED]
    found = DataFrame({"age": order, "accounts": [int(counts.get(age, 0)) for age in order]})
    return found[(found["accounts"] > 0) | found["age"].isin(list(AGE_BINS)[:4])].reset_index(drop=True)


def freshness_cells(now: datetime) -> None:
    fresh = overview.account_freshness(now)
    watched = fresh[fresh["state"] != "paused"]
    late = fresh[fresh["state"].isin(["stale", "never"]) | (fresh["failures"] > 0)]
    ages = accounts_by_age(watched)
    for part in (ages, late):
        part.attrs = fresh.attrs
    left, right = st.columns(2)
    with left:
        cell(
            "How old is what is known?",
            "Tracked accounts by the age of their newest look.",
            ages,
            name="freshness",
            chart=bars.ranking_bars(ages, "age", "accounts", theme(), texts=ages["accounts"].map(number)),
            alt=f"Bars: {', '.join(f'{entry.age} {entry.accounts}' for entry in ages.itertuples())}",
            definition=DEFINITION,
            note="as of now",
        )
    with right:
        table_cell(
            "Which accounts need somebody?",
            "Not looked at in twice the time they should be, never, or failing.",
            late,
            STALE_COLUMNS,
            name="late",
            alt="Accounts that are late or failing",
            max_height=220,
            empty="None: every account was looked at in time.",
            empty_is_ok=True,
            note="as of now",
        )


def movers_cell(as_of: datetime | None, held: StoredTotals) -> None:
    span = segmented_choice(
        "Growth over", {f"{days}d": f"{days}d" for days in (7, 30, 90, 365)}, key="over", default="30d"
    )
    days = int(span.removesuffix("d"))
    found = overview.top_movers(as_of, days)
    shown = found.assign(description=found["description"].map(render_shortcodes, na_action="ignore"))
    shown.attrs = found.attrs
    newest = overview.growth_reference_at(as_of)
    compared = number(found["compared"].iloc[0]) if len(found) else "0"
    cell(
        f"Which repositories gained most stars in {PERIOD_LABELS[days]}?",
        f"Compared: {compared} repositories of {number(held.repositories)} held, those that were looked at within a week "
        f"before {day(newest)} and {PERIOD_LABELS[days]} earlier.",
        found,
        name=f"movers-{days}-days",
        chart=bars.ranking_bars(found, "full_name", "growth", theme(), texts=growth_labels(found))
        if len(found)
        else None,
        alt=f"Bars: {', '.join(f'{entry.full_name} {signed_number(entry.growth)}' for entry in found.head(5).itertuples())}",
        rows=shown,
        columns=MOVER_COLUMNS,
        empty=f"No repository was looked at both around {day(newest)} and {PERIOD_LABELS[days]} before.",
        note=f"up to {day(newest)}",
        definition="Stars at a repository's newest look, less its last known stars at or before the beginning. "
        "Where nobody looked then, growth is unknown, and the repository is left out.",
    )


def growth_labels(found: DataFrame) -> "pd.Series[str]":
    return found["growth"].map(signed_number) + found["share"].map(
        lambda share: f"  ({percent(share, 1)})", na_action="ignore"
    ).fillna("")


def changes_cell(as_of: datetime | None) -> None:
    found = overview.latest_changes(as_of)
    shown = found.assign(what=found["kind"].map(lambda kind: CHANGE_LABELS.get(kind, kind)))
    table_cell(
        "What was noticed last?",
        "Entries of the ledger, newest first: names, licences, archives, arrivals and departures.",
        found,
        CHANGE_COLUMNS,
        name="changes",
        shown=shown,
        alt="The newest entries of the ledger",
        max_height=400,
        empty="Nothing has changed its name, licence or state since looking began."
        if tracking_counts.tracked
        else "The ledger begins with the first look at a tracked account: imported history does not tell of names.",
        empty_is_ok=bool(tracking_counts.tracked),
    )


now, as_of = datetime.now(UTC), components_as_of.selected_as_of()
tracking_counts, stored = overview.tracking_counts(now), overview.stored_totals()

if not stored.repositories and not tracking_counts.tracked:
    show_welcome()
else:
    if as_of is None:
        show_active_alerts_link()
    show_total_cards(stored, overview.source_trend(as_of), as_of)
    """
    ## Freshness
    """
    if tracking_counts.tracked:
        st.markdown(tracking_sentence(tracking_counts, now))
        freshness_cells(now)
    else:
        st.info(
            "No account is tracked: what is held was imported.",
            icon=":material/bookmark_add:",
        )
        track_request.show_track_form()
    """
    ## Movers
    """
    movers_cell(as_of, stored)
    """
    ## Changes
    """
    changes_cell(as_of)
