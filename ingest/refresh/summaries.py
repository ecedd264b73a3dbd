"""Keeps `repository_summary` and `account_summary`: what pages list of each repository now, and totals by account.

Whatever changes a repository, its counts or its captures calls `update_summaries` in the same transaction. It computes
the rows again and writes those that differ: growth changes with each capture, also of a repository whose stars rest.

The accounts are locked first, in the order of their ids, unless the caller has locked them, so that
rows computed by two transactions at once cannot replace each other.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, Table

from core.db.schema import GROWTH_DAYS, account_summary, repository_summary
from core.db.statement import text
from core.queries.captures import IMPORT_EXISTS, PRESENCE_EXISTS
from core.queries.growth import GROWTH_CTES, growth_values
from ingest.refresh.growth import GROWN_CTE, IS_PLAIN, plain_growth

CHUNK_REPOSITORIES = 5_000
SELECT_SUBJECTS = f"""
    SELECT repository.id, repository.account_id, summary.account_id AS summed_in, own.captured_at AS changed_at,
           own.captured_at <= account.checked_at AND {IS_PLAIN} AS is_plain
      FROM repository
      JOIN account ON account.id = repository.account_id
      LEFT JOIN repository_current AS own ON own.repository_id = repository.id
      LEFT JOIN repository_summary AS summary ON summary.repository_id = repository.id
     WHERE repository.id = ANY(CAST(:ids AS bigint[])) OR repository.account_id = ANY(CAST(:accounts AS bigint[]))
"""  # noqa: S608 - our own names
LOCK_ACCOUNTS = "SELECT id FROM account WHERE id = ANY(CAST(:accounts AS bigint[])) ORDER BY id FOR NO KEY UPDATE"


def _upsert(table: Table, key: str) -> str:
    """Return the end of an INSERT into *table* that replaces rows that differ."""
    names = [column.name for column in table.columns if column.name != key]
    stored, excluded = (", ".join(f"{prefix}.{name}" for name in names) for prefix in (table.name, "excluded"))
    assigned = ", ".join(f"{name} = excluded.{name}" for name in names)
    return f"ON CONFLICT ({key}) DO UPDATE SET {assigned} WHERE ROW({stored}) IS DISTINCT FROM ROW({excluded})"


GROWTH_COLUMNS = tuple(f"stars_{days}d" for days in GROWTH_DAYS)
COLUMNS = tuple(column.name for column in repository_summary.columns)
# Growth of our own counts is computed here; that of imported ones is in `repository_import` already.
UPSERT_REPOSITORIES = f"""
    WITH computed AS (
        SELECT * FROM repository_summary_computed WHERE repository_id = ANY(CAST(:ids AS bigint[]))
    ), subject AS MATERIALIZED (
        SELECT computed.repository_id, computed.account_id, computed.created_at, computed.stars,
               coalesce(own_checked_at, account.checked_at) AS until_at, captured_at AS changed_at,
               {PRESENCE_EXISTS} AS is_special,
               {IMPORT_EXISTS} AS is_imported
          FROM computed
          JOIN repository ON repository.id = computed.repository_id
          JOIN account ON account.id = computed.account_id
         WHERE source_id = 1
    ), {GROWTH_CTES}, {GROWN_CTE}
    INSERT INTO repository_summary ({", ".join(COLUMNS)})
    SELECT {
    ", ".join(
        f"coalesce(grown.{name}, computed.{name})" if name in GROWTH_COLUMNS else f"computed.{name}" for name in COLUMNS
    )
}
      FROM computed
      LEFT JOIN grown ON grown.repository_id = computed.repository_id
    {_upsert(repository_summary, "repository_id")}
"""  # noqa: S608 - our own names
# What `repository_summary_computed` has of a plain repository; all others have the name that they have in its tables.
PLAIN_COLUMNS = {
    "repository_id": "repository.id",
    "account_id": "repository.account_id",
    "source_id": "1",
    "language": "present_language(repository.primary_language)",
    "is_gone": "false",
    "own_checked_at": "CAST(NULL AS timestamptz)",
}
# As `account_summary_computed`, of which the nodes of Citus would send the rows of all accounts.
UPSERT_ACCOUNTS = f"""
    INSERT INTO account_summary ({", ".join(column.name for column in account_summary.columns)})
    SELECT account_id, count(*), sum(stars), sum(forks),
           coalesce(array_agg(DISTINCT language ORDER BY language) FILTER (WHERE language IS NOT NULL), '{{}}'),
           count(*) FILTER (WHERE NOT is_gone AND own_checked_at IS NULL), {
    ", ".join(f"count({name}) FILTER (WHERE NOT is_gone AND own_checked_at IS NULL)" for name in GROWTH_COLUMNS)
}
      FROM repository_summary WHERE account_id = ANY(CAST(:accounts AS bigint[]))
     GROUP BY account_id
    {_upsert(account_summary, "account_id")}
"""  # noqa: S608 - our own names
DELETE_ACCOUNTS = """
    WITH filled AS MATERIALIZED (
        SELECT DISTINCT account_id FROM repository_summary WHERE account_id = ANY(CAST(:accounts AS bigint[]))
    )
    DELETE FROM account_summary
     WHERE account_id = ANY(CAST(:accounts AS bigint[])) AND account_id NOT IN (SELECT account_id FROM filled)
