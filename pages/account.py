"""
# Account
Who is this, what do they make, and how has it been received over time?
"""

from datetime import UTC, datetime

import streamlit as st

from core.emoji import render_shortcodes
from core.queries import (
    account_portfolio,
    account_repositories,
    accounts,
    empty_reasons,
    growth,
    peers,
    repository_facts,
)
from core.queries import changes as changes_queries
from core.queries.attributes import owned_repository_ids
from pages.components import chart_marks, columns, definitions, labels
from pages.components.as_of import by_then, page_links, selected_as_of, selected_vs, unknown_sentence
from pages.components.empty_sentence import empty_sentence
from pages.components.format import day
from pages.components.history_cell import line_cell
from pages.components.markdown import escape_markdown
from pages.components.segmented_choice import segmented_choice
from pages.components.table_cell import table_cell
from pages.sections import account_contributions, account_header, account_languages, account_portfolio_cells

account = account_header.show_profile(account_header.login_input())
if account is None:
    st.stop()

as_of = selected_as_of()
until = as_of or datetime.now(UTC)
history = accounts.history(account.account_id, as_of)
intervals = accounts.coverage_intervals(account.account_id, as_of)
note = account_header.capture_note(account.account_id)
stored, login = empty_reasons.stored_repositories(account.account_id, as_of), escape_markdown(account.login)
vs = selected_vs()
if totals := accounts.totals(account.account_id, as_of):
    compared = accounts.totals(account.account_id, vs) if vs else None
    account_header.show_totals(totals, history, intervals, until, compared)

"""
## Popularity
"""
changes = changes_queries.list_changes(as_of, login=account.current_login, limit=changes_queries.MAX_OF_ONE).drop(
    columns="entry"
)
releases = repository_facts.releases_of(owned_repository_ids(account.account_id, as_of), as_of)
happened = chart_marks.chosen_marks(repository_facts.events(releases, changes, named=True))
hint = chart_marks.reading_hint(happened)
line_cell(
    "How many stars do its repositories have together?",
    f"Current stars of all its repositories together.{account_header.imported_sentence(history)} Grey: not collected.{hint}",
    history,
    intervals,
    happened=happened,
    y="stars",
    name="account-stars",
    until=until,
    definition=definitions.ACCOUNT_TOTALS,
    rows=history.drop(columns="source_id"),
    note=note,
)
left, right = st.columns(2)
with left:
    line_cell(
        "How many followers does it have?",
        "Followers on GitHub, one point per change.",
        accounts.with_followers(history),
        intervals[intervals["source_id"] == 1],
        happened=happened,
        y="followers",
        name="account-followers",
        until=until,
        height=240,
        empty=f"Followers have not been collected {by_then()}: imported history has none.",
        note=note,
    )
with right:
    line_cell(
        "How many repositories does this cover?",
        "The number of repositories that the totals add up.",
        history,
        intervals,
        happened=happened,
        y="repositories",
        name="account-repositories-known",
        until=until,
        height=240,
        definition=definitions.ACCOUNT_TOTALS,
        rows=history.drop(columns="source_id"),
        note=note,
    )

"""
## Languages
"""
with st.container(horizontal=True):
    by = segmented_choice("Languages by", account_languages.MEASURES, key="by")
    forks = segmented_choice("Forks", account_languages.FORKS, key="forks")
account_languages.show_languages(account.account_id, stored, login, note, by, forks=forks)

"""
## Portfolio
"""
portfolio = account_portfolio.repositories(account.account_id, as_of, forks=forks)
is_known_then = vs is not None and accounts.totals(account.account_id, vs) is not None
before = account_portfolio.repositories(account.account_id, vs, forks=forks) if is_known_then else None
left, right = st.columns(2)
with left:
    account_portfolio_cells.show_shape(portfolio, before, stored, login, note, forks=forks)
with right:
    account_portfolio_cells.show_exposure(portfolio, before, stored, login, note, forks=forks)

"""
## Contributions
"""
account_contributions.show_contributions(account, as_of, note)

"""
## Peers
"""
around = peers.nearest_accounts(account.account_id, as_of)
account_portfolio_cells.show_peers(account, around, as_of, note)

"""
## Repositories
"""
if vs is None:
    repositories = account_repositories.list_repositories(account.account_id, as_of)
else:
    repositories = account_repositories.compared_repositories(account.account_id, as_of, vs)
shown = repositories.assign(
    repository=page_links("repository", "name", repositories["full_name"]),
    description=repositories["description"].map(render_shortcodes, na_action="ignore"),
    star_trend=repositories["star_trend"].map(account_repositories.since_last_gap, na_action="ignore"),
)
table_cell(
    "Which repositories are these?",
    f"All {len(repositories):,}, {'most changed' if vs else 'most stars'} first. Click a heading to sort, a name to open its page."
    + unknown_sentence(int(repositories["is_fork"].isna().sum())),
    repositories,
    columns.with_compared(columns.ACCOUNT_REPOSITORIES, "stars", "Stars", day(vs))
    if vs
    else columns.ACCOUNT_REPOSITORIES,
    name="account-repositories",
    api=f"accounts/{account.login}/repositories",
    shown=shown,
    alt="All repositories of the account with stars, growth and trend",
    empty=empty_sentence(stored.why_no_repositories, login),
    empty_is_ok=stored.is_captured,
    max_height=460,
    definition=growth.DEFINITION,
    note=note,
)

"""
## Changes
"""
was_refreshed = account.checked_at is not None and account.is_known
table_cell(
    "What changed about it and its repositories?",
    "Names, owners, licences, archiving and the like; newest first.",
    changes,
    columns.CHANGES,
    name="account-changes",
    shown=labels.change_rows(changes),
    empty="Nothing has changed since its first refresh."
    if was_refreshed
    else "Changes are recorded from its first refresh on, and imported history has none.",
    empty_is_ok=was_refreshed,
    max_height=300,
    note=note,
)
