"""Imported history is assigned to a repository only if that existed at the time."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from ingest.history_import import adopt
from ingest.history_import.adopt import adopt_accounts, adopt_imported_history
from ingest.history_import.importer import import_history
from ingest.refresh.attribute_versions import keep_versions

ImportRows = Callable[..., None]
CREATED_AT = datetime(2020, 6, 1, 15, tzinfo=UTC)
ROWS = (("2020-06-01", "octo/cat", 5, 0, 0), ("2020-06-08", "octo/cat", 7, 0, 0))


@pytest.fixture
def imported(database: Connection, tmp_path: Path) -> ImportRows:
    def run(*rows: tuple[object, ...], source: str = "kept") -> None:
        path = tmp_path / "history.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([["captured_on", "full_name", "stars", "forks", "open_issues"], *rows])
        import_history(path, source, engine=database)

    return run


def add_repository(connection: Connection, full_name: str, created_at: datetime | None, github_id: int = 1) -> int:
    """Add a repository with its account and return its id."""
    account_id = add_account(connection, full_name.partition("/")[0], created_at)
    return connection.execute(
        text(
            "INSERT INTO repository (account_id, id, full_name, created_at)"
            " VALUES (:account, :github_id, :name, :created_at) RETURNING id"
        ),
        {"account": account_id, "github_id": github_id, "name": full_name, "created_at": created_at},
    ).scalar_one()


def add_account(connection: Connection, login: str, created_at: datetime | None) -> int:
    return connection.execute(
        text(
            "INSERT INTO account (github_id, login, created_at) VALUES (abs(hashtext(:login)), :login, :created_at)"
            " ON CONFLICT (github_id) DO UPDATE SET login = excluded.login RETURNING id"
        ),
        {"login": login, "created_at": created_at},
    ).scalar_one()


def rows_of(connection: Connection, sql: str, **values: object) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(sql), values)]


def stored_stars(connection: Connection) -> dict[str, list[int]]:
    """Stars by "name" or "name #GitHub's id", oldest first; rows that are incomplete show as errors."""
    found: dict[str, list[int]] = {}
    for name, github_id, stars in rows_of(
        connection,
        """
        SELECT full_name, github_id, stars
          FROM repository_snapshot
          JOIN repository_extra_snapshot USING (repository_id, captured_at, source_id)
          JOIN capture USING (repository_id, captured_at, source_id)
          JOIN repository ON repository.id = repository_id
         ORDER BY captured_at
        """,
    ):
        found.setdefault(name if github_id is None else f"{name} #{github_id}", []).append(stars)
    return found


def test_history_is_assigned_to_the_existing_repository(database: Connection, imported: ImportRows) -> None:
    """A repository created on the first imported day existed on that day."""
    add_repository(database, "Octo/Cat", CREATED_AT)
    imported(*ROWS)
    assert stored_stars(database) == {"Octo/Cat #1": [5, 7]}
    assert rows_of(database, "SELECT count(*) FROM account") == [(1,)]


@pytest.mark.parametrize("created_at", [datetime(2020, 6, 2, tzinfo=UTC), None])
def test_a_repository_created_later_is_a_different_one(
    database: Connection, imported: ImportRows, created_at: datetime | None
) -> None:
    """Names are reused; the account differs too, or is unknown."""
    add_repository(database, "octo/cat", created_at)
    imported(*ROWS)
    assert stored_stars(database) == {"octo/cat": [5, 7]}
    assert rows_of(database, "SELECT login, github_id IS NULL FROM account ORDER BY 2") == [
        ("octo", False),
        ("octo", True),
    ]


def test_history_by_name_belongs_to_the_account_of_that_time(database: Connection, imported: ImportRows) -> None:
    """The repository is unavailable since, its account is not."""
    add_account(database, "Octo", datetime(2011, 1, 1, tzinfo=UTC))
    imported(*ROWS)
    assert rows_of(database, "SELECT login FROM repository JOIN account ON account.id = account_id") == [("Octo",)]


def test_of_two_repositories_with_a_name_the_current_one_gets_the_history(
    database: Connection, imported: ImportRows
) -> None:
    add_repository(database, "octo/cat", datetime(2015, 1, 1, tzinfo=UTC), 1)
    database.execute(text("UPDATE repository SET gone_at = now()"))
    add_repository(database, "octo/cat", datetime(2013, 1, 1, tzinfo=UTC), 2)
    imported(*ROWS)
    assert stored_stars(database) == {"octo/cat #2": [5, 7]}


def test_a_repository_seen_later_adopts_the_history_of_its_name(database: Connection, imported: ImportRows) -> None:
    """History of every source and its rollups move, and the placeholder is deleted."""
    imported(*ROWS)
    imported(("2020-06-15", "OCTO/cat", 9, 0, 0), source="other")
    imported(("2020-06-15", "someone/else", 1, 0, 0))
    real = add_repository(database, "octo/cat", CREATED_AT)
    assert adopt_imported_history(database, [real]) == [real]
    assert stored_stars(database) == {"octo/cat #1": [5, 7, 9], "someone/else": [1]}
    assert rows_of(
        database,
        "SELECT name, stars, captures, stars_7d FROM repository_import JOIN source ON source.id = source_id"
        " WHERE repository_id = :id ORDER BY name",
        id=real,
    ) == [("kept", 7, 2, 7), ("other", 9, 1, 2)]
    assert rows_of(database, "SELECT login FROM account WHERE github_id IS NULL") == [("someone",)]
    assert adopt_imported_history(database, [real]) == []


def test_reimporting_a_file_finds_the_repository_that_adopted_it(database: Connection, imported: ImportRows) -> None:
    imported(*ROWS)
    adopt_imported_history(database, [add_repository(database, "octo/cat", CREATED_AT)])
    imported(*ROWS)
    assert stored_stars(database) == {"octo/cat #1": [5, 7]}


@pytest.mark.parametrize("is_taken", [False, True])
def test_reimporting_a_file_finds_a_renamed_repository(
    database: Connection, imported: ImportRows, is_taken: bool
) -> None:
    """Also if another repository, as old, has got its name; what was captured after the rename is of another one."""
    imported(*ROWS)
    real = add_repository(database, "octo/cat", CREATED_AT)
    database.execute(text("UPDATE repository SET first_captured_at = '2021-01-01' WHERE github_id = 1"))
    adopt_imported_history(database, [real])
    keep_versions(database, {real: datetime(2022, 1, 1, tzinfo=UTC)})
    database.execute(text("UPDATE repository SET full_name = 'octo/lion'"))
    if is_taken:
        add_repository(database, "octo/cat", CREATED_AT, 2)
    imported(*ROWS)
    assert stored_stars(database) == {"octo/lion #1": [5, 7]}
    imported(("2020-06-08", "octo/cat", 7, 0, 0), ("2022-01-01", "octo/cat", 1, 0, 0))
    other = "octo/cat #2" if is_taken else "octo/cat"
    assert stored_stars(database) == {"octo/lion #1": [5, 7], other: [7, 1]}


def test_a_repository_created_after_the_first_imported_day_adopts_nothing(
    database: Connection, imported: ImportRows
) -> None:
    imported(*ROWS)
    assert (
        adopt_imported_history(database, [add_repository(database, "octo/cat", datetime(2020, 6, 2, tzinfo=UTC))]) == []
    )
    assert stored_stars(database) == {"octo/cat": [5, 7]}


def test_adoption_keeps_the_repositorys_own_row_of_a_day(database: Connection, imported: ImportRows) -> None:
    """Older history imported by name joins the newer history that the repository adopted."""
    real = add_repository(database, "octo/cat", CREATED_AT)
    imported(*ROWS)
    database.execute(text("UPDATE repository SET created_at = '2024-01-01'"))
    imported(("2020-06-08", "octo/cat", 70, 0, 0), ("2020-06-15", "octo/cat", 8, 0, 0))
    assert stored_stars(database) == {"octo/cat #1": [5, 7], "octo/cat": [70, 8]}
    database.execute(text("UPDATE repository SET created_at = :born"), {"born": CREATED_AT})
    adopt_imported_history(database, [real])
    assert stored_stars(database) == {"octo/cat #1": [5, 7, 8]}
    assert rows_of(database, "SELECT captures, stars FROM repository_import") == [(3, 8)]


def test_a_collection_keeps_its_member(database: Connection, imported: ImportRows) -> None:
    imported(*ROWS)
    database.execute(text("INSERT INTO collection (name) VALUES ('cats')"))
    database.execute(
        text(
            "INSERT INTO collection_member (collection_id, repository_id)"
            " SELECT collection.id, repository.id FROM collection, repository"
        )
    )
    real = add_repository(database, "octo/cat", CREATED_AT)
    adopt_imported_history(database, [real])
    assert rows_of(database, "SELECT repository_id FROM collection_member") == [(real,)]


def test_adoption_waits_for_a_running_import(committing_database: Engine, tmp_path: Path) -> None:
    """Rows must not move during an import; the refresh does not block, and adoption follows."""
    path = tmp_path / "history.csv"
    path.write_text("captured_on,full_name,stars,forks,open_issues\n2020-06-01,octo/cat,5,0,0\n")
    during: list[list[int]] = []

    def refresh(done: int, total: int | None) -> None:
        with committing_database.begin() as other:
            exists = rows_of(other, "SELECT EXISTS (SELECT FROM capture)")[0][0]
            if exists and not during:
                during.append(adopt_imported_history(other, [add_repository(other, "octo/cat", CREATED_AT)]))

    import_history(path, "kept", engine=committing_database, progress=refresh)
    assert during == [[]]
    with committing_database.connect() as connection:
        assert stored_stars(connection) == {"octo/cat #1": [5]}


def test_nothing_to_adopt_costs_one_query(
    database: Connection, imported: ImportRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported(*ROWS)
    real = add_repository(database, "someone/else", CREATED_AT)
    monkeypatch.setattr(adopt, "try_block_imports", lambda _: pytest.fail("went on"))
    assert adopt_imported_history(database, [real]) == []
    assert adopt_imported_history(database, []) == []


def test_an_account_adopts_the_history_of_its_login(database: Connection, imported: ImportRows) -> None:
    """Repositories older than the account stay with the name: another account had it then."""
    imported(("2009-01-01", "octo/old", 5, 0, 0), *ROWS)
    database.execute(text("INSERT INTO tracked_account (account_id) SELECT id FROM account"))
    real = add_account(database, "OCTO", datetime(2015, 1, 1, tzinfo=UTC))
    assert adopt_accounts(database, {real: None}) == {real}
    assert adopt_accounts(database, {real: None}) == set()
    assert rows_of(
        database,
        "SELECT full_name, login FROM repository JOIN account ON account.id = account_id ORDER BY full_name",
    ) == [("octo/cat", "OCTO"), ("octo/old", "octo")]
    assert rows_of(database, "SELECT account_id FROM tracked_account") == [(real,)]


def test_an_empty_placeholder_account_is_deleted(database: Connection, imported: ImportRows) -> None:
    imported(*ROWS)
    real = add_account(database, "octo", datetime(2015, 1, 1, tzinfo=UTC))
    adopt_accounts(database, {real: None})
    assert rows_of(database, "SELECT id FROM account") == [(real,)]
    assert adopt_accounts(database, {real: None}) == set()


def test_tracking_of_a_login_moves_even_during_an_import(
    database: Connection, imported: ImportRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its repositories follow when the account is next seen."""
    imported(*ROWS)
    database.execute(text("INSERT INTO tracked_account (account_id) SELECT id FROM account"))
    real = add_account(database, "octo", datetime(2015, 1, 1, tzinfo=UTC))
    with monkeypatch.context() as patch:
        patch.setattr(adopt, "try_block_imports", lambda _: False)
        adopt_accounts(database, {real: None})
    assert rows_of(database, "SELECT account_id FROM tracked_account") == [(real,)]
    assert rows_of(database, "SELECT account_id = :real FROM repository", real=real) == [(False,)]
    adopt_accounts(database, {real: None})
    assert rows_of(database, "SELECT account_id = :real FROM repository", real=real) == [(True,)]
