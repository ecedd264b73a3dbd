"""Why an account has no repositories or no languages to show, as a sentence."""

from core.queries.empty_reasons import NOT_COLLECTED, EmptyReason
from pages.components.as_of import not_collected_sentence


def empty_sentence(reason: EmptyReason, subject: str) -> str:
    """Say why there is nothing at the selected time: `octocat has only forks, which are left out.`"""
    return not_collected_sentence() if reason == NOT_COLLECTED else f"{subject} has {reason}."
