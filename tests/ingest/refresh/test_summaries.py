"""What pages list of each repository equals what it is computed from, after any sequence of writes."""

import csv
import random
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some
from sqlalchemy import Connection, text

from core.db.partitions import ensure_partitions
from core.errors import AlmanacError
from core.launcher.check import _check_summaries
from core.queries.summary_check import count_differences
from ingest.enrichment import extras
from ingest.github.api.models import Extras
from ingest.history_import.importer import import_history
from ingest.refresh import summaries
from ingest.refresh.summaries import update_all_summaries
from tests import seed_data
from tests.ingest.refresh.test_attribute_versions import LOGINS, START, Reported, World, delete, refresh_together


def import_some(connection: Connection, folder: Path, rng: random.Random, **given: Any) -> None:
    """Import days before the first refresh, of names that GitHub reports and of one that it never will."""
    path = folder / "history.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["captured_on", "full_name", "stars", "forks", "open_issues", "language"])
        for name in rng.sample(["a/x", "A/y", "a2/z", "b/x", "b/never"], 3):
            for week in range(rng.randrange(1, 6)):
                day = (START - timedelta(days=rng.choice((1, 40)) + 7 * week)).date()
                rows.writerow([day, name, rng.randrange(9), 1, 0, rng.choice(("", "Coq", "Python"))])
    import_history(path, rng.choice(("one", "another")), engine=connection, **given)


def store_extras(connection: Connection, rng: random.Random, number: int) -> None:
    ids = connection.scalars(text("SELECT id FROM repository WHERE github_id IS NOT NULL ORDER BY id")).all()
    if ids:
        reported = Extras(watchers=number, topics=rng.choice((None, ("t",), ("t", "s"))))
        extras.store(connection, rng.choice(ids), reported, START + timedelta(hours=number))


@settings(max_examples=4, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some.integers(0, 10**9))
def test_summaries_equal_what_they_are_computed_from(
    database: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    reported, world, at = Reported(), World(rng), START
    seed_data.delete_stored(database)
    ensure_partitions(database, START.date(), (START + timedelta(days=120)).date())
    for number in range(14):
        account, kind = rng.choice([1, 1, 2]), rng.random()
        if kind < 0.1 and account in reported.accounts:
            delete(database, reported, account, at)
        elif kind < 0.25:
            import_some(database, tmp_path, rng)
        elif kind < 0.4:
            store_extras(database, rng, number)
        else:
            refresh_together(database, world, reported, rng.choice([[account], [1, 2]]), at)
        assert count_differences(database) == 0
        at += timedelta(days=rng.choice((0.5, 1, 9)))
        world.change(at)
    refresh_together(database, world, reported, list(LOGINS), at)
    stored = everything(database)
    assert stored
    with monkeypatch.context() as patch:
        # Growth of our own counts too, by its whole definition.
        patch.setattr(summaries, "SELECT_SUBJECTS", summaries.SELECT_SUBJECTS.replace(" AS is_plain", " AND false"))
        update_all_summaries(lambda: nullcontext(database))
    assert everything(database) == stored


def everything(connection: Connection) -> list[str]:
    return list(
        connection.scalars(
            text("SELECT to_json(s)::text FROM repository_summary AS s UNION ALL"
                 " SELECT to_json(s)::text FROM account_summary AS s ORDER BY 1")
        )
    )  # fmt: skip


def test_totals_and_rows_that_are_outdated_are_counted(database: Connection) -> None:
    """One repository of 3 stars was summed with 2: its row, and its account's totals."""
    seed_data.add_repository(database, "octo/cat", {"2026-03-01": 3})
    assert count_differences(database) == 0
    database.execute(text("UPDATE repository_current SET stars = 2"))
    assert count_differences(database) == 1
    database.execute(text("UPDATE repository_summary SET stars = 2, is_gone = true"))
    assert count_differences(database) == 2
    update_all_summaries(lambda: nullcontext(database))
    assert count_differences(database) == 0


def test_the_check_names_outdated_summaries(committing_database, monkeypatch):
    with committing_database.begin() as connection:
        seed_data.add_repository(connection, "octo/cat", {"2026-03-01": 3})
    url = committing_database.url.render_as_string(hide_password=False)
    assert _check_summaries(url) == "up to date"
    with committing_database.begin() as connection:
        connection.execute(text("DELETE FROM repository_summary"))
    with pytest.raises(AlmanacError, match="2 rows outdated"):
        _check_summaries(url)
