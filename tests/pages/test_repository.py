"""The repository page over real rows: what it shows, and the sentences where there is nothing to show."""

from datetime import UTC, datetime, timedelta

import pytest
from pandas import DataFrame
from sqlalchemy import Connection, Table, delete, func, insert, select

from core.db import schema
from core.db.data_version import publish_data_version
from core.db.partitions import ensure_partitions
from core.queue.lookups import Lookup, LookupResult, LookupStore, login_lookup_id
from pages.sections import repository_facts_cells
from tests import seed_data
from tests.pages.wording import page_text
from tests.seed_data import utc


def days_ago(days: int) -> str:
    return f"{seed_data.days_ago(days):%Y-%m-%d %H:%M}"


@pytest.fixture
def cat(database: Connection) -> int:
    """A tracked repository with a capture on each of the last sixty days, and 15 stars gained in the last 30."""
    account = seed_data.add_account(database, "octo", github_id=1, kind="user")
    database.execute(insert(schema.tracked_account).values(account_id=account))
    created = seed_data.add_repository(
        database,
        "octo/cat",
        {days_ago(60): 1200, days_ago(40): 1219, days_ago(5): 1234},
        growth={7: 15, 30: 15},
        forks=30,
        extras={"watchers": 3, "open_issues": 2, "open_change_requests": 1},
        captures=[days_ago(days) for days in range(60)],
        refreshed_at=days_ago(0),
        github_id=7,
        created_at=utc("2020-01-01"),
        pushed_at=utc("2026-01-05"),
        license="MIT",
        topics=["cats", "ascii-art"],
        primary_language="Python",
        description="Herds :cat: **boldly**",
    )
    for days, watchers in ((45, 5), (2, 3)):
        at = utc(days_ago(days))
        ensure_partitions(database, at.date(), at.date())
        values = {"watchers": watchers, "open_issues": 2, "open_change_requests": 1}
        database.execute(
            insert(schema.repository_extra_snapshot).values(repository_id=created, captured_at=at, **values)
        )
    return created


def cell_questions(shown) -> list[str]:
    return [element.value for element in (*shown.header, *shown.subheader)]


def test_a_tracked_repository_shows_what_it_is_and_its_counts(open_page, cat):
    shown = open_page("repository", name="OCTO/Cat")
    assert not shown.exception
    assert not shown.error
    text = page_text(shown)
    assert "**octo/cat** · Python · MIT · since 2020\\-01\\-01 · last push 2026\\-01\\-05" in text.replace("-", "\\-")
    assert r"Herds 🐱 \*\*boldly\*\*" in text
    assert r":gray-badge[ascii\-art]" in text
    assert {metric.label: (metric.value, metric.delta) for metric in shown.metric} == {
        "Stars": ("1,234", "+15"),
        "Forks": ("30", "0"),
        "Watchers": ("3", "-2"),
        "Open issues": ("2", "0"),
        "Open change requests": ("1", "0"),
    }
    assert len(cell_questions(shown)) == 14
    assert "coverage 100" in text


@pytest.mark.parametrize(
    "given",
    ["octo/cat", "https://github.com/octo/cat/issues?q=x", "git@github.com:octo/cat.git", " octo/cat.git "],
)
def test_a_url_leads_to_its_repository(open_page, cat, given):
    assert "**octo/cat**" in page_text(open_page("repository", name=given))


def test_opening_a_repository_is_recorded_without_who_did(open_page, database, cat):
    open_page("repository", name="octo/cat")
    (opened,) = database.execute(select(schema.page_open)).mappings()
    assert (opened["account_id"], opened["repository_id"]) == (None, cat)
    open_page("repository", name="octo/nothing")
    assert len(database.execute(select(schema.page_open)).all()) == 1


def test_a_former_name_says_what_it_is_called_now(open_page, database, cat):
    seed_data.add_version(database, cat, days_ago(20), full_name="octo/kitten")
    text = page_text(open_page("repository", name="octo/kitten"))
    assert "**octo/kitten** is now called **octo/cat**" in text
    then = page_text(open_page("repository", name="octo/cat", as_of=days_ago(30)[:10]))
    assert "**octo/cat** was called **octo/kitten**" in then


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("octo", "names no repository"),
        ("https://example.org/octo/cat", "is not a URL of github"),
        ("<script>/x", "is not a GitHub login"),
        ("octo/nothing", "There is no **octo/nothing**: **octo** was refreshed"),
        ("nobody/thing", "**nobody/thing** is not stored: **nobody** is not tracked"),
    ],
)
def test_each_name_without_data_gets_its_own_sentence(open_page, cat, given, sentence):
    shown = open_page("repository", name=given)
    assert not shown.exception
    assert sentence in page_text(shown).replace("\\", "")
    assert not shown.metric


def test_a_repository_of_an_untracked_account_can_be_asked_for(open_page, cat):
    assert "ask-for-it" in [button.key for button in open_page("repository", name="nobody/thing").button]


