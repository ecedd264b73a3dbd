"""What is shown about the languages of all repositories, and why there may be nothing, as sentences."""

from datetime import datetime

from pandas import DataFrame

from core.linguist import NO_LANGUAGE
from core.queries import empty_reasons
from core.wording import quantity
from pages.components.as_of import by_then
from pages.components.markdown import escape_markdown


def counted(ranking: DataFrame) -> str:
    """Say how many languages *ranking* has; repositories without one are a row of it, but no language."""
    is_language = ranking["language"] != NO_LANGUAGE
    rest = "" if is_language.all() else ", and repositories without one"
    return quantity(int(is_language.sum()), "language") + rest


def why_no_totals(as_of: datetime | None) -> str:
    """Say why there are no totals by language."""
    reason = empty_reasons.stored_repositories(None, as_of).why_no_primary_languages
    if reason == empty_reasons.NOT_COLLECTED:
        return f"No language totals {by_then()}: they are computed after each refresh and each import."
    return _sentence(reason)


def why_no_values(ranking: DataFrame, measure: str, source: str, as_of: datetime | None) -> str:
    """Say why no language of *ranking* has any of *measure*."""
    if ranking[measure].notna().any():
        return f"None of these repositories has any {measure}."
    reason = empty_reasons.stored_repositories(None, as_of).why_no_languages
    if measure == "bytes" and source == "GitHub" and reason == empty_reasons.NO_CODE:
        return _sentence(reason)
    return f"The {measure} of languages have not been collected: {escape_markdown(source)} does not report them."


def _sentence(reason: empty_reasons.EmptyReason) -> str:
    return f"All accounts together have {reason}."
