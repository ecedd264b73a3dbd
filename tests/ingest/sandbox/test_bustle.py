"""A busy world moves where anybody can see it, and the same seed moves the same way."""

from datetime import UTC, datetime

from ingest.sandbox import World
from ingest.sandbox.bustle import Bustle
from ingest.sandbox.truth import truth

STEPS = 200
NOON = datetime(2026, 9, 14, 12, tzinfo=UTC)


def busy(seed=7):
    world = World(accounts=6, repositories=90, seed=3, frozen_at=NOON)
    before = {login: truth(world, login) for login in world.logins()}
    bustle = Bustle(world, seed)
    for _ in range(STEPS):
        bustle.step()
    return before, {login: truth(world, login) for login in world.logins()}


def names(told):
    return {one["full_name"] for account in told.values() for one in account["repositories"]}


def stars(told):
    return sum(one["stars"] for account in told.values() for one in account["repositories"])


def test_stars_come_names_change_and_licences_too():
    before, after = busy()
    assert stars(after) > stars(before)
    assert names(after) - names(before)


def test_the_same_seed_does_the_same():
    assert busy()[1] == busy()[1]
