"""A busy world moves where anybody can see it, and the same seed moves the same way."""

from datetime import UTC, datetime

from ingest.sandbox import World
from ingest.sandbox.world.ground_truth import ground_truth
from ingest.sandbox.world.random_activity import RandomActivity

STEPS = 200
FROZEN_AT = datetime(2026, 9, 14, 12, tzinfo=UTC)


def states_before_and_after(seed=7):
    world = World(accounts=6, repositories=90, seed=3, frozen_at=FROZEN_AT)
    before = {login: ground_truth(world, login) for login in world.logins()}
    bustle = RandomActivity(world, seed)
    for _ in range(STEPS):
        bustle.step()
    return before, {login: ground_truth(world, login) for login in world.logins()}


def repository_names(told):
    return {one["full_name"] for account in told.values() for one in account["repositories"]}


def total_stars(told):
    return sum(one["stars"] for account in told.values() for one in account["repositories"])


def test_stars_come_names_change_and_licences_too():
    before, after = states_before_and_after()
    assert total_stars(after) > total_stars(before)
    assert repository_names(after) - repository_names(before)


def test_the_same_seed_does_the_same():
    assert states_before_and_after()[1] == states_before_and_after()[1]
