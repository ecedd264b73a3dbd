"""Growth has one definition, whatever way it is asked: against a slow, obvious version on random histories."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from pandas import DataFrame
from sqlalchemy import Connection, insert, text, update

from core.db import schema
from core.db.frames import clear_frames
from core.db.partitions import ensure_partitions
from core.queries import account_repositories, growth, movers, peers, repository_detail, repository_list, scene
from ingest.refresh import closed_history
from ingest.refresh.attribute_versions import keep_versions
from ingest.refresh.growth import update_import_growth
from ingest.refresh.summaries import update_all_summaries
from tests import seed_data

START = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(hours=6)
END = 480  # steps: 120 days
DAY = timedelta(days=1)
# Until then octo is refreshed every three days; later, as hooli always, every six hours: a gap begins after two days.
CADENCE_CHANGED = 200
IMPORT_CADENCE = {"weekly": 7 * DAY, "daily": DAY}


def at(step: int) -> datetime:
    return START + step * STEP


@dataclass(frozen=True)
class Life:
    """What happened to one repository: steps of its creation, values, absences, transfer and rename."""

    created: int | None
    stars: dict[int, int]
    absent: tuple[tuple[int, int], ...]
    transferred: int | None
    renamed: int | None
    imports: dict[str, dict[int, int]]

    def stars_at(self, step: int) -> int:
        return self.stars[max(changed for changed in self.stars if changed <= step)]

    def owner_at(self, step: int) -> str:
        return "octo" if self.transferred is None or step < self.transferred else "hooli"

    def is_listed(self, step: int) -> bool:
        is_absent = any(first <= step < last for first, last in self.absent)
        return not is_absent and (self.created is None or step >= self.created)


@dataclass
class History:
    """What we captured of these lives: the steps of our captures, by account."""

    captures: dict[str, set[int]]
    lives: list[Life]
    listed: list[list[int]] = field(default_factory=list)
    """By repository: the steps at which a capture of its owner listed it."""

    def __post_init__(self) -> None:
        self.captures["hooli"] -= self.captures["octo"]
        self.listed = [
            sorted(step for owner, steps in self.captures.items() for step in steps
                   if life.owner_at(step) == owner and life.is_listed(step))
            for life in self.lives
        ]  # fmt: skip


# --- The slow, obvious version: one repository, one moment, a loop over all its captures.


def last_captured(history: History, repository: int, until: int) -> tuple[int, int, str] | None:
    """Return step, stars and source of its last capture: ours, else the newest import's."""
    own = [step for step in history.listed[repository] if step <= until]
    if own:
        return own[-1], history.lives[repository].stars_at(own[-1]), "GitHub"
    imported = imported_before(history.lives[repository], until)
    return max(imported, key=lambda one: (one[0], source_order(one[2])), default=None)


def imported_before(life: Life, until: int) -> list[tuple[int, int, str]]:
    return [
        (step, stars, source) for source, rows in life.imports.items() for step, stars in rows.items() if step <= until
    ]


def source_order(source: str) -> int:
    return list(IMPORT_CADENCE).index(source)


def cadence(owner: str, step: int) -> timedelta | None:
    """Return the interval between refreshes that was planned at that capture; None: at most a day."""
    return 3 * DAY if owner == "octo" and step < CADENCE_CHANGED else None


def expected_growth(history: History, repository: int, until: int, days: int) -> int | None:
    last = last_captured(history, repository, until)
    if last is None:
        return None
    life, start = history.lives[repository], at(last[0]) - days * DAY
    if life.created is not None and at(life.created) > start:
        return last[1]
    confirmed = []
    for step in [one for one in history.listed[repository] if at(one) <= start][-1:]:
        max_gap = 2 * (cadence(life.owner_at(step), step) or DAY)
        if start - at(step) <= min(max_gap, days * DAY):
            confirmed.append((step, 1, 0, life.stars_at(step)))
    for step, stars, source in imported_before(life, until):
        age = start - at(step)
        if timedelta() <= age <= min(2 * IMPORT_CADENCE[source], days * DAY):
            confirmed.append((step, 0, source_order(source), stars))
    return last[1] - max(confirmed)[3] if confirmed else None


# --- The rows that refreshes and imports would have stored.


