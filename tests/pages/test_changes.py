"""The changes page: entries by day, filters, and the reasons why there are none."""

import pytest
from sqlalchemy import insert

from core.db import schema
from tests import seed_data
from tests.pages.wording import page_text
from tests.seed_data import days_ago


@pytest.fixture
def two_changes(database):
    account = seed_data.add_account(database, "octo", github_id=7)
    database.execute(insert(schema.capture_open).values(account_id=account, captured_at=days_ago(60)))
    cat = seed_data.add_repository(database, "octo/cat", {f"{days_ago(0):%Y-%m-%d}": 5}, github_id=8)
    seed_data.add_change(database, cat, "archived", f"{days_ago(2):%Y-%m-%d}")
    seed_data.add_change(database, cat, "relicensed", f"{days_ago(40):%Y-%m-%d}", before="MIT", after="#1 *x*")


def kinds(shown):
    return shown.dataframe[-1].value["what"].tolist()


def test_the_last_thirty_days_are_shown_first(open_page, two_changes):
    shown = open_page("changes")
    assert not shown.exception
    assert kinds(shown) == ["archived"]
    assert "**octo/cat** archived" in page_text(shown)


def test_all_entries_are_listed_by_day_and_strangers_text_is_not_markup(open_page, two_changes):
    shown = open_page("changes", span="All")
    assert kinds(shown) == ["archived", "changed its licence"]
    assert r"MIT → \#1 \*x\*" in page_text(shown)


def test_a_licence_that_was_added_or_removed_says_so(open_page, two_changes, database):
    """`changed its licence: MIT` alone could be either."""
    for name, before, after in [("dog", None, "MIT"), ("hen", "MIT", None)]:
        found = seed_data.add_repository(database, f"octo/{name}", {f"{days_ago(0):%Y-%m-%d}": 5})
        seed_data.add_change(database, found, "relicensed", f"{days_ago(1):%Y-%m-%d}", before=before, after=after)
    text = page_text(open_page("changes"))
    assert "**octo/dog** changed its licence: none → MIT" in text
    assert "**octo/hen** changed its licence: MIT → none" in text


def test_kinds_and_accounts_filter(open_page, two_changes):
    assert kinds(open_page("changes", span="All", kind="changed its licence")) == ["changed its licence"]
    assert kinds(open_page("changes", span="All", account="OCTO")) == ["archived", "changed its licence"]
    assert "No account called **nobody** is stored." in page_text(open_page("changes", account="nobody"))
    assert "kind=exploded" in open_page("changes", kind="exploded").warning[0].value


def test_a_quiet_span_says_that_nothing_changed(open_page, two_changes):
    def text(**filters):
        return page_text(open_page("changes", span="7d", **filters))

    assert "Nothing changed within 7 days, of this kind." in text(kind="renamed")
    assert "Nothing changed within 7 days, of this kind and of this account." in text(kind="renamed", account="octo")


def test_before_the_first_refresh_the_page_says_so(open_page, database):
    assert "Nothing has been collected yet. Changes are recorded" in page_text(open_page("changes"))


def test_a_repository_filters_and_an_unknown_one_is_named(open_page, two_changes, database):
    dog = seed_data.add_repository(database, "octo/dog", {f"{days_ago(0):%Y-%m-%d}": 5}, github_id=9)
    seed_data.add_change(database, dog, "archived", f"{days_ago(1):%Y-%m-%d}")
    assert kinds(open_page("changes", span="All", repository="OCTO/dog")) == ["archived"]
    assert "No repository called **octo/none** is stored." in page_text(open_page("changes", repository="octo/none"))
    assert "names no repository" in open_page("changes", repository="octo").warning[0].value


def test_the_feed_link_has_the_filters(open_page, two_changes):
    shown = open_page("changes", kind="changed its licence", account="octo")
    assert "(/api/v1/changes.atom?kind=relicensed&account=octo)" in page_text(shown)
