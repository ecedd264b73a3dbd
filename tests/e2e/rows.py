"""Rows of the database of the browser tests: enough for every page to show something."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, insert, text

from core.db import schema
from core.db.data_version import publish_data_version
from tests import seed_data

LANGUAGES = ("Python", "Go", "TypeScript", "Rust", "C++", None)
ACCOUNT_LOGINS = ("octo", "hubot", "mona", "ada-lovelace", "grace", "linus", "margaret", "ken")
MOST_STARRED = "octo/r0"


def insert_rows(connection: Connection) -> None:
    """Insert eight owners with repositories refreshed over ten weeks, and one owner with imported history only."""
    for index, owner in enumerate(ACCOUNT_LOGINS):
        for number in range(8 - index):
            _insert_repository(connection, owner, index, number)
        _insert_account(connection, owner, 100 * (index + 1))
    seed_data.add_imported_repository(
        connection,
        "old/times",
        {f"2024-{month:02d}-01": 100 * month for month in range(1, 13)},
        by="weekly list",
        growth={7: 20, 30: 100},
        primary_language="Shell",
        description="=HYPERLINK(1) :zap: <b>bold</b>",
    )
    _insert_languages(connection)
    publish_data_version(connection)


def today() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def sixty_days_ago() -> str:
    return iso_date(today() - timedelta(days=60))


def star_count(owner: int, number: int) -> int:
    return 50_000 // (1 + owner + 2 * number)


def _insert_repository(connection: Connection, owner: str, index: int, number: int) -> None:
    stars = star_count(index, number)
    weeks = {iso_date(today() - timedelta(days=7 * week)): stars - 10 * week for week in range(10)}
    seed_data.add_repository(
        connection,
        f"{owner}/r{number}",
        weeks,
        forks=stars // 10,
        growth={1: 2, 7: 10, 30: 40},
        primary_language=LANGUAGES[(index + number) % len(LANGUAGES)],
        license="MIT" if number % 2 else None,
        description=f"Number {number} of {owner}",
        topics=["tests", owner],
        is_fork=number == 7,
        is_archived=number == 6,
        pushed_at=today() - timedelta(days=number),
        github_id=1000 * (index + 1) + number,
    )


def _insert_account(connection: Connection, login: str, followers: int) -> None:
    account = seed_data.add_account(connection, login)
    connection.execute(
        schema.account.update()
        .where(schema.account.c.id == account)
        .values(github_id=account + 500, kind="user", name=login.title(), created_at=seed_data.utc("2012-05-01"))
    )
    snapshots = [
        {
            "account_id": account,
            "captured_at": today() - timedelta(days=7 * week),
            "followers": followers - week,
            "following": 3,
            "public_repositories": 8,
            "stars": 1000 - week,
            "forks": 100,
            "repositories": 8,
        }
        for week in range(10)
    ]
    connection.execute(insert(schema.account_snapshot), snapshots)
    connection.execute(insert(schema.tracked_account).values(account_id=account, added_by="tests"))


def _insert_languages(connection: Connection) -> None:
    connection.execute(
        text(
            "INSERT INTO repository_language (repository_id, captured_at, language, bytes)"
            " SELECT id, :at, coalesce(primary_language, ''), CASE WHEN primary_language IS NULL THEN 0 ELSE 1000 END"
            "   FROM repository WHERE github_id IS NOT NULL"
        ),
        {"at": today()},
    )
    connection.execute(
        text(
            "INSERT INTO language_day (day, source_id, language, repositories, stars, bytes)"
            " SELECT CAST(:today AS date) - 7 * week, 1, primary_language, count(*), sum(stars) - week, 1000 * count(*)"
            "   FROM repository JOIN repository_current ON repository_id = id, generate_series(0, 9) AS week"
            "  WHERE primary_language IS NOT NULL AND NOT is_fork GROUP BY week, primary_language"
        ),
        {"today": today().date()},
    )


def iso_date(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"
