"""Fill an empty, migrated database like an installation of three years: `python -P big_database.py URL SCALE END`.

The same seed makes the same rows, whichever version of the product is on PYTHONPATH: rows that refreshes leave are
copied, the imported source is imported, and rollups and growth are those of the product's own daily maintenance. It
imports nothing of `tests`, so that a checkout of another version can run it, too.
"""

import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import create_engine

from core.db.partitions import create_partitions
from ingest.history_import.importer import import_history
from ingest.scheduler import ScheduledJobs

SEED = 11
ACCOUNTS, REPOSITORIES, LARGEST, SECOND_LARGEST = 5_000, 200_000, 3_000, 936
DAYS = 1_096
SNAPSHOTS_PER_REPOSITORY = 105
IMPORTED_WEEKS = 130
DAY_US = 86_400_000_000
EPOCH_2000 = datetime(2000, 1, 1, tzinfo=UTC)
LANGUAGES = (
    "Python", "TypeScript", "JavaScript", "Go", "Rust", "C++", "C", "Java", "C#", "Ruby", "PHP", "Shell", "Kotlin",
    "Swift", "Scala", "HTML", "CSS", "Lua", "Haskell", "Elixir", "Zig", "Dart", "R", "Julia", "Nix", "Perl",
)  # fmt: skip
LICENSES = ("MIT", "Apache-2.0", "GPL-3.0", "BSD-3-Clause", "MPL-2.0", None)
PLACES = (
    "Berlin",
    "San Francisco, CA",
    "Tokyo",
    "Bengaluru, India",
    "Paris",
    "Lagos",
    "São Paulo",
    "",
    "nowhere",
    "Oslo",
)
WORDS = ("fast", "small", "typed", "async", "native", "portable", "parser", "server", "client", "kernel", "editor",
         "toolkit", "library", "engine", "compiler", "scheduler", "storage", "graph", "vector", "stream")  # fmt: skip


@dataclass(frozen=True)
class Repository:
    """What a repository is at the end; ids are ours and GitHub's alike."""

    id: int
    account: int
    name: str
    language: str | None
    first_day: int
    stars: int
    forks: int
    size_kb: int
    changed_at: int
    watchers: int


