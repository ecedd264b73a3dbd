"""Facts of one repository: the newest answer by then, days without a row, and what is not known of the past."""

from datetime import date

import pandas as pd
import pytest
from sqlalchemy import insert

from core.db import schema
from core.db.data_version import publish_data_version
from core.queries import changes, repository_facts
from tests import seed_data
from tests.seed_data import utc


@pytest.fixture
def cat(database) -> int:
    created = seed_data.add_repository(database, "octo/cat", {"2026-01-01": 10}, github_id=7)
    publish_data_version(database)
    return created


def add(database, table, repository_id: int, *rows: dict) -> None:
    for row in rows:
        database.execute(insert(table).values(repository_id=repository_id, **row))
    publish_data_version(database)


def star(day: str, read: str, stars: int) -> dict:
    return {"day": date.fromisoformat(day), "captured_at": utc(read), "stars": stars}


def collected(kind: str, at: str, **more: object) -> dict:
    return {"kind": kind, "captured_at": utc(at), "due_at": utc("2027-01-01"), "state": "stored", **more}


def by_day(frame: pd.DataFrame, value: str, at: str = "day") -> dict[str, int]:
    return {f"{day:%m-%d}": int(count) for day, count in zip(frame[at], frame[value], strict=True)}


def test_of_a_day_the_newest_answer_counts_and_days_without_a_row_had_no_star(cat, database):
    add(
        database, schema.star_day, cat,
        star("2026-01-01", "2026-01-05", 4),
        star("2026-01-01", "2026-01-07", 3),  # one was withdrawn
        star("2026-01-04", "2026-01-05", 2),
    )  # fmt: skip
    assert by_day(repository_facts.stars_given(cat, utc("2026-01-05 23:00")), "stars") == {
        # Read at midnight UTC on the 5th, when it was still the 4th in Los Angeles: the 3rd is the last complete day.
        "01-01": 4, "01-02": 0, "01-03": 0,
    }  # fmt: skip
    assert by_day(repository_facts.stars_given(cat, None), "stars") == {
        "01-01": 3, "01-02": 0, "01-03": 0, "01-04": 2, "01-05": 0,
    }  # fmt: skip


def test_a_later_answer_without_a_difference_extends_the_days(cat, database):
    add(database, schema.star_day, cat, star("2026-01-01", "2026-01-02 12:00", 4))
    add(database, schema.enrichment, cat, collected("star_history", "2026-01-10 12:00"))
    assert list(by_day(repository_facts.stars_given(cat, None), "stars"))[-1] == "01-09"
    # As of a time before that answer, the last one is that of the 2nd.
    assert by_day(repository_facts.stars_given(cat, utc("2026-01-09")), "stars") == {"01-01": 4}


def test_the_mean_is_of_seven_days(cat, database):
    days = [star(f"2026-01-{day:02d}", "2026-01-09 12:00", day) for day in range(1, 9)]
    add(database, schema.star_day, cat, *days)
    means = repository_facts.stars_given(cat, None)["mean_7d"]
    assert means.isna().tolist() == [True] * 6 + [False] * 2
    assert means.tolist()[6:] == [4.0, 5.0]  # (1 + … + 7) / 7 and (2 + … + 8) / 7


def test_while_the_history_is_incomplete_days_before_it_are_left_out(cat, database):
    rows = [star("2025-01-01", "2025-01-02", 9), star("2026-01-01", "2026-01-05", 4)]
    add(database, schema.star_day, cat, *rows)
    add(database, schema.star_backfill, cat, {"first_day": date(2025, 12, 31), "next_page": 2})
    assert next(iter(by_day(repository_facts.stars_given(cat, None), "stars"))) == "12-31"


