"""What an account and its repositories were at any time equals a list of everything that GitHub reported until then."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some
from sqlalchemy import Connection, text

from core.db.data_version import publish_data_version
from core.db.partitions import ensure_partitions
from core.queries import accounts, repository_detail, repository_list
from core.web.api.conditional import records
from ingest.github import Account, AccountSnapshot, Repository
from ingest.refresh import writer
from ingest.refresh.comparison import Response
from ingest.refresh.missing_repositories import MissingRepositories
from ingest.refresh.store import store_accounts
from tests import seed_data

RUN = 1
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOGINS = {1: ["a", "a2", "a3"], 2: ["b", "b2", "a"]}
PROFILE = ("login", "name", "company", "location", "website", "bio")
ATTRIBUTES = (
    *("full_name", "description", "homepage", "license", "primary_language", "default_branch"),
    *("is_fork", "is_archived", "is_template", "topics", "pushed_at"),
)
TEXTS = (None, "one", "two")


@dataclass
class Reported:
    """The slow version: every state that GitHub reported, by GitHub's id, oldest first."""

    accounts: dict[int, list[tuple[datetime, dict[str, Any]]]] = field(default_factory=dict)
    repositories: dict[int, list[tuple[datetime, dict[str, Any]]]] = field(default_factory=dict)

    def report(self, subject: str, github_id: int, at: datetime, **changes: Any) -> None:
        states = getattr(self, subject).setdefault(github_id, [])
        states.append((at, {**(states[-1][1] if states else {}), **changes}))

    def last(self, subject: str, github_id: int, at: datetime) -> dict[str, Any] | None:
        states = [state for reported_at, state in getattr(self, subject).get(github_id, []) if reported_at <= at]
        return states[-1] if states else None

    def owned(self, account: int, at: datetime) -> dict[int, dict[str, Any]]:
        states = {github_id: self.last("repositories", github_id, at) for github_id in self.repositories}
        return {github_id: state for github_id, state in states.items() if state and state["owner"] == account}


class World:
    """Two accounts and four repositories that change, move, disappear and come back at random."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.profiles = {id_: self.random_profile(id_) for id_ in LOGINS}
        self.repositories: dict[int, dict[str, Any]] = {id_: self.random_repository(START) for id_ in range(10, 14)}

    def random_profile(self, id_: int) -> dict[str, Any]:
        return {"login": self.rng.choice(LOGINS[id_]), **{name: self.rng.choice(TEXTS) for name in PROFILE[1:]}}

    def random_repository(self, now: datetime) -> dict[str, Any]:
        choose = self.rng.choice
        return {
            "owner": choose((1, 1, 2, None)),
            "name": choose(("x", "y", "z")),
            **{name: choose(TEXTS) for name in ATTRIBUTES[1:6]},
            **{name: choose((False, True)) for name in ATTRIBUTES[6:9]},
            "topics": choose((None, (), ("t", "s"))),
            "pushed_at": choose((None, now - timedelta(hours=3), START - timedelta(days=9))),
        }

    def change(self, now: datetime) -> None:
        for id_ in self.profiles:
            if self.rng.random() < 0.3:
                self.profiles[id_] = self.random_profile(id_)
        for id_, state in self.repositories.items():
            names = [name for name in state if self.rng.random() < 0.15]
            drawn = self.random_repository(now)
            self.repositories[id_] = {**state, **{name: drawn[name] for name in names}}

    def account(self, id_: int) -> Account:
        return Account(github_id=id_, kind="user", created_at=START - timedelta(days=900), **self.profiles[id_])

    def repository(self, id_: int) -> Repository:
        state = dict(self.repositories[id_])
        owner, name = state.pop("owner"), state.pop("name")
        login = self.profiles[owner]["login"]
        return Repository(
            github_id=id_, owner_id=owner, owner_login=login, name=name, full_name=f"{login}/{name}",
            created_at=START - timedelta(days=800), stars=id_, forks=0, size_kb=1, **state,
        )  # fmt: skip


def refresh(
    connection: Connection, world: World, reported: Reported, account: int, at: datetime, now: datetime | None = None
) -> None:
    """Store what GitHub says of *account*, through the product and in the slow list; *now*: a late response's time."""
    refresh_together(connection, world, reported, [account], at, now)


