"""The cells of the account page about languages."""

from datetime import timedelta

import streamlit as st

from core.analysis import portfolio as shape
from core.charts import bars
from core.queries import account_portfolio, languages
from core.queries.account_portfolio import LanguageMeasure
from core.queries.empty_reasons import NOT_COLLECTED, StoredRepositories
from core.wording import quantity
from pages.components import definitions
from pages.components.alt_text import bars_alt
from pages.components.as_of import selected_as_of
from pages.components.cell import cell, theme
from pages.components.chart import drawn
from pages.components.empty_sentence import empty_sentence
from pages.components.format import percent
from pages.components.history_cell import shares_cell

SHOWN_LANGUAGES = 8
MEASURES: dict[str, LanguageMeasure] = {"Bytes": "bytes", "Repositories": "repositories", "Stars": "stars"}
FORKS = {"Without forks": False, "With forks": True}
QUESTIONS: dict[LanguageMeasure, str] = {
    "bytes": "Which languages is it written in?",
    "repositories": "Which primary languages have most repositories?",
    "stars": "Which primary languages have most stars?",
}
SHARES: dict[LanguageMeasure, str] = {
    "bytes": "Share of all bytes of code",
    "repositories": "Share of all repositories by primary language",
    "stars": "Share of all stars by primary language",
}


def show_languages(
    account_id: int, stored: StoredRepositories, login: str, note: str, by: LanguageMeasure, *, forks: bool
) -> None:
    """Draw the shares of languages with their diversity, and the mix over time. *login* is escaped."""
    as_of = selected_as_of()
    rows = account_portfolio.language_shares(account_id, as_of, by, forks=forks)
    how_to_read = f"{SHARES[by]}; forks {'included' if forks else 'left out'}."
    why = stored.why_no_languages if by == "bytes" else stored.why_no_primary_languages
    if by == "bytes" and rows.empty and why == NOT_COLLECTED:
        by = "stars"
        rows = account_portfolio.language_shares(account_id, as_of, by, forks=forks)
        how_to_read = f"{SHARES[by]}: bytes of code have not been collected."
    top = rows.head(SHOWN_LANGUAGES)
    texts = top["share"].map(lambda share: percent(share, 1))
    left, right = st.columns(2)
    with left:
        cell(
            QUESTIONS[by],
            f"{how_to_read} {diversity_sentence([int(weight) for weight in rows['weight']])}".strip(),
            rows,
            name="account-languages",
            chart=drawn(bars.language_bars, top, "share", theme(), texts=texts),
            alt=bars_alt(top["language"], texts),
            definition=f"{definitions.PORTFOLIO_LANGUAGES}\n\n{shape.DIVERSITY_DEFINITION}",
            empty=empty_sentence(why, login),
            note=note,
        )
    with right:
        shares_cell(
            "How does the mix of languages change?",
            "Share of stars by primary language, quarter by quarter; forks left out.",
            languages.account_language_history(account_id, as_of),
            value="stars",
            name="account-language-mix",
            period="quarter",
            max_gap=timedelta(days=190),
            height=max(240, (len(top) or SHOWN_LANGUAGES) * bars.ROW_HEIGHT + bars.BOTTOM_HEIGHT),
            alt="Layers: the share of each primary language in all stars, by quarter.",
            definition=definitions.LANGUAGE_MIX,
            empty=empty_sentence(stored.why_no_primary_languages, login),
            note=note,
        )


def diversity_sentence(weights: list[int]) -> str:
    """Say how diverse the languages are; empty without any."""
    diversity, effective = shape.shannon(weights), shape.effective_number(weights)
    if diversity is None or effective is None:
        return ""
    count = quantity(sum(1 for weight in weights if weight), "language")
    return f"As diverse as {effective:.1f} of equal share, out of {count} (Shannon {diversity:.2f})."