class Writer:
    def __init__(self, connection: Connection, history: History) -> None:
        self.connection, self.history = connection, history
        self.accounts = {
            owner: seed_data.add_account(connection, owner, github_id=number)
            for number, owner in enumerate(history.captures, 1)
        }
        for source, usual in IMPORT_CADENCE.items():
            source_id = seed_data.add_source(connection, source)
            connection.execute(update(schema.source).where(schema.source.c.id == source_id).values(cadence=usual))
        # The cadence of today says nothing about the past.
        self.insert(schema.tracked_account, account_id=self.accounts["hooli"], cadence=90 * DAY, due_at=START)
        self.ids: dict[int, int] = {}
        self.gone: dict[int, dict[int, bool]] = {}
        self.stored: dict[int, dict[str, Any]] = {}

    def insert(self, table: Any, **values: object) -> None:
        self.connection.execute(insert(table).values(**values))

    def update(self, number: int, step: int, **values: object) -> None:
        table, key = schema.repository, self.ids[number]
        keep_versions(self.connection, {key: at(step)})
        self.connection.execute(update(table).where(table.c.id == key).values(**values))

    def change(self, number: int, kind: str, step: int, before: str | None = None) -> None:
        owner = self.accounts[self.stored[number]["owner"]]
        self.insert(
            schema.change,
            account_id=owner,
            repository_id=self.ids[number],
            detected_at=at(step),
            kind=kind,
            before=before,
        )

    def write(self) -> None:
        for number, life in enumerate(self.history.lives):
            if life.imports:
                self.create(number, "octo")
                self.write_imports(number, life)
        steps = sorted((step, owner) for owner, steps in self.history.captures.items() for step in steps)
        rows = [
            {"account_id": self.accounts[owner], "captured_at": at(step), "cadence": cadence(owner, step)}
            for step, owner in steps
        ]
        self.connection.execute(insert(schema.capture_open), rows)
        for step, owner in steps:
            self.refresh(step, owner)
        for owner, captured in self.history.captures.items():
            table = schema.account
            last = update(table).where(table.c.id == self.accounts[owner])
            self.connection.execute(last.values(checked_at=at(max(captured)) if captured else None))
        for source in IMPORT_CADENCE:
            update_import_growth(self.connection, seed_data.add_source(self.connection, source))
        update_all_summaries(lambda: nullcontext(self.connection))

    def create(self, number: int, owner: str) -> None:
        life, name = self.history.lives[number], f"{owner}/{number}"
        self.ids[number] = seed_data.insert_repository(
            self.connection, self.accounts[owner], name, github_id=number + 100,
            created_at=None if life.created is None else at(life.created),
        )  # fmt: skip
        self.stored[number] = {"owner": owner, "name": name, "stars": None, "gone": False}

    def write_imports(self, number: int, life: Life) -> None:
        for source, rows in life.imports.items():
            source_id, key = seed_data.add_source(self.connection, source), self.ids[number]
            for step, stars in rows.items():
                self.insert(
                    schema.repository_snapshot_open,
                    repository_id=key,
                    captured_at=at(step),
                    stars=stars,
                    source_id=source_id,
                )
                self.insert(schema.capture_open, repository_id=key, captured_at=at(step), source_id=source_id)
            if rows:
                self.insert(
                    schema.repository_import, repository_id=key, source_id=source_id, first_at=at(min(rows)),
                    last_at=at(max(rows)), captures=len(rows), stars=rows[max(rows)],
                )  # fmt: skip

    def refresh(self, step: int, owner: str) -> None:
        for number, life in enumerate(self.history.lives):
            if life.is_listed(step) and life.owner_at(step) == owner:
                self.list_repository(number, life, step, owner)
            elif (
                number in self.stored
                and self.stored[number]["stars"] is not None
                and self.stored[number]["owner"] == owner
            ):
                self.miss_repository(number, life, step)

    def list_repository(self, number: int, life: Life, step: int, owner: str) -> None:
        if number not in self.stored:
            self.create(number, owner)
        stored = self.stored[number]
        stored["was"] = stored["owner"]
        name = f"{owner}/{number}" + ("-new" if life.renamed is not None and step >= life.renamed else "")
        if stored["owner"] != owner:
            stored["owner"] = owner
            self.change(number, "transferred", step, stored["name"])
        elif stored["name"] != name:
            self.change(number, "renamed", step, stored["name"])
        if stored["gone"]:
            self.change(number, "back", step)
        self.gone.setdefault(number, {})[step] = False
        if (owner, name, False) != (stored["was"], stored["name"], stored["gone"]):
            self.update(number, step, account_id=self.accounts[owner], full_name=name, gone_at=None)
        stars, key = life.stars_at(step), self.ids[number]
        if stars != stored["stars"]:
            self.insert(schema.repository_snapshot_open, repository_id=key, captured_at=at(step), stars=stars)
            table = schema.repository_current
            if stored["stars"] is None:
                known = schema.repository
                self.connection.execute(update(known).where(known.c.id == key).values(first_captured_at=at(step)))
                self.insert(table, repository_id=key, captured_at=at(step), stars=stars)
            else:
                self.connection.execute(
                    update(table).where(table.c.repository_id == key).values(captured_at=at(step), stars=stars)
                )
        stored |= {"name": name, "stars": stars, "gone": False}

    def miss_repository(self, number: int, life: Life, step: int) -> None:
        stored = self.stored[number]
        if stored["gone"]:
            return
        if life.is_listed(step):  # GitHub says where it went
            now = life.owner_at(step)
            self.change(number, "transferred", step, stored["name"])
            stored |= {"owner": now, "name": f"{now}/{number}", "gone": False}
            self.update(number, step, account_id=self.accounts[now], full_name=stored["name"], gone_at=None)
        else:
            stored["gone"] = self.gone[number][step] = True
            self.change(number, "gone", step)
            self.update(number, step, gone_at=at(step))

    def is_gone(self, number: int, step: int) -> bool:
        states = [(found, state) for found, state in self.gone.get(number, {}).items() if found <= step]
        return max(states, default=(0, False))[1]