@pytest.mark.parametrize(
    ("backfill", "has_all"),
    [
        ({"first_day": date(2026, 1, 1), "next_page": 2}, [False, False]),  # older pages are still to be read
        ({"first_day": date(2025, 6, 1), "completed_at": utc("2026-01-09")}, [False, True]),  # the last of them was
        ({"first_day": date(2026, 1, 1), "completed_at": utc("2026-01-05")}, [True, True]),
    ],
)
def test_it_is_known_whether_all_days_back_to_the_first_star_were_read(cat, database, backfill, has_all):
    add(database, schema.star_day, cat, star("2026-01-01", "2026-01-05", 4))
    if has_all == [False, True]:
        add(database, schema.star_day, cat, star("2025-06-03", "2026-01-09", 9))
    add(database, schema.star_backfill, cat, backfill)
    assert [repository_facts.has_all_star_days(cat, at) for at in (utc("2026-01-06"), None)] == has_all


def test_without_star_history_there_are_no_days_and_no_bursts(cat):
    days = repository_facts.stars_given(cat, None)
    assert days.empty
    found = repository_facts.star_bursts(
        days, repository_facts.releases(cat, None), changes.list_changes(None, repository_id=cat, limit=9)
    )
    assert found.empty
    assert list(found) == ["first_day", "last_day", "stars", "peak", "usual", "nearby"]


def test_a_burst_names_the_release_of_the_day_in_los_angeles(cat, database):
    days = [star(f"2026-01-{day:02d}", "2026-02-15", 2) for day in range(1, 32)]
    add(
        database,
        schema.star_day,
        cat,
        *days,
        star("2026-02-05", "2026-02-15", 60),
        star("2026-02-11", "2026-02-15", 50),
    )
    values = {"is_prerelease": False, "downloads": 5, "created_at": utc("2026-02-01"), "github_id": 1, "tag": "v1"}
    # Three in the morning in UTC is the evening before in Los Angeles.
    add(database, schema.release, cat, {**values, "published_at": utc("2026-02-05 03:00")})
    found = repository_facts.star_bursts(
        repository_facts.stars_given(cat, None),
        repository_facts.releases(cat, None),
        changes.list_changes(None, repository_id=cat, limit=9),
    )
    assert by_day(found, "stars", "first_day") == {"02-11": 50, "02-05": 60}
    assert list(found["nearby"]) == ["no release or change nearby", "release v1 1 day before"]
    assert list(found["usual"]) == [2.0, 2.0]


def test_a_burst_names_a_change_of_this_repository_only(cat, database):
    days = [star(f"2026-01-{day:02d}", "2026-02-15", 2) for day in range(1, 32)]
    add(database, schema.star_day, cat, *days, star("2026-02-05", "2026-02-15", 60))
    other = seed_data.add_repository(database, "octo/dog", {"2026-01-01": 10})
    seed_data.add_change(database, other, "archived", "2026-02-05 12:00")
    seed_data.add_change(database, cat, "renamed", "2026-02-07 12:00")
    publish_data_version(database)
    found_changes = changes.list_changes(None, repository_id=cat, limit=9)
    assert list(found_changes["kind"]) == ["renamed"]
    found = repository_facts.star_bursts(
        repository_facts.stars_given(cat, None), repository_facts.releases(cat, None), found_changes
    )
    assert list(found["nearby"]) == ["renamed 2 days after"]


def test_releases_are_those_published_and_not_deleted_by_then(cat, database):
    values = {"is_prerelease": False, "downloads": 5, "created_at": utc("2026-01-01")}
    add(
        database, schema.release, cat,
        {**values, "github_id": 1, "tag": "v1", "published_at": utc("2026-01-02")},
        {**values, "github_id": 2, "tag": "v2", "published_at": utc("2026-01-03"), "gone_at": utc("2026-01-10")},
        {**values, "github_id": 3, "tag": "v3", "published_at": utc("2026-01-20")},
    )  # fmt: skip
    add(database, schema.enrichment, cat, collected("releases", "2026-01-21"))
    assert list(repository_facts.releases(cat, None)["tag"]) == ["v3", "v1"]
    then = repository_facts.releases(cat, utc("2026-01-09"))
    assert list(then["tag"]) == ["v2", "v1"]
    # Downloads were counted later.
    assert then["downloads"].isna().all()
    assert repository_facts.was_collected(cat, "releases", None)
    assert not repository_facts.was_collected(cat, "releases", utc("2026-01-09"))


