"""What is read as of a settled time alone does not change by later refreshes; what changes it announces that."""

import random
from contextlib import nullcontext, suppress
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some
from sqlalchemy import text

from core.db.data_version import publish_data_version
from core.db.frames import clear_frames
from core.db.override import use_engine
from core.queries import (
    compared_counts,
    globe,
    language_use,
    milestones,
    movers,
    peers,
    repository_detail,
    repository_list,
    scene,
)
from core.shared_cache import shared_cache
from core.tracking import accounts
from ingest.enrichment import extras
from ingest.github.api.models import Extras
from ingest.history_import.importer import import_history
from ingest.history_import.interrupted import close_interrupted_imports
from ingest.refresh import closed_history
from ingest.scheduler import ScheduledJobs
from tests import seed_data
from tests.ingest.refresh.test_attribute_versions import START, Reported, World, delete, refresh
from tests.ingest.refresh.test_summaries import import_some

FIRST = datetime(2026, 10, 20, 12, 30, tzinfo=UTC)
REFRESHED_ON = (0, 1, 29, 30, 31)
ALMOST_A_DAY = timedelta(hours=23, minutes=50)
THEN = FIRST + timedelta(days=31)


@pytest.fixture
def still(ingestor):
    ingestor.world.freeze(FIRST)
    return ingestor


def past_version(still):
    """How many versions ago the past changed last."""
    ((behind,),) = still.rows("SELECT version - past_version FROM data_version")
    return behind


def answers(repository_ids, account_ids, login):
    """Every read of the past that stays cached, asked of Postgres now."""
    clear_frames()
    filters = repository_list.Filters(min_stars=3, as_of=THEN)
    then = {"filters": filters, "order": "stars"}
    return {
        "all": repository_list.matching_repositories(repository_list.Filters(as_of=THEN)),
        "page": repository_list.matching_page(**then, offset=2, limit=20),
        "compared": repository_list.compared_repositories(filters, "stars", THEN - timedelta(days=2)),
        "distribution": repository_list.star_distribution(filters),
        "growing": repository_list.fastest_growing(filters),
        "counts": pd.DataFrame(
            {
                "matching": [repository_list.count_matching(filters)],
                "unknown": [repository_list.count_unknown(filters)],
                "all": [repository_list.count_repositories(THEN)],
                **{name: [count] for name, count in repository_list.counts_without_each_filter(filters).items()},
            }
        ),
        "users": language_use.users("Python", THEN),
        "of a language": language_use.repositories("Python", THEN),
        "leading": language_use.leading_users(THEN),
        "together": language_use.together(THEN),
        "places": globe.account_locations(THEN),
        "milestones": milestones.ahead(THEN),
        "movers": movers.movers(THEN, 30).rows,
        "city": scene.city_repositories(scene.CityFilters(as_of=THEN)),
        "ranks": peers.repository_ranks(repository_ids, THEN).sort_values("id", ignore_index=True),
        "account ranks": peers.account_ranks(account_ids, THEN).sort_values("id", ignore_index=True),
        "peers": peers.nearest_accounts(account_ids[0], THEN),
        "totals": peers.totals_of([login], THEN),
        "by account": repository_detail.by_account(account_ids[0], THEN).sort_values("id", ignore_index=True),
        "counts beside": compared_counts.beside_counts_at(
            pd.DataFrame({"repository_id": repository_ids, "stars": 0, "forks": 0}).astype("Int64"),
            repository_ids,
            THEN,
            changed_first=False,
        ),
    }


