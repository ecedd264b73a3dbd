"""Sentences about the collected facts of one repository."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

import streamlit as st
from pandas import DataFrame

from core import wording
from core.analysis import dormancy
from core.charts import star_ledger
from core.charts.theme import Theme
from core.queries import repository_facts
from core.queries.repository_facts import ContributorSummary
from pages.components.as_of import by_then
from pages.components.chart import Drawing, drawn
from pages.components.format import day, number, percent


def bars_or_none(chart: Drawing, frame: DataFrame, at: str, value: str) -> Drawing | Callable[[], object]:
    """Return *chart*, bars of *value* at the times *at*; where all are zero, a sentence: the chart would be blank."""
    if frame.empty or frame[value].any():
        return chart
    sentence = f"None from {day(frame[at].iloc[0])} to {day(frame[at].iloc[-1])}."
    return partial(st.info, sentence, icon=":material/check_circle:")


def days_alt(frame: DataFrame, at: str, value: str) -> str:
    """Return the sum of *value*, the first and last time, and the highest bar, for screen readers."""
    if frame.empty:
        return f"No {value} are known."
    if not frame[value].any():
        return f"No {value} from {day(frame[at].iloc[0])} to {day(frame[at].iloc[-1])}."
    peak = frame.iloc[int(frame[value].astype(float).to_numpy().argmax())]
    return (
        f"Bars of {value} from {day(frame[at].iloc[0])} to {day(frame[at].iloc[-1])}: {number(frame[value].sum())} "
        f"together, most on {day(peak[at])} with {number(peak[value])}."
    )


def unread_sentence(repository_id: int, days: DataFrame, as_of: datetime | None) -> str:
    """Say before which of *days*, a frame of `stars_given`, none has been read; nothing where all are, or none is."""
    if days.empty or repository_facts.has_all_star_days(repository_id, as_of):
        return ""
    return f"Days before {day(days['day'].iloc[0])} have not been read {by_then()}. "


def stars_given_question(days: DataFrame, *, is_total: bool, has_all: bool) -> str:
    """Return the question that *days*, a frame of `stars_given`, answer."""
    if not is_total:
        return "How many stars is it given each day?"
    return f"How many stars was it given since {'the first' if has_all else day(days['day'].iloc[0])}?"


def ledger_sentence(months: DataFrame) -> str:
    """Say how many stars were given, withdrawn and survive, over all *months*; without any it is not known."""
    if months.empty:
        return "By month of giving."
    given, withdrawn, surviving = (int(months[name].sum()) for name in ("given", "withdrawn", "surviving"))
    share = f" ({percent(withdrawn / given, 1)})" if given else ""
    return (
        f"By month of giving. {wording.quantity(given, 'star')} given, {number(withdrawn)} of them withdrawn{share}, "
        f"{number(surviving)} surviving."
    )


def retention_sentence(triangle: DataFrame) -> str:
    """Say how to read the triangle, or what the months have lost where each was read once."""
    if was_read_once(triangle):
        return "What was withdrawn shows once GitHub has been asked again in a later month."
    return (
        f"Rows: the newest {star_ledger.MAX_MONTHS} months of giving. Columns: the months in which GitHub was asked. "
        "The faintest has lost most."
    )


def was_read_once(triangle: DataFrame) -> bool:
    return not triangle.empty and bool(triangle["month"].is_unique)


def retention_chart(triangle: DataFrame, theme: Theme) -> Drawing | Callable[[], object]:
    """Return the triangle, or the shares together where each month was read once: one column is no chart."""
    if not was_read_once(triangle):
        return drawn(star_ledger.retention_triangle, triangle, theme)
    given, surviving = int(triangle["given"].sum()), int(triangle["surviving"].sum())
    share = percent(surviving / given, 1) if given else "—"
    return partial(st.metric, f"Surviving of {wording.quantity(given, 'star')} given", share)


def retention_alt(triangle: DataFrame) -> str:
    """Return the month that lost the largest share, for screen readers."""
    known = triangle.dropna(subset=["share"])
    if known.empty:
        return "No month has been read yet."
    last = known.groupby("month").tail(1)
    worst = last.loc[last["share"].astype(float).sort_values().index[:1]].iloc[0]
    return (
        f"Squares of {wording.quantity(len(last), 'month')} of giving. Least survives of "
        f"{worst['month']:%Y-%m}: {percent(worst['share'], 1)}."
    )


def contributors_sentence(summary: ContributorSummary | None, people: DataFrame) -> str:
    """Say how many people contribute, how few of them made half of the commits, and who came, returned or left."""
    if summary is None:
        return "People with most commits to the default branch."
    least = "" if summary.is_complete else "at least "
    people_count = wording.quantity(summary.contributors, "person", "people")
    half = wording.quantity(summary.absence_factor, "person", "people")
    counts = people["activity"].value_counts()
    lately = ", ".join(f"{counts[one]:,} {one}" for one in ("new", "returning", "active", "inactive") if one in counts)
    return (
        f"{least.capitalize()}{people_count} and {wording.quantity(summary.bots, 'bot')}; {half} made half of the "
        f"{wording.quantity(summary.commits, 'commit')} by people (Contributor Absence Factor {number(summary.absence_factor)})."
        + (f" In the last 90 days: {lately}." if lately else "")
    )


def read_note(summary: ContributorSummary | None) -> str:
    """Return since when the summary has been the same."""
    return f"unchanged since {day(summary.captured_at)}" if summary else ""


def no_releases_sentence(repository_id: int, as_of: datetime | None) -> str:
    """Say why there are no releases: none, or not collected."""
    if repository_facts.was_collected(repository_id, "releases", as_of):
        return "It has no releases."
    return f"Releases have not been collected {by_then()}."


def show_dormancy(pushes: DataFrame, checked_at: datetime) -> None:
    """Show how long it has been quiet, against its own usual interval; nothing with too few pushes."""
    found = dormancy.dormancy([at.to_pydatetime() for at in pushes["pushed_at"]], checked_at)
    if found is None:
        return
    usual = wording.duration(found.usual)
    st.caption(
        f":material/bedtime: {dormancy.quiet_sentence(found)}: last push {wording.duration(found.quiet)} before the last refresh, "
        f"usually every {usual}.",
        help=dormancy.DEFINITION,
    )
