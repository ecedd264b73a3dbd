"""The cells of the account page about contributions."""

from datetime import datetime

from pandas import DataFrame

from core.charts import contributions as charts
from core.queries import account_portfolio
from core.queries.accounts import Profile
from pages.components import definitions
from pages.components.cell import cell, theme
from pages.components.chart import drawn
from pages.components.format import day, number


def show_contributions(account: Profile, as_of: datetime | None, note: str) -> None:
    """Draw the calendar of the last year and the heat map of all years."""
    days = account_portfolio.contributions(account.account_id, as_of)
    empty = (
        "GitHub counts contributions of users, not of organizations."
        if account.kind == "organization"
        else "Contributions have not been collected by that day."
        if as_of
        else "Contributions have not been collected yet."
    )
    cell(
        "On which days did they contribute in the last year?",
        calendar_sentence(days),
        days,
        name="account-contributions",
        chart=None if days.empty else drawn(charts.contribution_calendar, days, theme()),
        alt=calendar_sentence(days),
        definition=definitions.CONTRIBUTIONS,
        empty=empty,
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
    peak = days.iloc[int(days["contributions"].astype(float).to_numpy().argmax())]
    return (
        f"{number(days['contributions'].sum())} public contributions since {day(days['day'].iloc[0])}, most on "
        f"{day(peak['day'])} with {number(peak['contributions'])}."
    )