def refresh_together(
    connection: Connection,
    world: World,
    reported: Reported,
    owners: Sequence[int],
    at: datetime,
    now: datetime | None = None,
) -> None:
    """Store what GitHub says of *owners*, together where no two responses are about one repository."""
    responses = [response_about(world, reported, one, at) for one in owners]
    ids = [id_ for one in responses for id_ in one.repository_ids]
    for group in [responses] if len(ids) == len(set(ids)) else [[one] for one in responses]:
        store_accounts(
            connection, RUN, group,
            language_states={}, now=now or at, default_cadence=timedelta(days=1), rng=random.Random(1),
        )  # fmt: skip
    for account, response in zip(owners, responses, strict=True):
        reported.report("accounts", account, at, gone=False, **world.profiles[account])
        for one in (*response.listed, *response.missing.moved.values()):
            state = {name: getattr(one, name) for name in ATTRIBUTES}
            if one.topics is None:  # not reported does not mean removed
                state["topics"] = (reported.last("repositories", one.github_id, at) or {}).get("topics")
            reported.report("repositories", one.github_id, at, owner=one.owner_id, is_gone=False, **state)
        for id_ in response.missing.gone:
            reported.report("repositories", id_, at, is_gone=True)


def response_about(world: World, reported: Reported, account: int, at: datetime) -> Response:
    stored = {id_ for id_, state in reported.owned(account, at).items() if not state["is_gone"]}
    listed = [id_ for id_, state in world.repositories.items() if state["owner"] == account]
    away = stored - set(listed)
    gone = [id_ for id_ in away if world.repositories[id_]["owner"] is None]
    moved = [id_ for id_ in away if id_ not in gone]
    snapshot = AccountSnapshot(world.account(account), tuple(map(world.repository, listed)), {}, at, True)
    missing = MissingRepositories((), {id_: world.repository(id_) for id_ in moved}, dict.fromkeys(gone, "404"))
    return Response(world.profiles[account]["login"], snapshot, missing)


def delete(connection: Connection, reported: Reported, account: int, at: datetime) -> None:
    id_ = connection.execute(text("SELECT id FROM account WHERE github_id = :id"), {"id": account}).scalar_one()
    writer.mark_account_gone(connection, id_, "not found", at, RUN)
    reported.report("accounts", account, at, gone=True)
    for github_id, state in reported.owned(account, at).items():
        if not state["is_gone"]:
            reported.report("repositories", github_id, at, is_gone=True)


def comparable(state: dict[str, Any]) -> dict[str, Any]:
    topics = state["topics"]
    return {
        **{name: None if name == "topics" or state[name] is pd.NaT else state[name] for name in ATTRIBUTES},
        "topics": None if topics is None else sorted(topics),
        "is_gone": bool(state["is_gone"]),
    }


@settings(max_examples=6, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some.integers(0, 10**9))
def test_attributes_as_of_any_time_are_those_last_reported(database: Connection, seed: int) -> None:
    rng = random.Random(seed)
    reported, world = Reported(), World(rng)
    seed_data.delete_stored(database)
    ensure_partitions(database, START.date(), (START + timedelta(days=90)).date())
    times, at = [], START
    for _ in range(9):
        account = rng.choice([1, 1, 2])
        if rng.random() < 0.15 and account in reported.accounts:
            delete(database, reported, account, at)
        else:
            refresh_together(database, world, reported, rng.choice([[account], [1, 2]]), at)
        times.append(at)
        at += timedelta(days=rng.choice((0.5, 1, 9)))
        world.change(at)
    publish_data_version(database)
    for moment in {None, *(time + shift for time in times[::3] for shift in (timedelta(0), -timedelta(seconds=1)))}:
        check_accounts(database, reported, moment, at)
        check_repositories(database, reported, moment, at)


