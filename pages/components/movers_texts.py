"""Sentences about a ranking of movers: how many were compared and left out, and why there are no rows."""

from typing import Any

from pandas import DataFrame, Series

from core.queries.movers import MIN_STARS_FOR_SHARE, Movers, Ranking
from core.wording import quantity
from pages.components.as_of import nothing_collected, page_links
from pages.components.format import day, number, percent, signed_number


def movers_sentence(movers: Movers, period: str) -> str:
    """Say how many repositories are compared, and how many are left out and why."""
    left_out = [
        f"{number(movers.unknown_at_start)} that nobody refreshed near the start" if movers.unknown_at_start else "",
        f"{number(movers.not_captured)} not refreshed in the week before {day(movers.newest_at)}"
        if movers.not_captured
        else "",
    ]
    reasons = " and ".join(filter(None, left_out))
    return (
        f"Stars gained in the {period} before each repository's last refresh. "
        f"Compared: {number(movers.compared)}. Left out: {reasons or 'none'}."
    )


def why_no_movers(movers: Movers, ranking: Ranking, period: str) -> str:
    """Say why the ranking has no rows."""
    if movers.newest_at is None:
        return nothing_collected()
    if not movers.compared:
        return f"No repository was refreshed both around {day(movers.newest_at)} and {period} before."
    compared = quantity(movers.compared, "repository", "repositories")
    if ranking == "lost":
        return f"Of {compared} compared, none lost a star."
    return f"Of {compared} compared, none had {MIN_STARS_FOR_SHARE} stars {period} before."


def bar_texts(rows: DataFrame, *, by_share: bool) -> "Series[Any]":
    """Return the texts of the bars: growth and share, what the bars show first.

    Compared with another time the growth then follows, `+30, was +20`, and the share is left to the table for room.
    """
    gains = rows["growth"].map(signed_number).astype(str)
    shares = (
        rows["share"].map(lambda share: percent(share, 1), na_action="ignore").astype(object).fillna("—").astype(str)
    )
    if "growth_vs" in rows:
        gains += rows["growth_vs"].map(lambda growth: f", was {signed_number(growth)}").astype(str)
        return shares + "  (" + gains + ")" if by_share else gains
    return shares + "  (" + gains + ")" if by_share else gains + "  (" + shares + ")"


def movers_table(rows: DataFrame) -> DataFrame:
    """Add links to the repository's and to its owner's page."""
    return rows.assign(
        repository=page_links("repository", "name", rows["full_name"]),
        account=page_links("account", "login", rows["owner"]),
    )
