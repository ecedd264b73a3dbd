"""The cells of the account page about contributions."""

from datetime import datetime

from pandas import DataFrame

from core.analysis.difference import with_differences
from core.charts import contributions as charts
from core.queries import account_portfolio
from core.queries.accounts import Profile
from pages.components import definitions
from pages.components.as_of import by_then, selected_vs
from pages.components.cell import cell, theme
from pages.components.chart import drawn
from pages.components.compared import in_brackets
from pages.components.format import day, number

YEAR_DAYS = 365


def show_contributions(account: Profile, as_of: datetime | None, note: str) -> None:
    """Draw the calendar of the last year and the heat map of all years."""
    days, vs = account_portfolio.contributions(account.account_id, as_of), selected_vs()
    before = account_portfolio.contributions(account.account_id, vs) if vs else None
    rows = days if before is None else with_differences(days, before, "day", ["contributions"], changed_first=False)
    empty = (
        "GitHub counts contributions of users, not of organizations."
        if account.kind == "organization"
        else f"Contributions have not been collected {by_then()}."
    )
    cell(
        "On which days did they contribute in the last year?",
        calendar_sentence(days) + year_sentence(days, before, vs),
        days,
        name="account-contributions",
        rows=rows,
        chart=None if days.empty else drawn(charts.contribution_calendar, days, theme()),
        alt=calendar_sentence(days),
        definition=definitions.CONTRIBUTIONS,
        empty=empty,
        empty_is_ok=account.kind == "organization",
        note=note,
    )
    if not days.empty:
        cell(
            "How has that changed over the years?",
            "One square per month; the month with most contributions has the full colour.",
            days,
            name="account-contribution-years",
            chart=drawn(charts.years_heatmap, days, theme()),
            alt=f"Heat map of contributions by month. {calendar_sentence(days)}",
            definition=definitions.CONTRIBUTIONS,
            note=note,
        )


def calendar_sentence(days: DataFrame) -> str:
    """Say how many contributions are known since when, and which day had most."""
    if days.empty:
        return "Public contributions as in GitHub's calendar."
    if not days["contributions"].any():
        return f"No public contribution since {day(days['day'].iloc[0])}."
    peak = days.iloc[int(days["contributions"].astype(float).to_numpy().argmax())]
    return (
        f"{number(days['contributions'].sum())} public contributions since {day(days['day'].iloc[0])}, most on "
        f"{day(peak['day'])} with {number(peak['contributions'])}."
    )


def year_sentence(days: DataFrame, before: DataFrame | None, vs: datetime | None) -> str:
    """Compare the contributions of the last 365 days with those of the 365 days to *vs*; nothing without it."""
    if before is None or vs is None or days.empty:
        return ""
    now, then = of_a_year(days), of_a_year(before)
    if now is None:
        return f" They are read for less than {YEAR_DAYS} days, too few to compare."
    return f" In the last {YEAR_DAYS} days {number(now)}{in_brackets(now, then, vs)}."


def of_a_year(days: DataFrame) -> int | None:
    """Return the contributions of the last 365 days of *days*; None where fewer are read."""
    return int(days["contributions"].tail(YEAR_DAYS).sum()) if len(days) >= YEAR_DAYS else None
