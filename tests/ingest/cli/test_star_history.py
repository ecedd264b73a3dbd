"""`python -m ingest star-history OWNER/NAME`."""

import pytest

from core.errors import BadInput
from ingest.cli import star_history


class NeverSet:
    def is_set(self):
        return False


def test_the_command_reads_and_prints_the_whole_history(harness, most_starred, capsys):
    assert star_history.fetch_star_history(harness.enricher, [most_starred.upper()], NeverSet())
    stars = harness.rows(
        "SELECT stars FROM repository_current WHERE repository_id = :id", id=harness.id_of(most_starred)
    )
    shown = capsys.readouterr().out
    assert most_starred in shown
    assert f"{stars[0][0]:,}" in shown


def test_an_unknown_repository_is_refused_with_a_sentence(harness):
    with pytest.raises(BadInput, match="octo/cat"):
        star_history.fetch_star_history(harness.enricher, ["octo/cat"], NeverSet())


def test_an_exhausted_budget_is_reported_as_incomplete(harness, most_starred, capsys):
    harness.sandbox.limits.set_remaining(2001, who="sandbox-owner-1")
    assert not star_history.fetch_star_history(harness.enricher, [most_starred], NeverSet())
    assert "rate limit" in capsys.readouterr().err