def check_accounts(database: Connection, reported: Reported, moment: datetime | None, now: datetime) -> None:
    for github_id in reported.accounts:
        id_ = database.execute(text("SELECT id FROM account WHERE github_id = :id"), {"id": github_id}).scalar_one()
        shown, expected = accounts.summary(id_, moment), reported.last("accounts", github_id, moment or now)
        if expected is None:
            first = reported.accounts[github_id][0][1]
            assert (shown.login, shown.bio, shown.name, shown.gone_at) == (first["login"], None, None, None)
            continue
        assert {name: getattr(shown, name) for name in PROFILE} == {name: expected[name] for name in PROFILE}
        assert (shown.gone_at is not None) == expected["gone"]
        assert accounts.find(expected["login"], moment) is not None


def check_repositories(database: Connection, reported: Reported, moment: datetime | None, now: datetime) -> None:
    shown_ids = set()
    for account in reported.accounts:
        id_ = database.execute(text("SELECT id FROM account WHERE github_id = :id"), {"id": account}).scalar_one()
        shown = {row["id"]: comparable(row) for row in records(repository_detail.by_account(id_, moment))}
        assert shown == {key: comparable(state) for key, state in reported.owned(account, moment or now).items()}
        shown_ids |= {state["full_name"] for state in shown.values()}
    listed = records(repository_list.matching_repositories(repository_list.Filters(as_of=moment)))
    assert shown_ids <= {row["full_name"] for row in listed}


def test_an_older_response_does_not_bring_a_deleted_account_back(database: Connection) -> None:
    """It was sent at 12:01, the account not found at 12:02, and the response is stored at 12:03."""
    world, reported = World(random.Random(1)), Reported()
    minutes = [START + timedelta(minutes=n) for n in range(9)]
    refresh(database, world, reported, 1, minutes[0])
    delete(database, reported, 1, minutes[2])
    refresh(database, world, reported, 1, minutes[1], now=minutes[3])
    gone = "SELECT gone_at FROM account WHERE github_id = 1"
    assert database.scalars(text(gone)).all() == [minutes[2]]
    backwards = "SELECT count(*) FROM repository_version WHERE since > until"
    assert database.scalar(text(backwards)) == 0
    # What GitHub says next counts again.
    refresh(database, world, reported, 1, minutes[4])
    assert database.scalars(text(gone)).all() == [None]


def test_a_deletion_in_the_future_of_a_wrong_clock_does_not_keep_an_account_away(database: Connection) -> None:
    world, reported = World(random.Random(1)), Reported()
    refresh(database, world, reported, 1, START)
    delete(database, reported, 1, START + timedelta(days=365))
    refresh(database, world, reported, 1, START + timedelta(days=1))
    assert database.scalars(text("SELECT gone_at FROM account WHERE github_id = 1")).all() == [None]


def test_an_older_response_of_the_former_owner_does_not_take_a_repository_back(database: Connection) -> None:
    """The former owner's response is of 12:00:01, the new owner's of 12:00:05; the former's is stored last."""
    world, reported = World(random.Random(1)), Reported()
    world.profiles = {1: {**world.profiles[1], "login": "a"}, 2: {**world.profiles[2], "login": "b"}}
    world.repositories = {10: {**world.repositories[10], "owner": 1, "name": "x"}}
    refresh(database, world, reported, 1, START)
    world.repositories[10]["owner"] = 2
    refresh(database, world, reported, 2, START + timedelta(seconds=5))
    world.repositories[10]["owner"] = 1
    refresh(database, world, reported, 1, START + timedelta(seconds=1))
    owner = "SELECT login, full_name FROM repository JOIN account ON account.id = account_id"
    assert database.execute(text(owner)).all() == [("b", "b/x")]
    transfers = "SELECT before, after FROM change WHERE kind = 'transferred'"
    assert database.execute(text(transfers)).all() == [("a/x", "b/x")]
    # What GitHub says next counts again.
    refresh(database, world, reported, 1, START + timedelta(seconds=9))
    assert database.execute(text(owner)).all() == [("a", "a/x")]