@pytest.mark.slow
@settings(max_examples=4, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some.integers(0, 10**9))
def test_whatever_changes_an_answer_as_of_a_settled_time_announces_that(database, tmp_path, seed):
    """Refreshes of now and late ones, deletions, imports, also those that end early, cadences and closing."""
    rng = random.Random(seed)
    reported, world, at = Reported(), World(rng), START
    seed_data.delete_stored(database)

    def change_something():
        account = rng.choice([1, 1, 2])
        kind = rng.choice(["refresh", "refresh", "late", "delete", "import", "cut", "extras", "cadence", "close"])
        if kind == "delete" and account in reported.accounts:
            delete(database, reported, account, at)
        elif kind == "import":
            import_some(database, tmp_path, rng)
        elif kind == "cut":
            with suppress(KeyboardInterrupt):
                import_some(database, tmp_path, rng, progress=end_early)
        elif kind == "extras":
            extras.store(database, rng.choice(range(10, 14)), Extras(watchers=rng.randrange(9)), at)
        elif kind == "cadence":
            accounts.track(database, "a", "ada")
            accounts.update_tracking(database, "a", {"every": timedelta(days=rng.choice((1, 20)))}, at)
        elif kind == "close":
            closed_history.close_own_history(lambda: nullcontext(database), rng.choice((START, *moments, at)))
            close_interrupted_imports(database)
        else:
            sent_at = at if kind == "refresh" else START + timedelta(days=40)
            refresh(database, world, reported, account, sent_at, now=at)

    for days in (0.5, 9, 1, 9, 1):
        refresh(database, world, reported, rng.choice([1, 1, 2]), at)
        at += timedelta(days=days)
        world.change(at)
    moments = (START + timedelta(days=9.5), at)
    version = publish_data_version(database)
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=20)
    before = {moment: some_answers(database, moment) for moment in moments}
    for _ in range(8):
        change_something()
        before_version, version = version, publish_data_version(database, keeps_past=True)
        is_announced = database.scalar(text("SELECT past_version FROM data_version")) > before_version
        after = {moment: some_answers(database, moment) for moment in moments}
        assert is_announced or after == before
        before, at = after, at + timedelta(hours=2)
        world.change(at)


def some_answers(database, as_of):
    """Answers that read every table which others of a settled time read, in text."""
    clear_frames()
    ids = database.scalars(text("SELECT id FROM account ORDER BY id")).all()
    frames = [
        repository_list.matching_repositories(repository_list.Filters(as_of=as_of)),
        peers.account_ranks(list(ids), as_of).sort_values("id"),
        globe.account_locations(as_of),
        language_use.together(as_of),
    ]
    return [frame.to_csv(index=False) for frame in frames]


def edit_everything(still, login, other):
    """Rename, transfer, delete, archive, star, push, describe and create, and rename an account."""
    names = [one["full_name"] for one in still.sandbox.ground_truth(login)["repositories"]]
    edit = still.world.edit
    edit.transfer(names[0], other)
    edit.rename(names[1], "another-name")
    edit.delete(names[2])
    edit.archive(names[3])
    edit.star(names[4], 5_000)
    edit.push(names[5], {"Rust": 9_000})
    edit.relicense(names[6], "mit")
    edit.create(login, "young")
    edit.rename(login, "renamed-owner")


