"""
# Account
Who is this, what do they make, and how has it been received over time?
"""

from datetime import UTC, datetime, timedelta

import streamlit as st

from core.charts import bars
from core.emoji import render_shortcodes
from core.queries import account_repositories, accounts, empty_reasons, growth, languages
from pages.components import columns, definitions
from pages.components.alt_text import bars_alt
from pages.components.as_of import page_links, selected_as_of, unknown_sentence
from pages.components.cell import cell, theme
from pages.components.chart import drawn
from pages.components.format import number, percent
from pages.components.history_cell import line_cell, shares_cell
from pages.components.markdown import escape_markdown
from pages.components.table_cell import table_cell
from pages.sections import account_header

account = account_header.show_profile(account_header.login_input())
if account is None:
    st.stop()

as_of = selected_as_of()
until = as_of or datetime.now(UTC)
history = accounts.history(account.account_id, as_of)
intervals = accounts.coverage_intervals(account.account_id, as_of)
note = account_header.capture_note(account.account_id)
if totals := accounts.totals(account.account_id, as_of):
    account_header.show_totals(totals, history, intervals, until)

"""
## Popularity
"""
line_cell(
    "How many stars do its repositories have together?",
    f"Current stars of all its repositories together.{account_header.imported_sentence(history)} Grey: not collected.",
    history,
    intervals,
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
        y="followers",
        name="account-followers",
        until=until,
        height=240,
        empty="Followers have not been collected yet: imported history has none.",
        note=note,
    )
with right:
    line_cell(
        "How many repositories does this cover?",
        "The number of repositories that the totals add up.",
        history,
        intervals,
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
by_bytes = languages.account_languages(account.account_id, as_of)
mix = languages.account_language_history(account.account_id, as_of)
stored, login = empty_reasons.stored_repositories(account.account_id, as_of), escape_markdown(account.login)
left, right = st.columns(2)
with left:
    if by_bytes.empty and not mix.empty and stored.why_no_languages == empty_reasons.NOT_COLLECTED:
        latest = languages.latest_mix(mix)
        top, texts = latest.head(8), latest["stars"].head(8).map(number)
        cell(
            "Which primary languages have most stars?",
            "Stars by primary language: bytes of code have not been collected.",
            latest,
            name="account-languages",
            chart=drawn(bars.language_bars, top, "stars", theme(), texts=texts),
            alt=bars_alt(top["language"], texts),
            note=note,
        )
    else:
        top, texts = by_bytes.head(8), by_bytes["share"].head(8).map(lambda share: percent(share, 1))
        cell(
            "Which languages is it written in?",
            "Share of all bytes of code; forks left out.",
            by_bytes,
            name="account-languages",
            chart=drawn(bars.language_bars, top, "share", theme(), texts=texts),
            alt=bars_alt(top["language"], texts),
            empty=empty_reasons.sentence(stored.why_no_languages, login),
            note=note,
        )
with right:
    height = max(240, min(len(by_bytes) or 8, 8) * 34 + 16)  # as high as the bars beside it
    shares_cell(
        "How does the mix of languages change?",
        "Share of stars by primary language, quarter by quarter.",
        mix,
        value="stars",
        name="account-language-mix",
        period="quarter",
        max_gap=timedelta(days=190),
        height=height,
        alt="Layers: the share of each primary language in all stars, by quarter.",
        definition=definitions.LANGUAGE_MIX,
        empty=empty_reasons.sentence(stored.why_no_primary_languages, login),
        note=note,
    )

"""
## Repositories
"""
repositories = account_repositories.list_repositories(account.account_id, as_of)
shown = repositories.assign(
    repository=page_links("repository", "name", repositories["full_name"]),
    description=repositories["description"].map(render_shortcodes, na_action="ignore"),
    star_trend=repositories["star_trend"].map(account_repositories.since_last_gap, na_action="ignore"),
)
table_cell(
    "Which repositories are these?",
    f"All {len(repositories):,}, most stars first. Click a heading to sort, a name to open its page."
    + unknown_sentence(repositories),
    repositories,
    columns.ACCOUNT_REPOSITORIES,
    name="account-repositories",
    shown=shown,
    alt="All repositories of the account with stars, growth and trend",
    empty=empty_reasons.sentence(stored.why_no_repositories, login),
    empty_is_ok=stored.is_captured,
    max_height=460,
    definition=growth.DEFINITION,
    note=note,
)