# --- Random histories: refreshes in runs with gaps between them, repositories that rest, appear, disappear and move.

steps = some.integers(0, END)
counts = some.integers(0, 50)
runs = some.lists(
    some.tuples(steps, some.integers(1, 60), some.sampled_from([1, 4, 8, 20])), min_size=1, max_size=4
).map(
    lambda runs: {
        first + index * every for first, many, every in runs for index in range(many) if first + index * every <= END
    }
)
imported_rows = some.dictionaries(
    some.sampled_from(list(IMPORT_CADENCE)), some.dictionaries(steps, counts, min_size=1, max_size=8)
)
lives = some.builds(
    Life,
    created=some.none() | some.integers(-200, END),
    stars=some.dictionaries(steps, counts, max_size=6).map(lambda values: {-1000: 3, **values}),
    absent=some.lists(some.tuples(steps, some.integers(1, 120)), max_size=2).map(
        lambda absences: tuple((first, first + length) for first, length in absences)
    ),
    transferred=some.none() | steps,
    renamed=some.none() | steps,
    imports=some.just({}) | imported_rows,
)
histories = some.builds(
    History,
    captures=some.fixed_dictionaries({"octo": runs, "hooli": runs}),
    lives=some.lists(lives, min_size=1, max_size=3),
)


@pytest.fixture
def months(database: Connection) -> Connection:
    ensure_partitions(database, date(2025, 11, 1), date(2026, 5, 31))
    return database


@dataclass(frozen=True)
class Closing:
    """What was closed of a history when it is read: ours up to a step, then reopened from one on; the imported ones."""

    until: int | None
    reopened: int | None
    imports: bool
    import_reopened: int | None

    def apply(self, connection: Connection) -> None:
        if self.until is not None:
            closed_history.close_own_history(lambda: nullcontext(connection), at(self.until))
        if self.reopened is not None:
            closed_history.reopen_own(connection, at(self.reopened))
        for source_id in closed_history.open_imported_sources(connection) if self.imports else ():
            closed_history.close_imported_history(connection, source_id)
            if self.import_reopened is not None:
                closed_history.reopen_imported(connection, source_id, at(self.import_reopened))


closings = some.builds(
    Closing,
    until=some.none() | some.just(END + 1) | steps,
    reopened=some.none() | steps,
    imports=some.booleans(),
    import_reopened=some.none() | steps,
)


