"""The cells of the account page about its repositories as a whole, the people they depend on, and its peers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pandas import DataFrame

from core.analysis import portfolio as shape
from core.analysis.difference import with_differences
from core.charts.lorenz import lorenz_curve
from core.db.frames import derived, first_record
from core.queries import account_portfolio, peers
from core.queries.account_portfolio import Exposure, Shape
from core.queries.accounts import Profile
from core.queries.empty_reasons import StoredRepositories
from core.queries.peers import Rank
from core.wording import pluralize, quantity
from pages.components import columns, definitions
from pages.components.as_of import by_then, page_links, selected_vs
from pages.components.cell import cell, theme
from pages.components.chart import drawn
from pages.components.compare_link import compare_link
from pages.components.compared import in_brackets
from pages.components.empty_sentence import empty_sentence
from pages.components.format import day, number, percent
from pages.components.markdown import escape_markdown
from pages.components.table_cell import table_cell

MAX_COMPARED = 5
UNRANKED = {
    "age unknown": "When it was created is not known, so that it has no peers.",
    "no language": "No repository of it has a language that is known, so that it has no peers.",
}


def show_shape(
    portfolio: DataFrame, before: DataFrame | None, stored: StoredRepositories, login: str, note: str, *, forks: bool
) -> None:
    """Draw the Lorenz curve of stars with h-index and Gini coefficient.

    before  the portfolio at the time that is compared with
    login   escaped
    """
    figures, vs = account_portfolio.shape_of(portfolio), selected_vs()
    count = quantity(figures.repositories, "repository", "repositories")
    drawable = portfolio if figures.stars else derived(portfolio.head(0), portfolio)
    empty = f"None of its {count} has a star." if len(portfolio) else _why_empty(stored, login, forks=forks)
    curve = ["full_name", "stars", "repository_share", "star_share"]
    starred = before[curve] if before is not None and before["star_share"].notna().any() else None
    cell(
        "How unequally are its stars spread?",
        shape_sentence(figures, None if before is None else account_portfolio.shape_of(before), vs, forks=forks),
        drawable,
        name="account-lorenz",
        chart=drawn(lorenz_curve, drawable[curve], theme(), starred, day(vs) if vs else ""),
        alt=f"Lorenz curve of the stars of {count}",
        rows=_compared(portfolio, before),
        definition=f"{shape.H_INDEX_DEFINITION}\n\n{shape.GINI_DEFINITION}",
        empty=empty,
        note=note,
    )


def shape_sentence(figures: Shape, before: Shape | None, vs: datetime | None, *, forks: bool) -> str:
    """Say how many repositories there are, how unequal they are, and how both were at *vs*; None: that is unknown."""
    count = quantity(figures.repositories, "repository", "repositories")
    counted = index = gini = dashed = ""
    if vs is not None:
        counted = in_brackets(figures.repositories, before.repositories if before else None, vs)
        index = in_brackets(figures.h_index, before.h_index if before else None, vs)
        gini = f" (vs {_decimal(before.gini if before else None)})"
        dashed = f" Dashed: on {day(vs)}." if before and before.stars else ""
    return (
        f"{count}{counted}, forks {'included' if forks else 'left out'}: h-index {number(figures.h_index)}{index}, "
        f"Gini coefficient {_decimal(figures.gini)}{gini}. The further the curve is below the dotted line, the fewer "
        f"repositories have most of the stars.{dashed}"
    )


def _compared(portfolio: DataFrame, before: DataFrame | None) -> DataFrame:
    """Return the portfolio with its stars at the time that is compared with, if there is one."""
    if before is None:
        return portfolio
    return with_differences(portfolio, before, "full_name", ["stars"], changed_first=False)


def _why_empty(stored: StoredRepositories, login: str, *, forks: bool) -> str:
    why = stored.why_no_repositories if forks else stored.why_no_primary_languages
    return empty_sentence(why, login)


def show_exposure(
    portfolio: DataFrame, before: DataFrame | None, stored: StoredRepositories, login: str, note: str, *, forks: bool
) -> None:
    """Draw which repositories depend on how few people, most stars first; compared with *before* most changed first.

    login  escaped
    """
    exposure, vs = account_portfolio.exposure_of(portfolio), selected_vs()
    ordered = portfolio.sort_values("stars", ascending=False, kind="stable", ignore_index=True)
    shown_columns: Mapping[str, Any] = columns.KEY_PEOPLE
    sentence = exposure_sentence(exposure)
    if before is not None and vs is not None:
        ordered = with_differences(ordered, before, "full_name", ["stars", "absence_factor"])
        shown_columns = columns.with_compared(columns.KEY_PEOPLE, "stars", "Stars", day(vs))
        shown_columns = columns.with_then(shown_columns, "absence_factor", "Factor", day(vs))
        then = account_portfolio.exposure_of(before)
        sentence += (
            f" On {day(vs)} it was {number(then.on_one)} of {number(then.known)}."
            if then.known
            else f" Contributors had not been collected by {day(vs)}."
        )
    elif vs is not None:
        sentence += f" Contributors had not been collected by {day(vs)}."
    known = ordered[ordered["absence_factor"].notna()].reset_index(drop=True)
    table_cell(
        "How many of its repositories depend on one person?",
        sentence,
        derived(known, portfolio),
        shown_columns,
        name="account-key-people",
        shown=known.assign(repository=page_links("repository", "name", known["full_name"])),
        definition=definitions.ABSENCE_FACTOR,
        empty=f"Contributors of its repositories have not been collected {by_then()}."
        if len(portfolio)
        else _why_empty(stored, login, forks=forks),
        max_height=300,
        note=note,
    )


def exposure_sentence(exposure: Exposure) -> str:
    """Say in how many repositories one person made half of the commits, and who most often."""
    if not exposure.known:
        return "Where one person made half of the commits, the repository depends on that person."
    known = quantity(exposure.known, "repository", "repositories")
    sentence = (
        f"{number(exposure.on_one)} of {known} with known contributors: there one person made half of the commits."
    )
    if exposure.known_stars:
        sentence += f" They have {percent(exposure.on_one_stars / exposure.known_stars)} of the stars."
    if exposure.top is not None and exposure.top_leads > 1:
        sentence += f" In {exposure.top_leads:,} of them it is {escape_markdown(exposure.top)}."
    return sentence


def show_peers(account: Profile, around: DataFrame, as_of: datetime | None, note: str) -> None:
    """Draw the account's rank among its peers and those nearest to it, with a link that compares them."""
    rank, vs = first_record(peers.account_ranks([account.account_id], as_of), Rank), selected_vs()
    listed, shown_columns, sentence = around, columns.PEERS, rank_sentence(account.login, rank)
    if vs is not None:
        totals = peers.totals_of(list(around["login"]), vs)
        listed = with_differences(around, totals, "login", ["stars", "repositories"])
        shown_columns = columns.with_compared(columns.PEERS, "stars", "Stars", day(vs))
        sentence += rank_then_sentence(first_record(peers.account_ranks([account.account_id], vs), Rank), vs)
    table_cell(
        "Who is like it, and how does it rank among them?",
        sentence,
        listed,
        shown_columns,
        name="account-peers",
        shown=listed.assign(account=page_links("account", "login", listed["login"])),
        definition=peers.DEFINITION,
        empty=UNRANKED.get(rank.unranked or "", "")
        if rank
        else "Its stars are not known by then, so that it has no peers.",
        max_height=300,
        note=note,
    )
    others = around.loc[~around["is_self"].astype(bool), "login"]
    if len(others):
        own = int(around["is_self"].astype(bool).to_numpy().argmax())
        nearest = sorted(range(len(around)), key=lambda place: abs(place - own))[: MAX_COMPARED + 1]
        names = [account.login, *(str(around["login"].iloc[place]) for place in nearest if place != own)]
        compare_link(names, f"Compare it with its nearest {pluralize(len(names) - 1, 'peer')}")


def rank_sentence(login: str, rank: Rank | None) -> str:
    """Say how many peers it has and of how many it is ahead."""
    if rank is None or rank.unranked is not None or rank.language is None or rank.age_class is None:
        return "Peers have the same main language and are of the same age class."
    group = (
        f"{quantity(rank.peers, 'other account')} with most stars in {escape_markdown(rank.language)}, {rank.age_class}"
    )
    if rank.rank is None:
        return f"{group}: fewer than {peers.MIN_PEERS}, so that a rank would say little. The nearest are shown."
    return f"{escape_markdown(login)} is ahead of {percent(rank.rank)} of {group}. The nearest are shown."


def rank_then_sentence(rank: Rank | None, vs: datetime) -> str:
    """Say of how many peers it was ahead at *vs*, or that it had too few."""
    if rank is None or rank.rank is None:
        return f" On {day(vs)} it had no rank."
    return f" On {day(vs)} it was ahead of {percent(rank.rank)} of {number(rank.peers)}."


def _decimal(value: float | None) -> str:
    return "—" if value is None else f"{value:.2f}"