"""


class Subject(NamedTuple):
    """A repository whose summary is to be brought up to date.

    summed_in   the account that its summary counts for; None without one
    changed_at  when we first captured its present counts; None without any
    is_plain    see `ingest.refresh.growth`; it has counts of ours, none of them newer than its account's last capture
    """

    id: int
    account_id: int
    summed_in: int | None
    changed_at: datetime | None
    is_plain: bool


def update_summaries(
    connection: Connection,
    *,
    account_ids: Iterable[int] = (),
    repository_ids: Iterable[int] = (),
    locked_account_ids: Iterable[int] = (),
) -> None:
    """Bring the summaries up to date: of these repositories, of all repositories of these accounts, of their accounts.

    Of a repository that moved, the totals of its former account too.
    """
    accounts = set(account_ids)
    subjects = _select_subjects(connection, list(repository_ids), sorted(accounts))
    accounts |= {id_ for row in subjects for id_ in (row.account_id, row.summed_in) if id_ is not None}
    if unlocked := accounts.difference(locked_account_ids):
        connection.execute(text(LOCK_ACCOUNTS), {"accounts": sorted(unlocked)})
        # What was waited for may have changed them.
        subjects = _select_subjects(connection, [row.id for row in subjects], [])
    changed = _upsert_repositories(connection, subjects)
    if subjects and not changed and not unlocked and all(row.account_id == row.summed_in for row in subjects):
        return  # the totals are those of before
    connection.execute(text(UPSERT_ACCOUNTS), {"accounts": sorted(accounts)})
    # A summary of a repository is deleted with the repository alone.
    filled = {row.account_id for row in subjects if row.account_id == row.summed_in}
    if emptied := accounts - filled:
        connection.execute(text(DELETE_ACCOUNTS), {"accounts": sorted(emptied)})


def update_refreshed_summaries(connection: Connection, subjects: Sequence[Subject]) -> None:
    """Bring the summaries of *subjects* up to date, repositories that a refresh has loaded with their accounts locked.

    Each of them belonged to its account before, or to none; totals are written only where a summary changes.
    """
    if changed := _upsert_repositories(connection, subjects):
        connection.execute(text(UPSERT_ACCOUNTS), {"accounts": sorted(changed)})


def _select_subjects(connection: Connection, ids: Sequence[int], account_ids: Sequence[int]) -> list[Subject]:
    rows = connection.execute(text(SELECT_SUBJECTS), {"ids": ids, "accounts": account_ids})
    return [Subject(*row) for row in rows]


def _upsert_repositories(connection: Connection, subjects: Sequence[Subject]) -> set[int]:
    """Write the summaries of the repositories *subjects* that differ; returns the accounts of those."""
    plain = [row for row in subjects if row.is_plain]
    changed = _upsert_plain(connection, plain) if plain else set()
    if others := [row for row in subjects if not row.is_plain]:
        values = {"ids": [row.id for row in others], **growth_values(GROWTH_DAYS)}
        if connection.execute(text(UPSERT_REPOSITORIES), values).rowcount:
            changed |= {row.account_id for row in others}
    return changed


def _upsert_plain(connection: Connection, plain: Sequence[Subject]) -> set[int]:
    changed_at: dict[int, dict[int, datetime | None]] = {}
    for row in plain:
        changed_at.setdefault(row.account_id, {})[row.id] = row.changed_at
    growth = plain_growth(connection, changed_at)
    columns = PLAIN_COLUMNS | growth.columns
    sql = f"""
        INSERT INTO repository_summary ({", ".join(COLUMNS)})
        SELECT {", ".join(columns.get(name, name) for name in COLUMNS)}
          FROM unnest(CAST(:ids AS bigint[]), CAST(:id_accounts AS bigint[])) AS chosen (repository_id, account_id)
          JOIN repository ON repository.id = chosen.repository_id
          JOIN repository_current AS own ON own.repository_id = repository.id {growth.joined}
        {_upsert(repository_summary, "repository_id")}
        RETURNING account_id
    """  # noqa: S608 - our own names
    ids = {"ids": [row.id for row in plain], "id_accounts": [row.account_id for row in plain]}
    return set(connection.scalars(text(sql), growth.values | ids))


def lock_account_of(connection: Connection, repository_id: int) -> None:
    """Lock the repository's account, as a refresh does before it changes any of its repositories."""
    connection.execute(
        text("SELECT id FROM account WHERE id = (SELECT account_id FROM repository WHERE id = :id) FOR NO KEY UPDATE"),
        {"id": repository_id},
    )


def update_all_summaries(begin: Callable[[], AbstractContextManager[Connection]]) -> None:
    """Bring all summaries up to date, some thousands of repositories in a transaction of *begin* each."""
    with begin() as connection:
        counts = connection.execute(
            text("SELECT account_id, count(*) AS repositories FROM repository GROUP BY account_id ORDER BY account_id")
        ).all()
    for account_ids in _chunks((row.account_id, row.repositories) for row in counts):
        with begin() as connection:
            update_summaries(connection, account_ids=account_ids)


def _chunks(counts: Iterable[tuple[int, int]]) -> Iterator[list[int]]:
    """Group accounts, given with the number of their repositories, into chunks of about CHUNK_REPOSITORIES."""
    chunk: list[int] = []
    size = 0
    for account_id, repositories in counts:
        chunk.append(account_id)
        size += repositories
        if size >= CHUNK_REPOSITORIES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