class World:
    """Accounts, their captures and the counts of their repositories, from one seed."""

    def __init__(self, scale: float, end: datetime) -> None:
        self.random = np.random.default_rng(SEED)
        self.choice = random.Random(SEED)
        self.end_us = microseconds(end)
        self.start_us = self.end_us - DAYS * DAY_US
        self.sizes = self._sizes(max(3, round(ACCOUNTS * scale)), round(REPOSITORIES * scale), scale)
        self.repositories: list[Repository] = []
        self.captures: list[np.ndarray] = []
        self.snapshots: list[tuple[np.ndarray, ...]] = []
        for account, size in enumerate(self.sizes, 1):
            self._add_account(account, size)

    @property
    def accounts(self) -> int:
        return len(self.sizes)

    def _sizes(self, accounts: int, repositories: int, scale: float) -> list[int]:
        large = [max(2, round(LARGEST * scale)), max(2, round(SECOND_LARGEST * scale))]
        left = repositories - sum(large)
        weights = self.random.pareto(1.3, accounts - 2) + 0.2
        for _ in range(20):  # what the largest may not have is shared among the others
            weights = np.minimum(weights / weights.sum() * left, large[1] * 0.9)
        return large + [max(1, round(float(weight))) for weight in weights]

    def _add_account(self, account: int, size: int) -> None:
        first_day = 0 if account % 3 else int(self.random.integers(0, DAYS // 2))
        self.captures.append(self._captures(first_day))
        for number in range(size):
            self._add_repository(account, number, first_day)

    def _captures(self, first_day: int) -> np.ndarray:
        """Refreshes one to four times a day, at random minutes; one account in five has a gap of two weeks."""
        a_day = 1 + int(self.random.integers(0, 4))
        days = np.repeat(np.arange(first_day, DAYS), a_day)
        if self.random.random() < 0.2:
            gap = int(self.random.integers(first_day, DAYS - 14))
            days = days[(days < gap) | (days >= gap + 14)]
        within = self.random.integers(0, DAY_US // 1_000_000 - 60, len(days)) * 1_000_000
        return np.unique(self.start_us + days * DAY_US + within)

    def _add_repository(self, account: int, number: int, first_day: int) -> None:
        id_ = len(self.repositories) + 1
        captures = self.captures[account - 1]
        is_young = self.random.random() < 0.4
        born = int(self.random.integers(first_day, DAYS - 1)) if is_young else first_day
        seen = captures[np.searchsorted(captures, self.start_us + born * DAY_US) :]
        wanted = min(len(seen), 1 + int(self.random.pareto(1.1) * SNAPSHOTS_PER_REPOSITORY * 0.32))
        chosen = np.sort(self.random.choice(len(seen), size=max(1, wanted) - 1, replace=False)) if wanted > 1 else []
        at = np.unique(np.concatenate([seen[:1], seen[np.asarray(chosen, dtype=np.int64)]]))
        gained = self.random.integers(-1, 4 + min(60, wanted // 20), len(at))
        stars = np.maximum(0, np.cumsum(gained) + int(self.random.pareto(1.0) * 20))
        forks, size_kb = stars // 7, 100 + np.arange(len(at)) * 3
        self.snapshots.append((np.full(len(at), id_), at, stars, forks, size_kb))
        language = (
            None if self.random.random() < 0.1 else LANGUAGES[min(len(LANGUAGES) - 1, int(self.random.exponential(5)))]
        )
        self.repositories.append(
            Repository(
                id_, account, f"{self.login(account)}/{WORDS[number % len(WORDS)]}-{number}", language, born,
                int(stars[-1]), int(forks[-1]), int(size_kb[-1]), int(at[-1]), int(stars[-1]) // 20,
            )
        )  # fmt: skip

    @staticmethod
    def login(account: int) -> str:
        return f"octo-{account}"


def microseconds(at: datetime) -> int:
    return (at - EPOCH_2000) // timedelta(microseconds=1)


def moment(at: int) -> datetime:
    return EPOCH_2000 + timedelta(microseconds=int(at))


def fill(url: str, scale: float, end: datetime) -> None:
    world = World(scale, end)
    # As the product connects: a statement that is prepared once is planned without its values.
    options = "-c timezone=UTC -c jit=off -c synchronous_commit=off"
    engine = create_engine(url, connect_args={"options": options, "prepare_threshold": None})
    create_partitions(engine.begin, moment(world.start_us).date(), (end + timedelta(days=62)).date())
    with psycopg.connect(url.replace("+psycopg", ""), options="-c timezone=UTC") as connection:
        _copy_accounts(connection, world)
        _copy_repositories(connection, world)
        _copy_history(connection, world)
        _copy_changes(connection, world)
        _copy_rollups(connection, world)
    _vacuum(url)
    jobs = ScheduledJobs(engine, clock=lambda: end)
    _close_history(jobs)
    _return_space(url)
    _import_and_maintain(url, world, jobs)
    # The next hour drops what could not be dropped, because a vacuum still saw its rows.
    _close_history(jobs)
    engine.dispose()


def _import_and_maintain(url: str, world: World, jobs: ScheduledJobs) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "weekly.parquet"
        _write_imported_history(world, file)
        import_history(file, "elsewhere", engine=jobs.engine)
    jobs.run_daily_maintenance()
    _vacuum(url)


def _close_history(jobs: ScheduledJobs) -> None:
    if hasattr(jobs, "close_history"):  # an older version has none
        jobs.close_history()


def _return_space(url: str) -> None:
    """Return the space of three years of open captures: an installation that closes every night has those of a day."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        found = connection.execute("SELECT to_regclass('capture_open')").fetchone()
        if found != (None,):
            connection.execute("VACUUM FULL capture_open")


def _vacuum(url: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _copy_accounts(connection: psycopg.Connection[Any], world: World) -> None:
    numbers = range(1, world.accounts + 1)
    first, last = ([moment(one[place]) for one in world.captures] for place in (0, -1))
    copy_rows(
        connection, "account", "id github_id login kind name location created_at first_captured_at checked_at",
        (
            (n, n, world.login(n), "organization" if n % 4 == 0 else "user", f"Octo {n}", PLACES[n % len(PLACES)],
             moment(world.start_us - n * DAY_US), first[n - 1], last[n - 1])
            for n in numbers
        ),
    )  # fmt: skip
    copy_rows(
        connection, "tracked_account", "account_id due_at stars repositories",
        ((n, moment(world.end_us + DAY_US), n, size) for n, size in enumerate(world.sizes, 1)),
    )  # fmt: skip
    copy_rows(
        connection, "account_snapshot",
        "account_id captured_at followers following public_repositories stars forks repositories",
        (
            (n, moment(at), n + step, 3, world.sizes[n - 1], 40 * world.sizes[n - 1] + step, step, world.sizes[n - 1])
            for n in numbers
            for step, at in enumerate(world.captures[n - 1][:: max(1, len(world.captures[n - 1]) // 100)])
        ),
    )  # fmt: skip


def _copy_repositories(connection: psycopg.Connection[Any], world: World) -> None:
    rows = world.repositories
    first = [moment(counts[1][0]) for counts in world.snapshots]
    # An older version has numbers of its own beside GitHub's.
    is_older = connection.execute("SELECT pg_get_serial_sequence('repository', 'id')").fetchone() != (None,)
    copy_rows(
        connection, "repository",
        "id account_id full_name description license topics primary_language default_branch is_fork"
        " is_archived created_at pushed_at languages_checked_at first_captured_at gone_at" + " github_id" * is_older,
        (
            (one.id, one.account, one.name,
             f"A {WORDS[one.id % 20]} {WORDS[one.id // 20 % 20]} for {WORDS[one.id // 400 % 20]} work",
             LICENSES[one.id % len(LICENSES)], [WORDS[one.id % 20], WORDS[one.id % 7]], one.language, "main",
             one.id % 9 == 0, one.id % 31 == 0, moment(world.start_us + (one.first_day - one.id % 700) * DAY_US),
             moment(one.changed_at), first[one.id - 1], first[one.id - 1], _gone_at(one, world.end_us),
             *[one.id] * is_older)
            for one in rows
        ),
    )  # fmt: skip
    copy_rows(
        connection, "repository_current",
        "repository_id stars forks size_kb watchers open_issues open_change_requests open_issues_and_change_requests"
        " captured_at",
        (
            (one.id, one.stars, one.forks, one.size_kb, one.watchers, one.id % 40, one.id % 5, one.id % 40 + one.id % 5,
             moment(one.changed_at))
            for one in rows
        ),
    )  # fmt: skip
    copy_rows(
        connection, "repository_language", "repository_id captured_at language bytes",
        (
            (one.id, first[one.id - 1], language, 1_000 * one.size_kb // share)
            for one in rows
            if one.language
            for language, share in {one.language: 1, "Shell": 9}.items()
        ),
    )  # fmt: skip
    for table in ("account", *["repository"] * is_older):
        connection.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")  # type: ignore[arg-type]


def _gone_at(one: Repository, end_us: int) -> datetime | None:
    is_gone = one.id % 50 == 0 and one.changed_at < end_us - 2 * DAY_US
    return moment(one.changed_at + DAY_US) if is_gone else None


def _copy_history(connection: psycopg.Connection[Any], world: World) -> None:
    """Copy captures and snapshots in the order of time, as refreshes wrote them."""
    accounts = np.repeat(np.arange(1, world.accounts + 1), [len(one) for one in world.captures])
    captured_at = np.concatenate(world.captures)
    order = np.argsort(captured_at, kind="stable")
    # An older version has one table of all captures, and of all snapshots.
    captures, snapshots = (
        f"{name}_open" if connection.execute("SELECT to_regclass(%s)", [f"{name}_open"]).fetchone() != (None,) else name
        for name in ("capture", "repository_snapshot")
    )
    captured_at = captured_at[order]
    copy_array(
        connection, f"{captures} (account_id, captured_at, run_id)",
        ("q", accounts[order]), ("q", captured_at), ("i", 1 + (captured_at - world.start_us) // DAY_US),
    )  # fmt: skip
    ids, at, stars, forks, sizes = (np.concatenate(column) for column in zip(*world.snapshots, strict=True))
    world.snapshots.clear()
    order = np.argsort(at, kind="stable")
    copy_array(
        connection, f"{snapshots} (repository_id, captured_at, stars, forks, size_kb)",
        ("q", ids[order]), ("q", at[order]), ("i", stars[order]), ("i", forks[order]), ("i", sizes[order]),
    )  # fmt: skip
    # Extras come once a quarter.
    extras = [
        (one.id, one.changed_at - quarter * 90 * DAY_US, max(0, one.watchers - quarter), one.id % 40)
        for one in world.repositories
        for quarter in range(3)
        if one.changed_at - quarter * 90 * DAY_US >= world.start_us + one.first_day * DAY_US
    ]
    ids, at, watchers, issues = (np.array(column) for column in zip(*extras, strict=True))
    copy_array(
        connection, "repository_extra_snapshot (repository_id, captured_at, watchers, open_issues)",
        ("q", ids), ("q", at), ("i", watchers), ("i", issues),
    )  # fmt: skip


def _copy_changes(connection: psycopg.Connection[Any], world: World) -> None:
    """One repository in 40 was renamed once, one in 200 transferred; the deleted ones have their entry."""
    renamed = [one for one in world.repositories if one.id % 40 == 1 and one.first_day < DAYS - 200]
    transferred = [one for one in renamed if one.id % 200 == 1]
    at = {one.id: moment(world.start_us + (one.first_day + 100 + one.id % 90) * DAY_US) for one in renamed}
    copy_rows(
        connection, "repository_version",
        "repository_id until since account_id full_name license primary_language is_fork is_archived is_template"
        " is_gone",
        (
            (one.id, at[one.id], moment(world.start_us + one.first_day * DAY_US),
             one.account % world.accounts + 1 if one.id % 200 == 1 else one.account, f"{one.name}-old",
             "MIT", one.language, one.id % 9 == 0, False, False, False)
            for one in renamed
        ),
    )  # fmt: skip
    changes = [(one.account, one.id, at[one.id], "renamed", f"{one.name}-old", one.name) for one in renamed]
    changes += [(one.account, one.id, at[one.id], "transferred", None, None) for one in transferred]
    copy_rows(connection, "change", "account_id repository_id detected_at kind before after", changes)
    connection.execute(
        "INSERT INTO change (account_id, repository_id, detected_at, kind)"
        " SELECT account_id, id, gone_at, 'gone' FROM repository WHERE gone_at IS NOT NULL"
    )


def _copy_rollups(connection: psycopg.Connection[Any], world: World) -> None:
    """Our language rollups of the days before the last: growing shares, one row a language and day."""
    first = moment(world.start_us).date()
    share = len(world.repositories) // len(LANGUAGES)
    copy_rows(
        connection, "language_day", "day language repositories stars bytes",
        (
            (first + timedelta(days=day), language, share * (day + 200) // (DAYS + 200) + place,
             (share * 40 - place) * (day + 200) // DAYS, 1_000 * (share + day))
            for day in range(DAYS - 1)
            for place, language in enumerate(LANGUAGES)
        ),
    )  # fmt: skip


def _write_imported_history(world: World, file: Path) -> None:
    """Weekly rows of one repository in 40, half of them followed by us, and the half year before we began."""
    subjects = [one for one in world.repositories if one.id % 40 == 7]
    names = [one.name if one.id % 80 == 7 else f"{one.name}-elsewhere" for one in subjects]
    first = moment(world.start_us).date() - timedelta(weeks=26)
    weeks = [first + timedelta(weeks=week) for week in range(IMPORTED_WEEKS)]
    columns = {
        "captured_on": pa.array([week for _ in names for week in weeks], pa.date32()),
        "full_name": pa.array([name for name in names for _ in weeks]),
        "stars": pa.array([one.stars // 2 + week for one in subjects for week in range(len(weeks))], pa.int32()),
        "forks": pa.array([one.forks // 2 + week // 9 for one in subjects for week in range(len(weeks))], pa.int32()),
        "open_issues": pa.array([week % 30 for _ in subjects for week in range(len(weeks))], pa.int32()),
    }
    pq.write_table(pa.table(columns), file)


def copy_rows(
    connection: psycopg.Connection[Any], table: str, columns: str, rows: Iterator[Sequence[Any]] | list[Any]
) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({', '.join(columns.split())}) FROM STDIN") as copy:  # type: ignore[arg-type]
        for row in rows:
            copy.write_row(row)


def copy_array(connection: psycopg.Connection[Any], target: str, *columns: tuple[str, np.ndarray]) -> None:
    """Copy arrays of 8- (`q`) and 4-byte (`i`) integers, timestamps as microseconds since 2000, in Postgres' format."""
    sizes = {"q": 8, "i": 4}
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for place, (kind, _) in enumerate(columns):
        fields += [(f"length{place}", ">i4"), (f"value{place}", f">i{sizes[kind]}")]
    with connection.cursor() as cursor, cursor.copy(f"COPY {target} FROM STDIN (FORMAT binary)") as copy:  # type: ignore[arg-type]
        copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
        for start in range(0, len(columns[0][1]), 100_000):
            chunk = slice(start, start + 100_000)
            rows = np.zeros(len(columns[0][1][chunk]), dtype=fields)
            rows["fields"] = len(columns)
            for place, (kind, values) in enumerate(columns):
                rows[f"length{place}"], rows[f"value{place}"] = sizes[kind], values[chunk]
            copy.write(rows.tobytes())
        copy.write(b"\xff\xff")


if __name__ == "__main__":
    fill(sys.argv[1], float(sys.argv[2]), datetime.fromisoformat(sys.argv[3]))
