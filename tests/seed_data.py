"""Rows as ingestion and imports leave them, for tests that read."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Table, func, insert, select, text, update

from core.db import schema
from core.db.partitions import ensure_partitions
from core.sources import OWN_SOURCE_ID


def utc(text: str) -> datetime:
    """`2026-03-01` or `2026-03-01 06:30`, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def days_ago(days: int) -> datetime:
    """Return now minus *days*. Computed once by a module, it would be of another day after midnight."""
    return datetime.now(UTC) - timedelta(days=days)


def delete_stored(connection: Connection) -> None:
    """Delete accounts, repositories and all that was captured of them, for the next example of a property test."""
    tables = (
        "repository_snapshot_open",
        "repository_month",
        "repository_extra_snapshot",
        "capture_open",
        "capture_month",
    )
    for table in ("account", *tables):
        connection.execute(text(f"DELETE FROM {table}"))


def insert_row(connection: Connection, table: Table, **values: object) -> int:
    return int(connection.execute(insert(table).values(**values).returning(table.c.id)).scalar_one())


def insert_repository(
    connection: Connection, account_id: int, full_name: str, *, github_id: object = None, **values: object
) -> int:
    """Insert a repository, without *github_id* one of which only the name is known; returns its id."""
    named = text(schema.NAMED_REPOSITORY_ID.format(name="CAST(:name AS text)"))
    id_ = github_id or connection.scalar(select(named), {"name": full_name})
    return insert_row(connection, schema.repository, id=id_, account_id=account_id, full_name=full_name, **values)


def add_account(connection: Connection, login: str, **values: object) -> int:
    """Return the account's id, adding it when needed."""
    found = connection.scalar(select(schema.account.c.id).where(func.lower(schema.account.c.login) == login.lower()))
    return int(found) if found else insert_row(connection, schema.account, login=login, **values)


def add_source(connection: Connection, name: str) -> int:
    """Add a source of imported history."""
    found = connection.scalar(select(schema.source.c.id).where(schema.source.c.name == name))
    return int(found) if found else insert_row(connection, schema.source, name=name)


def add_repository(
    connection: Connection,
    full_name: str,
    stars: Mapping[str, int],
    *,
    forks: int = 0,
    growth: Mapping[int, int] | None = None,
    extras: Mapping[str, int] | None = None,
    refreshed_at: str | None = None,
    captures: Iterable[str] = (),
    **values: object,
) -> int:
    """Add a repository that we refresh; *stars* by timestamp, the last one current, *growth* by days.

    *refreshed_at* is the account's last refresh, where it is later than the last change; *captures* are others without
    a change.
    """
    owner = add_account(connection, full_name.partition("/")[0])
    values = {"first_captured_at": utc(min(stars)), **values}
    created = insert_repository(connection, owner, full_name, **values)
    _add_snapshots(connection, created, stars, forks, OWN_SOURCE_ID)
    last = max(stars)
    connection.execute(
        insert(schema.repository_current).values(
            repository_id=created,
            stars=stars[last],
            forks=forks,
            size_kb=10,
            captured_at=utc(last),
            **(extras or {}),
        )
    )
    connection.execute(
        schema.account.update()
        .where(schema.account.c.id == owner)
        .values(checked_at=func.greatest(schema.account.c.checked_at, utc(refreshed_at or last)))
    )
    _add_captures(connection, {*stars, *captures, refreshed_at or last}, account_id=owner)
    _summarize_repositories(connection)
    summary = schema.repository_summary
    known = {f"stars_{days}d": won for days, won in (growth or {}).items()}
    if known:
        connection.execute(update(summary).where(summary.c.repository_id == created).values(**known))
    _summarize_accounts(connection)
    return created


def add_imported_repository(
    connection: Connection,
    full_name: str,
    stars: Mapping[str, int],
    *,
    by: str = "elsewhere",
    growth: Mapping[int, int] | None = None,
    **values: object,
) -> int:
    """Add a repository known only from imported history."""
    owner, kept_by = add_account(connection, full_name.partition("/")[0]), add_source(connection, by)
    created = insert_repository(connection, owner, full_name, **values)
    _add_snapshots(connection, created, stars, None, kept_by)
    first, last = min(stars), max(stars)
    connection.execute(
        insert(schema.repository_import).values(
            repository_id=created,
            source_id=kept_by,
            first_at=utc(first),
            last_at=utc(last),
            captures=len(stars),
            stars=stars[last],
            **{f"stars_{days}d": won for days, won in (growth or {}).items()},
        )
    )
    _add_captures(connection, stars, repository_id=created, source_id=kept_by)
    summarize(connection)
    return created