@pytest.mark.slow
def test_answers_as_of_a_settled_time_are_the_same_after_later_refreshes(still):
    login, other = still.login_with_most_repositories("user"), still.login_with_most_repositories("organization")
    logins = [login, other, *[one for one in still.world.logins() if one not in (login, other)][:3]]
    for day in REFRESHED_ON:
        still.world.freeze(FIRST + timedelta(days=day))
        if day == REFRESHED_ON[-1]:  # half as many again: some milestone is near
            most_starred = max(still.sandbox.ground_truth(login)["repositories"], key=lambda one: one["stars"])
            still.world.edit.star(most_starred["full_name"], 200 + most_starred["stars"] // 2)
        still.refresh(*logins)
    repository_ids = [row[0] for row in still.rows("SELECT id FROM repository ORDER BY id")]
    account_ids = [row[0] for row in still.rows("SELECT id FROM account ORDER BY login = :one DESC, id", one=login)]
    with use_engine(still.engine):
        before = answers(repository_ids, account_ids, login)
        still.world.freeze(datetime.now(UTC))
        edit_everything(still, login, other)
        newcomer = next(one for one in still.world.logins() if one not in (*logins, "renamed-owner"))
        still.refresh("renamed-owner", *logins[1:], newcomer)
        assert past_version(still) > 0, "a refresh of now leaves the past alone"
        ScheduledJobs(still.engine).close_history()
        after = answers(repository_ids, account_ids, login)
    for name, rows in before.items():
        assert not rows.empty, name
        pd.testing.assert_frame_equal(rows, after[name], obj=name)


def test_answers_as_of_a_settled_time_stay_cached_when_history_is_closed(still):
    login = still.world.logins()[0]
    for at in (THEN, datetime.now(UTC)):
        still.world.freeze(at)
        still.refresh(login)
    with use_engine(still.engine):
        before = repository_list.matching_repositories(repository_list.Filters(as_of=THEN))
        computed = shared_cache.misses
        ScheduledJobs(still.engine).close_history()
        still.refresh(login)
        after = repository_list.matching_repositories(repository_list.Filters(as_of=THEN))
    pd.testing.assert_frame_equal(after, before)
    assert shared_cache.misses == computed


def test_a_response_that_is_stored_late_changes_the_past(still):
    login = still.world.logins()[0]
    still.world.freeze(datetime.now(UTC) - timedelta(hours=2))
    still.refresh(login)
    still.refresh(login)
    assert past_version(still) == 1
    for login, captured_at in zip(still.world.logins()[1:], (FIRST, datetime.now(UTC) - ALMOST_A_DAY), strict=False):
        still.world.freeze(captured_at)
        still.refresh(login)
        assert past_version(still) == 0


def end_early(done, total):
    """Interrupt an import of few rows when these are written, before their totals are."""
    if total and done >= total / 2:
        raise KeyboardInterrupt


def import_two_days(still, tmp_path, full_name, stars=7, **given):
    file = tmp_path / "kept.csv"
    rows = [f"{(FIRST + timedelta(days=day)).date()},{full_name},{stars},1,0" for day in (0, 2)]
    file.write_text("\n".join(["captured_on,full_name,stars,forks,open_issues", *rows]))
    import_history(file, "somebody", engine=still.engine, **given)


def test_an_import_changes_the_past(still, tmp_path):
    login = still.world.logins()[0]
    still.world.freeze(datetime.now(UTC))
    still.refresh(login)
    import_two_days(still, tmp_path, still.sandbox.ground_truth(login)["repositories"][0]["full_name"])
    assert past_version(still) == 0


def test_an_import_that_ends_early_changes_the_past_and_so_does_closing_it(still, tmp_path):
    """Its rows are stored; the first and last day of its repositories are known when the night has closed it."""
    login = still.world.logins()[0]
    still.world.freeze(datetime.now(UTC))
    import_two_days(still, tmp_path, "somebody/kept")
    still.refresh(login)
    assert past_version(still) == 1

    with pytest.raises(KeyboardInterrupt):
        import_two_days(still, tmp_path, "somebody/kept", stars=9, progress=end_early)
    for change_past in (lambda: None, ScheduledJobs(still.engine).close_history):
        change_past()
        still.refresh(login)
        assert past_version(still) == 0
        still.refresh(login)
        assert past_version(still) == 1


def test_history_that_a_refresh_assigns_changes_the_past(still, tmp_path):
    login = still.login_with_most_repositories("user")
    import_two_days(still, tmp_path, still.active_repository(login))
    still.world.freeze(datetime.now(UTC))
    still.refresh(login)
    assert still.rows("SELECT count(*) FROM repository WHERE id < 0") == [(0,)]
    assert past_version(still) == 0
    still.refresh(login)
    assert past_version(still) == 1


def test_history_that_the_night_assigns_changes_the_past(still, tmp_path):
    login = still.login_with_most_repositories("user")
    import_two_days(still, tmp_path, still.active_repository(login))
    still.world.freeze(datetime.now(UTC))
    with still.engine.begin() as blocked:
        blocked.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": 0x494D504F5254})
        still.refresh(login)
    still.refresh(login)
    assert past_version(still) == 0, "the repository belongs to the account now"
    still.refresh(login)
    assert past_version(still) == 1, "its history is assigned to new repositories only"
    ScheduledJobs(still.engine).run_daily_maintenance()
    still.refresh(login)
    assert past_version(still) == 0
