"""A busy world moves where anybody can see it, and the same seed moves the same way."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from core.errors import BadInput
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


def repository_names(accounts):
    return {one["full_name"] for account in accounts.values() for one in account["repositories"]}


def total_stars(accounts):
    return sum(one["stars"] for account in accounts.values() for one in account["repositories"])


def test_stars_come_names_change_and_licences_too():
    before, after = states_before_and_after()
    assert total_stars(after) > total_stars(before)
    assert repository_names(after) - repository_names(before)


def test_the_same_seed_does_the_same():
    assert states_before_and_after()[1] == states_before_and_after()[1]


def busy_world(log, steps, *, hours_later=0):
    world = World(accounts=6, repositories=90, seed=3, frozen_at=FROZEN_AT)
    world.advance(hours=hours_later)
    bustle = RandomActivity(world, 7, log)
    for _ in range(steps):
        world.advance(seconds=1)
        bustle.step()
    return world


def contents(world):
    return {login: ground_truth(world, login) for login in world.logins()}


def test_a_second_start_goes_on_where_the_first_stopped(tmp_path):
    """The same repositories, names, pushes and days of stars as at the same time without a stop."""
    log = tmp_path / "activity.jsonl"
    first = busy_world(log, STEPS)
    second = busy_world(log, 0, hours_later=2)
    first.advance(hours=2, seconds=-STEPS)
    assert first.now() == second.now()
    assert contents(second) == contents(first)
    changes = {one.full_name: one.star_changes for one in first.repositories.values()}
    assert {one.full_name: one.star_changes for one in second.repositories.values()} == changes


def test_what_happens_after_a_second_start_is_no_repetition(tmp_path):
    log = tmp_path / "activity.jsonl"
    sizes = [0]
    for _ in range(2):
        busy_world(log, 20)
        sizes.append(len(log.read_text()))
    written = [log.read_text()[start:end] for start, end in pairwise(sizes)]
    assert [line.partition(",")[2] for line in written[0].splitlines()] != [
        line.partition(",")[2] for line in written[1].splitlines()
    ]


def test_the_file_of_a_sandbox_that_ran_for_long_is_merged_by_hour(tmp_path):
    """It shows the same then, and a day of activity is as long as before."""
    log = tmp_path / "activity.jsonl"
    first = busy_world(log, 2_000)
    written = log.read_text()
    busy_world(log, 0, hours_later=23)
    assert log.read_text() == written
    second = busy_world(log, 0, hours_later=30)
    assert len(log.read_text()) < len(written) / 4
    first.advance(hours=30, seconds=-2_000)
    assert contents(second) == contents(first)
    third = busy_world(log, 0, hours_later=30)
    assert contents(third) == contents(first)


@pytest.mark.parametrize("kept", ["", '[1789387200, "star", "'])
def test_a_line_that_was_not_written_to_its_end_is_removed(tmp_path, kept):
    log = tmp_path / "activity.jsonl"
    first = busy_world(log, 3)
    with log.open("a") as file:
        file.write(kept)
    second = busy_world(log, 0)
    second.advance(seconds=3)
    assert contents(second) == contents(first)
    assert log.read_text().endswith("]\n")


@pytest.mark.parametrize(
    "line", ["stars", "[]", '[1789387200, "star", "nobody/nothing", 1]', '[1789387200, "fly"]', "1"]
)
def test_a_line_that_is_no_edit_is_named(tmp_path, line):
    log = tmp_path / "activity.jsonl"
    log.write_text(line + "\n")
    with pytest.raises(BadInput, match=r"Line 1 of .*activity\.jsonl is no edit"):
        busy_world(log, 0)
