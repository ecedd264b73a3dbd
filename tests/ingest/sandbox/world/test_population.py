"""The sandbox accounts are the same for everybody, live with the clock, and change when they are edited."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sandbox import World
from ingest.sandbox.world import star_history
from ingest.sandbox.world.ground_truth import ground_truth
from ingest.sandbox.world.growth_curves import DAY, FakeStars, GrowthCurve, PopularityWave, PushSchedule

FROZEN_AT = datetime(2026, 9, 14, 12, tzinfo=UTC)
CREATED_AT = 1_500_000_000


def all_ground_truth(world: World) -> list[dict[str, object]]:
    return [ground_truth(world, login) for login in world.logins()]


def small_world(seed: int = 5, frozen_at: datetime | None = FROZEN_AT) -> World:
    return World(accounts=8, repositories=120, seed=seed, frozen_at=frozen_at)


def test_the_same_seed_and_moment_give_the_same_world():
    assert all_ground_truth(small_world()) == all_ground_truth(small_world())
    assert all_ground_truth(small_world()) != all_ground_truth(small_world(seed=6))


def test_a_world_has_exactly_the_repositories_asked_for():
    world = World(accounts=30, repositories=800, biggest=500, seed=1, frozen_at=FROZEN_AT)
    sizes = [len(world.owned(account)) for account in world.accounts]
    assert (sum(sizes), sizes[0], world.accounts[0].kind) == (800, 500, "Organization")
    assert len({r.id for r in world.repositories.values()}) == 800
    assert len({r.full_name.lower() for r in world.repositories.values()}) == 800


@pytest.mark.parametrize(("accounts", "repositories", "biggest"), [(1, 0, None), (1, 5, 5), (3, 7, 7), (2, 9, 3)])
def test_small_worlds_add_up_too(accounts, repositories, biggest):
    world = World(accounts=accounts, repositories=repositories, biggest=biggest, seed=1, frozen_at=FROZEN_AT)
    assert len(world.repositories) == repositories
    assert len(world.logins()) == accounts


def test_an_organization_of_three_thousand_repositories_is_possible():
    world = World(accounts=5, repositories=3100, biggest=3000, frozen_at=FROZEN_AT)
    assert len(world.owned(world.accounts[0])) == 3000


def test_a_world_shows_what_a_client_may_meet():
    world = World(accounts=60, repositories=1500, frozen_at=FROZEN_AT)
    repositories = list(world.repositories.values())
    counts = [r.counts(world.now()) for r in repositories]
    assert any(r.empty and c.pushed_at is None and not c.languages for r, c in zip(repositories, counts, strict=True))
    assert any(c.archived for c in counts)
    assert any(r.fork and r.parent for r in repositories)
    assert any(r.template for r in repositories)
    assert any(r.license is None for r in repositories)
    assert any(r.license == "other" for r in repositories)
    assert any(not c.languages and c.pushed_at for c in counts)
    assert any(r.description is None for r in repositories)
    assert any(not world.owned(account) for account in world.accounts)
    assert any(world.collaborator_repositories(account) for account in world.accounts)
    assert {account.kind for account in world.accounts} == {"User", "Organization"}
    assert {r.default_branch for r in repositories} >= {"main", "master"}
    assert any(account.login != account.login.lower() for account in world.accounts)
    assert len({r.node_id[:2] for r in repositories}) == 2  # both forms of node ids


def test_counts_move_with_the_clock_and_never_back_in_time():
    world = small_world()
    before = all_ground_truth(world)
    world.advance(days=30)
    after = all_ground_truth(world)
    assert before != after
    with pytest.raises(ValueError, match="only moves ahead"):
        world.advance(days=-1)


def test_a_frozen_world_stands_still_and_another_does_not():
    frozen, living = small_world(), small_world(frozen_at=None)
    assert frozen.now() == int(FROZEN_AT.timestamp())
    assert abs(living.now() - datetime.now(UTC).timestamp()) < 5
    living.freeze()
    assert living.now() == living.now()


def test_what_is_remembered_is_what_is_measured():
    """Counts are kept until the moment they may change; at every moment they equal those computed again."""
    world = small_world()
    for step in range(60):
        world.advance(hours=3 + step)
        for repository in list(world.repositories.values())[:40]:
            assert repository.counts(world.now()) == repository.compute_counts(world.now())


def test_nothing_moves_between_two_moments_of_change():
    world = small_world()
    for repository in world.repositories.values():
        counts = repository.counts(world.now())
        assert counts.until > world.now()
        assert repository.compute_counts(counts.until - 1) == counts
        assert counts.updated_at <= world.now()


@given(
    step=st.integers(60, 5 * DAY),
    final=st.floats(0, 1e5),
    tau=st.floats(50, 3000),
    moments=st.lists(st.integers(0, 4000 * DAY), min_size=2, max_size=2),
)
def test_a_crowd_without_spam_only_grows(step, final, tau, moments):
    crowd = GrowthCurve(CREATED_AT, step, final, tau, 1.2, final / 2500, PopularityWave(40, 90, 30, 20))
    early, late = sorted(moments)
    assert 0 <= crowd.count(CREATED_AT + early) <= crowd.count(CREATED_AT + late)


@given(st.integers(0, 1000 * DAY))
def test_purged_stars_are_gone_from_the_past_as_well(age):
    spam = FakeStars(500, 100, 160)
    crowd = GrowthCurve(CREATED_AT, 3600, 300, 400, 1.0, fake_stars=spam)
    honest = GrowthCurve(CREATED_AT, 3600, 300, 400, 1.0)
    assert crowd.count(CREATED_AT + age, seen_at=CREATED_AT + 200 * DAY) == honest.count(CREATED_AT + age)
    assert crowd.count(CREATED_AT + 150 * DAY) == honest.count(CREATED_AT + 150 * DAY) + 500


@given(number=st.integers(0, 2**31), every=st.integers(1800, 100 * DAY), age=st.integers(0, 3000 * DAY))
def test_the_next_push_is_the_first_after_now(number, every, age):
    work = PushSchedule(number, CREATED_AT, every, CREATED_AT + 2500 * DAY)
    moment = CREATED_AT + age
    index, pushed = work.push(moment)
    assert CREATED_AT <= pushed <= moment
    following = work.next(moment)
    if following is not None:
        assert following > moment
        assert work.push(following) == (index + 1, following)
        assert work.push(following - 1) == (index, pushed)


def test_star_history_adds_up_to_the_stars():
    world = World(accounts=30, repositories=300, seed=2, frozen_at=FROZEN_AT)
    for repository in list(world.repositories.values())[:60]:
        weeks = star_history.history_weeks(repository, world.now())
        rows = star_history.history_rows(repository, world.now(), weeks)
        assert sum(row["total"] for row in rows) == repository.counts(world.now()).stars
        assert all(row["total"] == sum(row["days"]) and min(row["days"]) >= 0 for row in rows)
        assert [row["week"] for row in rows] == sorted((row["week"] for row in rows), reverse=True)
        assert all(datetime.fromtimestamp(row["week"], UTC).strftime("%a %H:%M") == "Sun 00:00" for row in rows)


def test_given_and_withdrawn_stars_show_in_the_history():
    world = small_world()
    repository = max(world.repositories.values(), key=lambda r: r.counts(world.now()).stars)
    before = repository.counts(world.now()).stars
    world.edit.star(repository.full_name, 40)
    world.edit.star(repository.full_name, -25)
    assert repository.counts(world.now()).stars == before + 15
    weeks = star_history.history_weeks(repository, world.now())
    rows = star_history.history_rows(repository, world.now(), weeks)
    assert sum(row["total"] for row in rows) == before + 15
    assert sum(rows[0]["days"]) >= 15


def test_days_of_star_history_are_days_in_california():
    """A star of Monday 03:00 UTC was given on Sunday there."""
    world = World(accounts=4, repositories=40, frozen_at=datetime(2026, 9, 14, 3, tzinfo=UTC))
    repository = next(r for r in world.repositories.values() if r.counts(world.now()).stars == 0)
    world.edit.star(repository.full_name, 3)
    row = star_history.history_rows(repository, world.now(), star_history.history_weeks(repository, world.now())[:1])[0]
    assert (row["days"], datetime.fromtimestamp(row["week"], UTC).date().isoformat()) == ([3] + [0] * 6, "2026-09-13")


def test_edits_show_at_once_and_leave_the_rest_alone():
    world = small_world()
    repository = next(r for r in world.repositories.values() if not r.empty and r.counts(world.now()).languages)
    name, number = repository.full_name, repository.id
    others = {login: ground_truth(world, login) for login in world.logins() if login != repository.owner.login}
    world.advance(minutes=1)
    world.edit.relicense(name, "mpl-2.0")
    world.edit.push(name, {"Zig": 9_000_000})
    world.edit.retopic(name, ["fresh"])
    world.edit.rebranch(name, "trunk")
    world.edit.describe(name, "New words")
    world.edit.archive(name)
    shown = next(r for r in ground_truth(world, repository.owner.login)["repositories"] if r["id"] == number)
    assert shown["license"] == "MPL-2.0"
    assert (shown["primary_language"], list(shown["languages"])) == ("Zig", ["Zig"])
    assert (shown["topics"], shown["default_branch"], shown["description"]) == (["fresh"], "trunk", "New words")
    assert shown["is_archived"]
    assert shown["pushed_at"] == (FROZEN_AT + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    world.edit.unarchive(name)
    assert not repository.counts(world.now()).archived
    world.freeze(FROZEN_AT)
    assert {login: ground_truth(world, login) for login in others} == others


def test_a_renamed_account_takes_its_repositories_along():
    world = small_world()
    account = next(a for a in world.accounts if len(world.owned(a)) > 2)
    old, repository = account.login, world.owned(account)[0]
    world.edit.rename(old, "Somebody-New")
    assert world.account(old) is None
    assert world.account("somebody-new") is account
    assert world.repository(f"Somebody-New/{repository.name}") is repository
    assert world.moved(f"{old}/{repository.name}") is repository


def test_a_name_used_again_no_longer_leads_to_its_former_owner():
    world = small_world()
    account = next(a for a in world.accounts if world.owned(a))
    repository = world.owned(account)[0]
    before = repository.full_name
    world.edit.rename(before, "elsewhere")
    assert world.moved(before) is repository
    world.edit.create(account.login, before.split("/")[1])
    assert world.moved(before) is None
    assert world.repository(before) is not repository


def test_transfer_deletion_and_return():
    world = small_world()
    giver, taker = [a for a in world.accounts if world.owned(a)][:2]
    repository = world.owned(giver)[0]
    before = repository.full_name
    world.edit.transfer(before, taker.login)
    assert repository in world.owned(taker)
    assert repository not in world.owned(giver)
    assert world.moved(before) is repository
    world.edit.delete(repository.full_name)
    assert world.repository_by_id(repository.id) is None
    world.edit.restore(repository.full_name)
    assert world.repository_by_id(repository.id) is repository
    world.edit.delete(taker.login)
    assert world.account(taker.login) is None
    assert world.repository(repository.full_name) is None
    world.edit.restore(taker.login)
    assert world.repository(repository.full_name) is repository


def test_unknown_names_cannot_be_edited():
    world = small_world()
    with pytest.raises(KeyError):
        world.edit.archive("nobody/nothing")
    with pytest.raises(KeyError):
        ground_truth(world, "nobody-at-all")
