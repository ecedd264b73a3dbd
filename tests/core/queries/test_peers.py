"""Fair rank among peers: the same language and age class, counted, equals half, hidden below twenty."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from core.db.data_version import publish_data_version
from core.queries import peers
from tests import seed_data
from tests.seed_data import utc

AT = utc("2026-06-30 12:00")


def add(database, name: str, stars: int, created: str = "2024-01-01", **values: object) -> int:
    values = {"primary_language": "Python", "created_at": utc(created), **values}
    return seed_data.add_repository(database, name, {"2026-01-01": stars}, **values)


def only_row(frame) -> dict:
    (row,) = frame.to_dict("records")
    return row


def add_with_thirty_peers(database, at: datetime) -> int:
    """A repository of 100 stars; at *at* 20 peers have fewer, 2 as many, 8 more; and others that are no peers."""

    def add_of_age(name: str, stars: int, days: int = 700, **values: object) -> int:
        return add(database, name, stars, created_at=at - timedelta(days=days), **values)

    subject = add_of_age("octo/cat", 100)
    for number, stars in enumerate([*range(1, 21), 100, 100, *range(200, 208)]):
        add_of_age(f"octo/peer{number}", stars)
    add_of_age("octo/fork", 1, is_fork=True)
    add_of_age("octo/rust", 1, primary_language="Rust")
    add_of_age("octo/old", 1, days=5000)
    add_of_age("octo/young", 1, days=100)
    add_of_age("octo/gone", 1, gone_at=utc("2026-01-02"))
    publish_data_version(database)
    return subject


@pytest.mark.parametrize("as_of", [None, AT])
def test_the_rank_counts_peers_of_the_same_language_and_age_and_equals_half(database, as_of):
    subject = add_with_thirty_peers(database, as_of or datetime.now(UTC))
    row = only_row(peers.repository_ranks([subject], as_of))
    # (20 + 2 / 2) / 30
    assert (row["language"], row["age_class"], row["peers"], row["rank"]) == ("Python", "1 to 3 years", 30, 0.7)


def test_as_of_a_day_the_age_and_the_stars_are_those_of_then(database):
    subject = seed_data.add_repository(
        database, "octo/cat", {"2024-06-01": 5, "2026-01-01": 900}, primary_language="Python",
        created_at=utc("2024-01-01"),
    )  # fmt: skip
    for number in range(20):
        seed_data.add_repository(
            database, f"octo/p{number}", {"2024-06-01": 10, "2026-01-01": 20}, primary_language="Python",
            created_at=utc("2024-01-01"),
        )  # fmt: skip
    publish_data_version(database)
    then = only_row(peers.repository_ranks([subject], utc("2024-07-01")))
    assert (then["age_class"], then["peers"], then["rank"]) == ("younger than a year", 20, 0.0)
    later = only_row(peers.repository_ranks([subject], AT))
    assert (later["age_class"], later["rank"]) == ("1 to 3 years", 1.0)


def test_below_twenty_peers_they_are_counted_and_the_rank_is_hidden(database):
    subject = add(database, "octo/cat", 100)
    for number in range(19):
        add(database, f"octo/peer{number}", number)
    publish_data_version(database)
    row = only_row(peers.repository_ranks([subject], AT))
    assert row["peers"] == 19
    assert row["rank"] != row["rank"] or row["rank"] is None
    add(database, "octo/twentieth", 500)
    publish_data_version(database)
    assert only_row(peers.repository_ranks([subject], AT))["rank"] == 0.95  # 19 / 20


@pytest.mark.parametrize(
    ("values", "why"),
    [({"is_fork": True}, "fork"), ({"created_at": None}, "age unknown"), ({"primary_language": None}, "no language")],
)
def test_what_cannot_be_ranked_says_why(database, values, why):
    subject = add(database, "octo/cat", 100, **values)
    add(database, "octo/dog", 50)
    publish_data_version(database)
    row = only_row(peers.repository_ranks([subject], AT))
    assert (row["unranked"], row["peers"]) == (why, 0)


@pytest.mark.parametrize(
    ("created", "name"),
    [
        ("2025-06-30 12:00", "1 to 3 years"),
        ("2025-06-30 12:01", "younger than a year"),
        ("2023-06-30 12:00", "3 to 5 years"),
        ("2021-06-30 12:00", "5 to 10 years"),
        ("2016-06-30 12:01", "5 to 10 years"),
        ("2016-06-30 12:00", "10 years and older"),
    ],
)
def test_a_class_begins_on_the_birthday(database, created, name):
    subject = add(database, "octo/cat", 1, created=created)
    publish_data_version(database)
    assert only_row(peers.repository_ranks([subject], AT))["age_class"] == name


def test_an_account_is_ranked_by_the_language_with_most_stars_and_by_its_own_age(database):
    def account(login: str, stars: int, language: str = "Python", created: str = "2015-01-01") -> int:
        created_id = seed_data.add_account(database, login, created_at=utc(created), kind="user")
        add(database, f"{login}/main", stars, primary_language=language)
        return created_id

    subject = account("octo", 60)
    add(database, "octo/more", 50, primary_language="Python")
    add(database, "octo/rust", 100, primary_language="Rust")
    add(database, "octo/fork", 40, primary_language="Go", is_fork=True)
    for number in range(20):
        account(f"p{number}", 240 + number)  # ten have fewer than 250
    account("rusty", 1, language="Rust")
    account("new", 1, created="2026-01-01")
    publish_data_version(database)
    row = only_row(peers.account_ranks([subject], AT))
    # Python 110, Rust 100, and the fork's Go does not count; its 40 stars do: 250 in all, one peer has as many.
    assert (row["language"], row["age_class"], row["peers"]) == ("Python", "10 years and older", 20)
    assert row["rank"] == 0.525  # (10 + 1 / 2) / 20


def test_ranks_equal_a_slow_obvious_version(database):
    chance = random.Random(7)
    rows = {}
    for number in range(90):
        created = datetime(2026, 6, 30, tzinfo=UTC) - timedelta(days=chance.choice([100, 700, 5000]))
        language, stars = chance.choice(["C", "Go"]), chance.randrange(12)
        id_ = seed_data.add_repository(
            database, f"octo/r{number}", {"2026-01-01": stars}, primary_language=language, created_at=created
        )
        rows[id_] = (language, created, stars)
    publish_data_version(database)
    found = peers.repository_ranks(list(rows), AT).set_index("id")
    for id_, (language, created, stars) in rows.items():
        others = [o[2] for other, o in rows.items() if other != id_ and o[:2] == (language, created)]
        assert found.loc[id_, "peers"] == len(others)
        if len(others) >= 20:
            expected = sum(1 if other < stars else 0.5 if other == stars else 0 for other in others) / len(others)
            assert found.loc[id_, "rank"] == pytest.approx(expected)