def summarize(connection: Connection) -> None:
    """Bring the summaries up to date with all rows that a test has written; growth of our own counts stays."""
    _summarize_repositories(connection)
    _summarize_accounts(connection)


def _summarize_repositories(connection: Connection) -> None:
    own_growth = [f"stars_{days}d" for days in schema.GROWTH_DAYS]
    columns = ", ".join(
        f"CASE computed.source_id WHEN 1 THEN summary.{name} ELSE computed.{name} END" if name in own_growth
        else f"computed.{name}"
        for name in [column.name for column in schema.repository_summary.columns]
    )  # fmt: skip
    for statement in (
        f"CREATE TEMPORARY TABLE summarized ON COMMIT DROP AS SELECT {columns} FROM repository_summary_computed"
        " AS computed LEFT JOIN repository_summary AS summary USING (repository_id)",
        "DELETE FROM repository_summary",
        "INSERT INTO repository_summary SELECT * FROM summarized",
        "DROP TABLE summarized",
    ):
        connection.execute(text(statement))


def _summarize_accounts(connection: Connection) -> None:
    connection.execute(text("DELETE FROM account_summary"))
    connection.execute(text("INSERT INTO account_summary SELECT * FROM account_summary_computed"))


def add_change(
    connection: Connection, repository_id: int, kind: str, at: str, before: str | None = None, after: str | None = None
) -> None:
    """Add a detected change."""
    owner = connection.scalar(select(schema.repository.c.account_id).where(schema.repository.c.id == repository_id))
    connection.execute(
        insert(schema.change).values(
            account_id=owner, repository_id=repository_id, detected_at=utc(at), kind=kind, before=before, after=after
        )
    )
    summarize(connection)


def add_version(connection: Connection, repository_id: int, until: str, **differing: object) -> None:
    """Add what a repository was before *until*: as it is now, but for *differing*."""
    _add_version(connection, schema.repository, schema.repository_version, repository_id, until, differing)


def add_account_version(connection: Connection, account_id: int, until: str, **differing: object) -> None:
    """Add what an account was before *until*: as it is now, but for *differing*."""
    _add_version(connection, schema.account, schema.account_version, account_id, until, differing)


def _add_version(
    connection: Connection, current: Table, versions: Table, id_: int, until: str, differing: Mapping[str, object]
) -> None:
    key = versions.primary_key.columns.keys()[0]
    now = connection.execute(select(current).where(current.c.id == id_)).mappings().one()
    last = connection.scalar(select(func.max(versions.c.until)).where(versions.c[key] == id_))
    values = {column.name: now[column.name] for column in versions.c if column.name in now}
    values |= {"is_gone": False} if "is_gone" in versions.c else {}
    values |= {key: id_, "since": last or now["first_captured_at"] or utc("2008-01-01"), "until": utc(until)}
    connection.execute(insert(versions).values(**{**values, **differing}))
    summarize(connection)


def _add_snapshots(
    connection: Connection, repository_id: int, stars: Mapping[str, int], forks: int | None, source_id: int
) -> None:
    ensure_partitions(connection, utc(min(stars)).date(), utc(max(stars)).date())
    rows = [
        {
            "repository_id": repository_id,
            "captured_at": utc(seen),
            "stars": count,
            "forks": forks,
            "source_id": source_id,
        }
        for seen, count in stars.items()
    ]
    connection.execute(insert(schema.repository_snapshot_open), rows)


def _add_captures(connection: Connection, seen: Iterable[str], **values: object) -> None:
    from sqlalchemy.dialects.postgresql import insert as upsert

    rows = [{"captured_at": utc(moment), **values} for moment in seen]
    connection.execute(upsert(schema.capture_open).on_conflict_do_nothing(), rows)
