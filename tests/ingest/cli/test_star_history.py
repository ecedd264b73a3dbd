"""`python -m ingest star-history OWNER/NAME`."""

import pytest

from core.errors import BadInput
from ingest.cli import star_history


class NeverSet:
    def is_set(self):
        return False


def test_the_command_reads_to_the_beginning_and_shows_what_is_held(readings, famous, capsys):
    assert star_history.fetch_star_history(readings.enricher, [famous.upper()], NeverSet())
    stars = readings.rows("SELECT stars FROM repository_current WHERE repository_id = :id", id=readings.id_of(famous))
    shown = capsys.readouterr().out
    assert famous in shown
    assert f"{stars[0][0]:,}" in shown


def test_a_repository_that_nobody_holds_is_refused_with_a_sentence(readings):
    with pytest.raises(BadInput, match="octo/cat"):
        star_history.fetch_star_history(readings.enricher, ["octo/cat"], NeverSet())


def test_where_the_budget_ends_it_says_so_and_is_not_whole(readings, famous, capsys):
    readings.sandbox.limits.set_remaining(2001, who="sandbox-owner-1")
    assert not star_history.fetch_star_history(readings.enricher, [famous], NeverSet())
    assert "rate limit" in capsys.readouterr().err