def test_contributors_have_their_share_of_the_commits_by_people(cat, database):
    """CHAOSS's example: 1000, 202, 90, 33, 332, 343, 42 and 433 commits; 1000 + 433 are more than half of 2,475."""
    summary = {"captured_at": utc("2026-01-05"), "contributors": 8, "bots": 1, "commits": 2475, "absence_factor": 2}
    add(database, schema.contributor_snapshot, cat, {**summary, "is_complete": True})
    for number, commits in enumerate((1000, 202, 90, 33, 332, 343, 42, 433)):
        row = {"github_id": number, "login": f"p{number}", "is_bot": False, "commits": commits}
        add(database, schema.repository_contributor, cat, row)
    add(database, schema.repository_contributor, cat, {"github_id": 9, "login": "bot", "is_bot": True, "commits": 500})
    add(database, schema.enrichment, cat, collected("contributors", "2026-01-09"))
    found = repository_facts.contributors(cat, None)
    assert list(found["login"])[:3] == ["p0", "bot", "p7"]
    assert found["share"].iloc[0] == pytest.approx(1000 / 2475)
    assert pd.isna(found["share"].iloc[1])
    assert repository_facts.contributor_summary(cat, None).absence_factor == 2
    # The list is of the 9th; of the days before only the summary is known.
    assert repository_facts.contributors(cat, utc("2026-01-08")).empty
    assert repository_facts.contributor_summary(cat, utc("2026-01-08")).contributors == 8
    assert repository_facts.contributor_summary(cat, utc("2026-01-04")) is None


def test_only_complete_weeks_of_commits_are_counted(cat, database):
    """5 January 2026 is a Monday; read on Thursday the 22nd, from Wednesday the 31st on."""
    rows = [("2025-12-31", 9), ("2026-01-05", 1), ("2026-01-11", 2), ("2026-01-20", 4)]
    for day, commits in rows:
        row = {"day": date.fromisoformat(day), "captured_at": utc("2026-01-22"), "commits": commits}
        add(database, schema.commit_day, cat, row)
    add(database, schema.enrichment, cat, collected("commit_activity", "2026-01-22", first_day=date(2025, 12, 31)))
    assert by_day(repository_facts.weekly_commits(cat, None), "commits", "week") == {"01-05": 3, "01-12": 0}
    assert repository_facts.weekly_commits(cat, utc("2026-01-21")).empty


def test_pushes_are_those_seen_by_then(cat, database):
    database.execute(
        schema.repository.update().where(schema.repository.c.id == cat).values(pushed_at=utc("2026-03-01"))
    )
    row = {"since": utc("2026-01-02"), "until": utc("2026-03-02"), "pushed_at": utc("2026-01-01")}
    add(database, schema.repository_push, cat, row)
    assert list(repository_facts.pushes(cat, None)["pushed_at"]) == [utc("2026-01-01"), utc("2026-03-01")]
    assert list(repository_facts.pushes(cat, utc("2026-02-01"))["pushed_at"]) == [utc("2026-01-01")]


def test_of_traffic_the_newest_answer_counts(cat, database):
    for read, views in (("2026-01-03", 5), ("2026-01-04", 7)):
        row = {"day": date(2026, 1, 2), "captured_at": utc(read), "views": views, "unique_views": 2}
        add(database, schema.traffic_day, cat, row)
    (found,) = repository_facts.traffic(cat, None).to_dict("records")
    assert (found["day"], found["views"], pd.isna(found["clones"])) == (utc("2026-01-02"), 7, True)
    assert repository_facts.traffic(cat, utc("2026-01-03"))["views"].tolist() == [5]