def test_a_repository_can_be_asked_for_alone(open_page, reader, database):
    account = seed_data.add_account(database, "octo", github_id=1, checked_at=datetime.now(UTC) - timedelta(days=1))
    shown = open_page("repository", name="octo/Cat")
    assert "tracked with its account, or alone" in page_text(shown)
    shown.button(key="ask-for-it-alone").click().run()
    assert not shown.exception
    tracked = database.execute(select(schema.tracked_account.c["account_id", "only_repositories"])).all()
    assert tracked == [(account, ["cat"])]


def test_another_repository_of_an_account_that_is_tracked_for_one(open_page, database):
    account = seed_data.add_account(database, "octo", github_id=1, checked_at=datetime.now(UTC))
    database.execute(insert(schema.tracked_account).values(account_id=account, only_repositories=["cat"]))
    shown = open_page("repository", name="octo/dog")
    assert "of **octo** only other repositories are tracked" in page_text(shown)
    assert "ask-for-it-alone" in [button.key for button in shown.button]
    assert "GitHub listed no public repository" in page_text(open_page("repository", name="octo/cat"))
    assert "what is tracked alone: cat." in page_text(open_page("account", login="octo"))


def test_before_the_first_refresh_of_its_account_a_repository_is_not_collected_yet(open_page, database):
    account = seed_data.add_account(database, "octo", github_id=1)
    database.execute(insert(schema.tracked_account).values(account_id=account))
    shown = open_page("repository", name="octo/cat")
    assert "waits for its first refresh" in page_text(shown)


def test_an_imported_repository_names_its_source_and_can_be_asked_for(open_page, database):
    seed_data.add_imported_repository(database, "octo/cat", {"2025-01-05": 70, "2025-01-12": 80}, by="weekly list")
    shown = open_page("repository", name="octo/cat")
    assert not shown.exception
    text = page_text(shown)
    assert "reported by weekly list" in text
    assert "Watchers have not been collected yet" in text
    assert "By month of giving." in text
    assert "0 stars given" not in text
    assert {metric.label: metric.value for metric in shown.metric}["Forks"] == "—"
    assert "ask-for-it" in [button.key for button in shown.button]


def test_as_of_a_day_the_page_shows_that_day(open_page, cat):
    then = days_ago(41)[:10]
    shown = open_page("repository", name="octo/cat", as_of=then)
    assert not shown.exception
    values = {metric.label: metric.value for metric in shown.metric}
    assert (values["Stars"], values["Watchers"]) == ("1,200", "5")
    before = open_page("repository", name="octo/cat", as_of="2021-01-01")
    assert "No data about octo/cat by that day" in page_text(before).replace("\\", "")
    assert not before.metric
    younger = open_page("repository", name="octo/cat", as_of="2019-01-01")
    assert "did not exist on 2019-01-01" in page_text(younger)


def test_issues_that_github_did_not_report_apart_are_shown_together(open_page, database):
    values = {"open_issues_and_change_requests": 4}
    cat = seed_data.add_repository(database, "octo/cat", {days_ago(1): 5}, extras=values, github_id=7)
    at = utc(days_ago(1))
    ensure_partitions(database, at.date(), at.date())
    database.execute(insert(schema.repository_extra_snapshot).values(repository_id=cat, captured_at=at, **values))
    shown = open_page("repository", name="octo/cat")
    labels = {metric.label: metric.value for metric in shown.metric}
    assert labels["Open issues and change requests"] == "4"
    assert "Open issues" not in labels
    assert "One number so far; each change adds a dot." in page_text(shown)


def test_a_deleted_repository_keeps_its_data(open_page, database, cat):
    database.execute(schema.repository.update().where(schema.repository.c.id == cat).values(gone_at=utc(days_ago(1))))
    seed_data.summarize(database)
    publish_data_version(database)
    shown = open_page("repository", name="octo/cat")
    assert "was deleted or made private" in page_text(shown)
    assert shown.metric


def add_facts(database: Connection, repository_id: int) -> None:
    """Two stars a day for forty days, then a burst, a release the day before it, contributors and commits."""
    at = utc(days_ago(1))

    def add(table: Table, **values: object) -> None:
        database.execute(insert(table).values(repository_id=repository_id, **values))

    for ago in range(45, 4, -1):
        day = seed_data.days_ago(ago).date()
        add(schema.star_day, day=day, captured_at=at, stars=70 if ago == 5 else 2)
        add(schema.commit_day, day=day, captured_at=at, commits=3)
    published = seed_data.days_ago(6).replace(hour=20, minute=0, second=0, microsecond=0)
    add(
        schema.release, github_id=1, tag="v1 <b>", name="*First*", is_prerelease=False, downloads=5,
        created_at=published, published_at=published,
    )  # fmt: skip
    add(
        schema.contributor_snapshot, captured_at=at, contributors=8, bots=1, commits=2475, absence_factor=2,
        is_complete=True,
    )  # fmt: skip
    add(schema.repository_contributor, github_id=5, login="ada", is_bot=False, commits=1000)
    for kind in ("star_history", "releases", "contributors", "commit_activity"):
        add(schema.enrichment, kind=kind, captured_at=at, due_at=utc("2100-01-01"), state="stored")
    for ago in (33, 28, 23, 18, 13):
        pushed_at = utc(days_ago(ago))
        add(schema.repository_push, since=pushed_at, until=pushed_at + timedelta(days=5), pushed_at=pushed_at)
    values = {"pushed_at": utc(days_ago(8))}
    database.execute(schema.repository.update().where(schema.repository.c.id == repository_id).values(**values))


