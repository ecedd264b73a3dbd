"""The SQL shown to readers runs as it is and gives the same rows."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from core.queries import account_repositories, accounts, freshness, languages, movers
from core.queries.sql_display import inline_parameters, sql_literal
from tests import seed_data


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "NULL"),
        (True, "true"),
        (7, "7"),
        (0.5, "0.5"),
        ("it's", "'it''s'"),
        (date(2026, 3, 1), "DATE '2026-03-01'"),
        (datetime(2026, 3, 1, tzinfo=UTC), "TIMESTAMPTZ '2026-03-01 00:00:00+00:00'"),
        (timedelta(days=28), "INTERVAL '28 days'"),
        (timedelta(hours=6), "INTERVAL '21600.000000 seconds'"),
        (["a", "b"], "ARRAY['a', 'b']"),
    ],
)
def test_values_are_written_as_postgres_literals(value, written):
    assert sql_literal(value) == written


def test_casts_and_slices_are_no_parameters():
    assert inline_parameters("SELECT a::text, ':no', :yes", {"text": 1, "yes": 2}) == "SELECT a::text, ':no', 2"


@settings(max_examples=25, deadline=None)
@given(st.text(alphabet=st.characters(blacklist_characters="\x00", blacklist_categories=["Cs"])))
def test_any_text_survives_the_round_trip_through_postgres(test_engine, given_text):
    with test_engine.connect() as connection:
        # The driver reads % in what it is given.
        sent = inline_parameters("SELECT :it", {"it": given_text}).replace("%", "%%")
        assert connection.exec_driver_sql(sent).scalar_one() == given_text


@pytest.mark.parametrize("as_of", [None, datetime(2026, 2, 1, tzinfo=UTC)])
def test_displayed_sql_can_be_run(database, as_of):
    seed_data.add_repository(database, "octo/cat", {"2026-01-01": 10, "2026-03-01": 60})
    seed_data.add_imported_repository(database, "octo/dog", {"2026-01-01": 10})
    octo = seed_data.add_account(database, "octo")
    for frame in (
        accounts.history(octo, as_of),
        accounts.coverage_intervals(octo, as_of),
        account_repositories.list_repositories(octo, as_of),
        languages.account_languages(octo, as_of),
        languages.account_language_history(octo, as_of),
        languages.ranking("GitHub", as_of),
        movers.movers(as_of, 30).rows,
        freshness.account_freshness(datetime.now(UTC)),
    ):
        shown = inline_parameters(frame.attrs["sql"], frame.attrs["values"]).replace("%", "%%").replace("\\:", ":")
        assert len(database.exec_driver_sql(shown).all()) == len(frame)
    assert database.scalar(text("SELECT 1")) == 1