@pytest.mark.slow
@given(
    history=histories,
    closing=closings,
    until=steps,
    days=some.sampled_from([1, 2, 6, 7, 8, 29, 30, 31, 90]),
)
# On Citus the profile has fewer: an example asks all shards forty questions.
@settings(
    max_examples=min(25, settings().max_examples),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_growth_is_the_same_whatever_way_it_is_asked(
    months: Connection, history: History, closing: Closing, until: int, days: int
) -> None:
    """As of any moment and now, whatever is closed, in the repositories and account tables, one repository, movers,
    the city and the totals of accounts.
    """
    clear_frames()
    with months.begin_nested() as undo:
        writer = Writer(months, history)
        writer.write()
        closing.apply(months)
        for step, as_of in ((until, at(until)), (END, at(END)), (END, None)):
            expected = expected_rows(history, writer, step)
            listed = repository_list.matching_repositories(repository_list.Filters(as_of=as_of))
            assert listed_rows(listed) == expected
            assert_growth_of_chosen(listed, as_of)
            assert dict(account_rows(writer, as_of)) == {
                name: (row[0], row[2], row[3]) for name, row in expected.items()
            }
            assert dict(detail_rows(writer, as_of)) == expected
            found = movers.movers(as_of, days)
            assert_movers(found, history, writer, step, days)
        undo.rollback()
    clear_frames()


def expected_rows(history: History, writer: Writer, step: int) -> dict[int, tuple[Any, ...]]:
    """Return stars, growth in 7 and 30 days and time of the last capture, by repository."""
    rows = {}
    for number in writer.ids:
        last = last_captured(history, number, step)
        if last is not None:
            gained = [expected_growth(history, number, step, days) for days in (7, 30)]
            rows[number] = (last[1], *gained, at(last[0]))
    return rows


def number_of(full_name: str) -> int:
    return int(full_name.partition("/")[2].removesuffix("-new"))


def plain(value: Any) -> Any:
    return (
        None
        if value is None or value != value
        else value.to_pydatetime()
        if hasattr(value, "to_pydatetime")
        else int(value)
    )


def listed_rows(frame: DataFrame) -> dict[int, tuple[Any, ...]]:
    frame = without_na(frame)
    names = ("stars", "stars_7d", "stars_30d", "checked_at")
    return {number_of(row["full_name"]): tuple(plain(row[name]) for name in names) for _, row in frame.iterrows()}


def detail_rows(writer: Writer, as_of: datetime | None) -> Iterator[tuple[int, tuple[Any, ...]]]:
    for account_id in writer.accounts.values():
        yield from listed_rows(repository_detail.by_account(account_id, as_of)).items()


def account_rows(writer: Writer, as_of: datetime | None) -> Iterator[tuple[int, tuple[Any, ...]]]:
    for account_id in writer.accounts.values():
        frame = account_repositories.list_repositories(account_id, as_of).assign(stars_7d=None)
        for number, (stars, _, month, checked_at) in listed_rows(frame).items():
            yield number, (stars, month, checked_at)


def assert_growth_of_chosen(listed: DataFrame, as_of: datetime | None) -> None:
    """Compare the city and the totals of accounts, which compute growth of what they choose, with all repositories."""
    rows = without_na(listed[~listed["is_gone"].astype(bool) & listed["stars"].notna()])
    city = without_na(scene.city_repositories(scene.CityFilters(as_of=as_of)))
    names = ["full_name", "stars", "stars_30d"]
    assert sorted(city[names].itertuples(index=False)) == sorted(rows[names].itertuples(index=False))
    totals = {
        owner: (owned["stars"].sum(), len(owned), sum(gained) if gained else None)
        for owner, owned in rows.groupby("owner")
        for gained in [owned["stars_30d"].dropna().tolist()]
    }
    found = without_na(peers.totals_of(["octo", "hooli"], as_of))
    assert totals == {row.login: (row.stars, row.repositories, row.stars_30d) for row in found.itertuples()}


def without_na(frame: DataFrame) -> DataFrame:
    return frame.astype(object).where(frame.notna(), None)


def assert_movers(found: movers.Movers, history: History, writer: Writer, step: int, days: int) -> None:
    rows, compared, not_captured, unknown = {}, 0, 0, 0
    lasts = {number: last for number in writer.ids if (last := last_captured(history, number, step))}
    captures = [one for steps in history.captures.values() for one in steps]
    captures += [one for life in history.lives for imported in life.imports.values() for one in imported]
    newest = max((one for one in captures if one <= step), default=None)
    assert found.newest_at == (None if newest is None else at(newest))
    for number, last in lasts.items():
        if writer.is_gone(number, step):
            continue
        growth = expected_growth(history, number, step, days)
        if newest is None or at(last[0]) <= at(newest) - 7 * DAY:
            not_captured += 1
        elif growth is None:
            unknown += 1
        else:
            compared += 1
            rows[number] = (growth, at(last[0]), last[2])
    assert (found.compared, found.not_captured, found.unknown_at_start) == (compared, not_captured, unknown)
    assert rows == {
        number_of(row.full_name): (int(row.growth), row.until_at.to_pydatetime(), row.source)
        for row in found.rows.itertuples()
    }
    assert found.rows["growth"].is_monotonic_decreasing


@pytest.mark.one_postgres("the coordinator plans no joins")
@pytest.mark.parametrize("off", ["nestloop", "nestloop hashjoin"])
def test_months_that_are_read_as_a_whole_are_joined_by_repository(database: Connection, off: str) -> None:
    """Whichever join of many rows Postgres prefers. By month alone each of one would be compared with all starts."""
    found = movers.movers(at(END), 14).rows.attrs
    for name in off.split():
        database.execute(text(f"SET LOCAL enable_{name} = off"))
    plan = database.execute(text(f"EXPLAIN (FORMAT JSON) {found['sql']}"), found["values"]).scalar_one()[0]["Plan"]
    joins = [join for join in nodes(plan) if "start_month[" in join.get("Join Filter", "")]
    assert len(joins) == growth.MAX_PLAIN_DAYS
    for join in joins:
        assert "repository_id" in join.get("Hash Cond", "") + join.get("Merge Cond", "")


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)