def weeks_shown(shown) -> list:
    return next(frame.value for frame in shown.dataframe if "commits" in frame.value and "week" in frame.value)[
        "week"
    ].tolist()


def test_weeks_without_commits_are_a_sentence_and_no_blank_chart(open_page, database, cat):
    add_facts(database, cat)
    database.execute(schema.commit_day.update().values(commits=0))
    shown = open_page("repository", name="octo/cat")
    found = [one.value for one in shown.info if one.value.startswith("None from ")]
    assert len(found) == 1
    assert found[0].endswith(f"{weeks_shown(shown)[-1]:%Y-%m-%d}.")


def test_collected_facts_are_shown(open_page, database, cat):
    add_facts(database, cat)
    seed_data.add_change(database, cat, "archived", days_ago(20))
    shown = open_page("repository", name="octo/cat")
    assert not shown.exception
    assert not shown.error
    text = page_text(shown)
    # Pushed every 5 days, last 8 days before the last refresh: 8 / 5.
    assert "Quiet for 1.6 times its usual interval" in text
    assert "8 people and 1 bot; 2 people made half of the 2,475 commits" in text
    tables = [frame.value for frame in shown.dataframe]
    (burst,) = next(table for table in tables if "nearby" in table).to_dict("records")
    assert (burst["stars"], burst["usual"], burst["nearby"]) == (70, 2.0, "release v1 <b> 1 day before")
    assert next(table for table in tables if "tag" in table)["tag"].tolist() == ["v1 <b>"]
    assert next(table for table in tables if "is_bot" in table)["login"].tolist() == ["ada"]
    assert next(table for table in tables if "what" in table)["what"].tolist() == ["archived"]


def test_while_its_star_history_is_read_back_no_cell_says_that_it_begins_with_the_first_star(open_page, database, cat):
    add_facts(database, cat)
    assert "since the first star" in page_text(open_page("repository", name="octo/cat"))
    first = database.scalar(select(func.min(schema.star_day.c.day)))
    values = {"repository_id": cat, "first_day": first, "next_page": 2}
    database.execute(schema.star_backfill.insert().values(values))
    publish_data_version(database)
    for given, question in (("Per day", "is it given each day?"), ("Cumulative", f"was it given since {first}?")):
        shown = open_page("repository", name="octo/cat", given=given)
        assert f"How many stars {question}" in cell_questions(shown)
        text = page_text(shown).replace("\\", "")
        assert "since the first star" not in text
        # Days, ledger, retention and bursts.
        assert text.count(f"Days before {first} have not been read yet.") == 4


def test_facts_not_collected_and_facts_that_are_none_are_kept_apart(open_page, database, cat):
    text = page_text(open_page("repository", name="octo/cat"))
    for sentence in ("Its star history has not been collected yet", "Releases have not been collected yet"):
        assert sentence in text
    add_facts(database, cat)
    database.execute(schema.release.delete())
    database.execute(schema.star_day.update().values(stars=1))
    publish_data_version(database)
    text = page_text(open_page("repository", name="octo/cat"))
    assert "It has no releases." in text
    assert "Never: no day stands out." in text
    assert "Nothing has changed since its first refresh." in text


def test_headline_cards_say_how_old_their_number_is(open_page, cat, database):
    """Refreshed today: on time. With a last capture three days ago and one a day expected, the next is overdue."""
    captions = [caption.value for caption in open_page("repository", name="octo/cat").caption]
    assert sum(":material/schedule: " in text and "overdue" not in text for text in captions) >= 5
    database.execute(
        delete(schema.capture_open).where(
            schema.capture_open.c.captured_at > seed_data.days_ago(3) + timedelta(hours=12)
        )
    )
    publish_data_version(database)
    captions = [caption.value for caption in open_page("repository", name="octo/cat").caption]
    assert sum("overdue" in text for text in captions) == 2  # stars and forks; the others have a cadence of their own


def test_a_renamed_owner_leads_to_the_same_repository_of_the_present_one(open_page, database, redis):
    found = LookupResult("former", login="present", github_id=7)
    LookupStore(redis).put(Lookup(login_lookup_id("former"), ("former",), state="done", results=(found,)))
    seed_data.add_repository(database, "present/cat", {days_ago(1): 5}, github_id=8)
    publish_data_version(database)
    shown = open_page("repository", name="former/cat")
    assert "**former** is now called **present**." in page_text(shown)
    assert [link.proto.query_string for link in shown.get("page_link") if link.proto.label == "Open it"] == [
        "name=present%2Fcat"
    ]


def test_the_squares_of_stars_that_survive_are_explained_for_either_theme():
    """What has lost most is pale on a light page and dark on a dark one; on both it is faint."""
    sentence = repository_facts_cells.retention_sentence(DataFrame({"month": [1, 1]}))
    assert sentence.endswith("The faintest has lost most.")
