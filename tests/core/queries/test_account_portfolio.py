"""The shape of an account's portfolio, its languages, its people, its calendar, its nearest peers."""

from datetime import date

import pytest
from sqlalchemy import insert

from core.db import schema
from core.db.data_version import publish_data_version
from core.queries import account_portfolio, peers
from tests import seed_data
from tests.seed_data import utc

READ = utc("2026-02-01")


@pytest.fixture
def octo(database) -> int:
    """Repositories with 1, 1, 2 and 4 stars, a fork with 8, a deleted one; contributors of two of them."""
    account = seed_data.add_account(database, "octo", github_id=1, kind="user", created_at=utc("2015-01-01"))
    stored = {}
    for name, stars, language, values in (
        ("a", 1, "C", {}), ("b", 1, "Go", {}), ("c", 2, None, {}), ("d", 4, "C", {}),
        ("fork", 8, "Rust", {"is_fork": True}), ("gone", 99, "C", {"gone_at": utc("2026-01-02")}),
    ):  # fmt: skip
        stored[name] = seed_data.add_repository(
            database, f"octo/{name}", {"2026-01-01": stars}, primary_language=language, **values
        )
    for name, people in (("a", {"ada": 9, "bob": 1}), ("d", {"ada": 6, "eve": 4, "robot[bot]": 90})):
        add_contributors(database, stored[name], people)
    for name, language, amount in (("a", "C", 300), ("d", "Go", 100), ("fork", "Rust", 1200)):
        row = {"repository_id": stored[name], "captured_at": READ, "language": language, "bytes": amount}
        database.execute(insert(schema.repository_language).values(row))
    publish_data_version(database)
    return account


def add_contributors(database, repository_id: int, people: dict[str, int], factor: int = 1) -> None:
    commits = sum(count for login, count in people.items() if "[bot]" not in login)
    database.execute(
        insert(schema.contributor_snapshot).values(
            repository_id=repository_id, captured_at=READ, contributors=len(people), bots=0, commits=commits,
            absence_factor=factor, is_complete=True,
        )
    )  # fmt: skip
    for number, (login, count) in enumerate(people.items()):
        database.execute(
            insert(schema.repository_contributor).values(
                repository_id=repository_id, github_id=number, login=login, is_bot="[bot]" in login, commits=count
            )
        )
    values = {"repository_id": repository_id, "kind": "contributors", "captured_at": READ, "due_at": utc("2100-01-01")}
    database.execute(insert(schema.enrichment).values(**values, state="stored"))


def test_the_shape_leaves_forks_out_unless_asked(octo):
    rows = account_portfolio.repositories(octo, None, forks=False)
    assert rows["full_name"].str.removeprefix("octo/").tolist() == ["a", "b", "c", "d"]
    assert rows["repository_share"].tolist() == [0.25, 0.5, 0.75, 1.0]
    assert rows["star_share"].tolist() == [0.125, 0.25, 0.5, 1.0]
    # Two repositories have two stars or more; the arithmetic of 0.3125 is in test_portfolio.
    assert account_portfolio.shape_of(rows) == account_portfolio.Shape(4, 8, 2, 0.3125)
    with_forks = account_portfolio.repositories(octo, None, forks=True)
    assert account_portfolio.shape_of(with_forks).stars == 16


def test_key_people_are_those_who_made_half_of_the_commits(octo, database):
    rows = account_portfolio.repositories(octo, None, forks=False)
    known = rows.dropna(subset=["absence_factor"])
    assert known["top_contributor"].tolist() == ["ada", "ada"]
    assert known["top_share"].tolist() == [0.9, 0.6]  # the bot's 90 commits do not count
    assert account_portfolio.exposure_of(rows) == account_portfolio.Exposure(2, 5, 2, 5, "ada", 2)
    before = account_portfolio.repositories(octo, utc("2026-01-15"), forks=False)
    assert before["absence_factor"].isna().all()
    assert account_portfolio.exposure_of(before) == account_portfolio.Exposure(0, 0, 0, 0, None, 0)


@pytest.mark.parametrize(
    ("by", "forks", "expected"),
    [
        ("bytes", False, {"C": (300, 0.75), "Go": (100, 0.25)}),
        ("bytes", True, {"Rust": (1200, 0.75), "C": (300, 0.1875), "Go": (100, 0.0625)}),
        ("repositories", False, {"C": (2, 2 / 3), "Go": (1, 1 / 3)}),
        ("stars", False, {"C": (5, 5 / 6), "Go": (1, 1 / 6)}),
        ("stars", True, {"Rust": (8, 8 / 14), "C": (5, 5 / 14), "Go": (1, 1 / 14)}),
    ],
)
def test_languages_by_each_measure_with_and_without_forks(octo, by, forks, expected):
    rows = account_portfolio.language_shares(octo, None, by, forks=forks)
    assert rows["language"].tolist() == list(expected)
    assert list(zip(rows["weight"], rows["share"], strict=True)) == [
        (weight, pytest.approx(share)) for weight, share in expected.values()
    ]


def test_an_account_without_repositories_has_an_empty_portfolio(database):
    account = seed_data.add_account(database, "nobody")
    rows = account_portfolio.repositories(account, None, forks=True)
    assert rows.empty
    assert account_portfolio.shape_of(rows) == account_portfolio.Shape(0, 0, 0, None)
    for by in ("bytes", "repositories", "stars"):
        assert account_portfolio.language_shares(account, None, by, forks=True).empty
    assert account_portfolio.contributions(account, None).empty
    assert peers.nearest_accounts(account, None).empty


def test_the_calendar_has_every_day_that_was_read_up_to_the_last_complete_one(octo, database):
    for day, read, count in (
        ("2026-01-02", "2026-01-04", 3),
        ("2026-01-02", "2026-01-06", 5),
        ("2026-01-05", "2026-01-06", 1),
    ):
        database.execute(
            insert(schema.contribution_day).values(
                account_id=octo, day=date.fromisoformat(day), captured_at=utc(read), contributions=count
            )
        )
    values = {"kind": "contributions", "captured_at": utc("2026-01-08 09:00"), "due_at": utc("2100-01-01")}
    row = insert(schema.enrichment).values(**values, account_id=octo, state="stored", first_day=date(2026, 1, 1))
    database.execute(row)
    publish_data_version(database)

    def by_day(as_of):
        frame = account_portfolio.contributions(octo, as_of)
        return {f"{day:%d}": int(count) for day, count in zip(frame["day"], frame["contributions"], strict=True)}

    assert by_day(None) == {"01": 0, "02": 5, "03": 0, "04": 0, "05": 1, "06": 0, "07": 0}
    # Read on the 4th: what is known begins with the first stored day, and the 4th was not over.
    assert by_day(utc("2026-01-05")) == {"02": 3, "03": 0}


def test_the_nearest_peers_are_those_around_the_account(database):
    logins = [f"p{number:02d}" for number in range(25)]
    ids = {}
    for number, login in enumerate(logins):
        ids[login] = seed_data.add_account(database, login, created_at=utc("2015-01-01"), kind="user")
        seed_data.add_repository(
            database, f"{login}/r", {"2026-01-01": 1000 - number}, primary_language="C", growth={30: number}
        )
    publish_data_version(database)
    for as_of in (None, utc("2026-06-30")):
        around = peers.nearest_accounts(ids["p12"], as_of)
        assert around["login"].tolist() == logins[2:23]
        assert around.loc[around["is_self"], "login"].tolist() == ["p12"]
        assert peers.nearest_accounts(ids["p00"], as_of)["login"].tolist() == logins[:11]
