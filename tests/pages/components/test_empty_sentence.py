"""An empty cell says why."""

from core.queries.empty_reasons import NOT_COLLECTED, ONLY_FORKS
from pages.components.empty_sentence import empty_sentence


def test_a_reason_is_a_sentence():
    assert empty_sentence(ONLY_FORKS, "octo") == "octo has only forks, which are left out."
    assert empty_sentence(NOT_COLLECTED, "octo") == "Nothing has been collected for this yet."
