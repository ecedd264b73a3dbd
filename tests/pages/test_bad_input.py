"""Pages at the edges: no data, one capture, days without any, accounts of 0 and 3,000 repositories, long lists."""

import pytest
from sqlalchemy import insert, text

from core.analysis.comparison import MAX_SUBJECTS
from core.db import schema
from core.db.data_version import publish_data_version
from tests import seed_data
from tests.pages.reader_pages import READER_PAGES
from tests.pages.wording import page_text
from tests.seed_data import utc


def shown_pages(open_page, **times):
    """Open every page of readers, and return its text by path."""
    texts = {}
    for page, subject in READER_PAGES.items():
        shown = open_page(page, **subject, **times)
        assert not shown.exception, page
        texts[page] = page_text(shown)
    return texts


@pytest.fixture
def one_capture(database):
    """One refresh on 2026-03-01 of one account with one repository."""
    seed_data.add_repository(
        database, "octo/cat", {"2026-03-01": 5}, github_id=1, primary_language="C", created_at=utc("2026-02-01")
    )
    account = seed_data.add_account(database, "octo", github_id=7)
    values = {"captured_at": utc("2026-03-01"), "stars": 5, "forks": 1, "repositories": 1, "followers": 2}
    database.execute(insert(schema.account_snapshot).values(account_id=account, **values))
    publish_data_version(database)


NOTHING_YET = "Nothing has been collected yet."
EMPTY_DATABASE = {
    "": "Nothing is tracked yet, so there is nothing to read.",
    "account": "**octo** is not tracked, and there is no imported history of it.",
    "repository": "**octo/cat** is not stored: **octo** is not tracked",
    "repositories": NOTHING_YET,
    "languages": "No language totals yet: they are computed after each refresh and each import.",
    "movers": NOTHING_YET,
    "changes": f"{NOTHING_YET} Changes are recorded from an account's first refresh on",
    "compare": "Nothing is stored about **octo/cat**, **octo/dog**.",
    "scene": NOTHING_YET,
    "search": "Nothing stored is called `octo`.",
}


def notices(shown):
    """Return the sentences in boxes on the page, each once; none in the sidebar, which narrow screens close."""
    return list(dict.fromkeys(str(box.value) for box in (*shown.main.info, *shown.main.warning)))


def test_an_empty_database_gets_a_sentence_on_every_page(open_page, database):
    assert EMPTY_DATABASE.keys() == READER_PAGES.keys()
    for page, sentence in EMPTY_DATABASE.items():
        shown = open_page(page, **READER_PAGES[page])
        assert not shown.exception
        assert any(notice.startswith(sentence) for notice in notices(shown)), (page, notices(shown))
    shown_pages(open_page, as_of="2026-03-31", vs="2026-03-01")


@pytest.mark.parametrize("page", ["repositories", "movers", "changes", "scene"])
def test_an_empty_database_is_distinguished_from_one_that_was_empty_then(open_page, database, page):
    shown = notices(open_page(page, as_of="2026-03-31"))
    assert any(notice.startswith("Nothing had been collected by 2026-03-31.") for notice in shown), shown


@pytest.mark.parametrize(
    ("page", "parameters", "sentence"),
    [
        ("account", {"login": "nobody"}, "**nobody** is not tracked, and there is no imported history of it."),
        ("repository", {"name": "nobody/x"}, "**nobody/x** is not stored: **nobody** is not tracked"),
        ("repositories", {"owner": "nobody"}, "No repository matches. There would be 1 with any owner."),
        ("movers", {"account": "nobody"}, "No account called **nobody** is stored."),
        ("changes", {"account": "nobody"}, "No account called **nobody** is stored."),
        ("compare", {"with": "nobody/x"}, "Nothing is stored about **nobody/x**."),
        ("scene", {"account": "nobody"}, "No account called **nobody** is stored."),
        ("scene", {"account": "no such"}, "'no such' is not a GitHub login"),
        ("search", {"q": "nobody"}, "Nothing stored is called `nobody`."),
    ],
)
def test_an_unknown_name_gets_a_sentence_that_repeats_it(open_page, one_capture, page, parameters, sentence):
    shown = open_page(page, **parameters)
    assert not shown.exception
    assert any(notice.startswith(sentence) for notice in notices(shown)), notices(shown)


def test_one_capture_alone_is_a_number_on_every_page(open_page, one_capture):
    texts = shown_pages(open_page, as_of="2026-03-01")
    assert "One capture so far" in texts["repository"]
    assert "One capture so far" in texts["account"]
    shown_pages(open_page)


def test_of_a_past_day_no_page_says_that_something_is_missing_yet_or_unchanged(open_page, one_capture, database):
    """What was collected later is missing of that day for ever, and nothing was refreshed that could have changed."""
    seed_data.add_imported_repository(database, "octo/cat", {"2026-02-10": 3, "2026-02-17": 4}, by="weekly list")
    database.execute(text("UPDATE account SET first_captured_at = '2026-03-01'"))
    for page, shown in shown_pages(open_page, as_of="2026-02-18").items():
        assert "collected yet" not in shown, page
        assert "for this yet" not in shown, page
        assert "Nothing has changed" not in shown, page


def test_the_overview_of_a_day_before_all_data_says_that_nothing_was_collected(open_page, one_capture):
    boxes = [box.value for box in open_page("", as_of="2012-01-01").main.info]
    assert boxes.count("Nothing had been collected by 2012-01-01.") == 2  # movers, milestones
    assert not [sentence for sentence in boxes if "around" in sentence or "round number" in sentence]


def test_a_day_before_the_first_capture_to_show_or_to_compare_with(open_page, one_capture):
    shown_pages(open_page, as_of="2026-02-15", vs="2026-02-10")
    shown_pages(open_page, as_of="2026-03-01", vs="2015-06-01")


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        ({"as_of": "2099-01-01"}, "as_of is in the future"),
        ({"vs": "2099-01-01"}, "vs is in the future"),
        ({"as_of": "=1+1"}, "as_of is not a date"),
        ({"as_of": "2026-03-01", "vs": "2026-03-02"}, "vs is not before the time shown"),
    ],
)
def test_a_time_that_cannot_be_shown_is_named(open_page, one_capture, times, reason):
    for page in ("movers", "changes", "compare", "scene"):
        shown = open_page(page, **READER_PAGES[page], **times)
        assert not shown.exception
        assert any(reason in warning.value for warning in shown.main.warning), page


def test_ten_thousand_names_show_the_first_ten_and_say_so(open_page, one_capture):
    names = ",".join(["octo/cat", *(f"octo/name-{number}" for number in range(9_999))])
    assert "Ignored invalid parameters" in page_text(open_page("compare", **{"with": names}))
    shown = open_page("compare")
    shown.multiselect[0].set_value([names])
    shown.run()
    assert not shown.exception
    assert f"At most {MAX_SUBJECTS} can be compared: the first of 10,000 names are shown." in page_text(shown)
    assert "octo/cat" in shown.multiselect[0].value


def test_an_account_without_repositories_and_one_with_three_thousand(open_page, database):
    for login, count in (("none", 0), ("many", 3_000)):
        account = seed_data.add_account(database, login, github_id=count + 1, checked_at=utc("2026-03-01"))
        database.execute(insert(schema.capture_open).values(account_id=account, captured_at=utc("2026-03-01")))
        values = {"captured_at": utc("2026-03-01"), "stars": 3 * count, "forks": 0, "repositories": count}
        database.execute(insert(schema.account_snapshot).values(account_id=account, followers=0, **values))
        database.execute(
            text(
                "WITH added AS (INSERT INTO repository (account_id, full_name, id, primary_language)"
                " SELECT :account, 'many/r' || n, 1000 + n, 'C' FROM generate_series(1, :count) AS n RETURNING id)"
                " INSERT INTO repository_current (repository_id, stars, forks, captured_at)"
                " SELECT id, 3, 0, '2026-03-01Z' FROM added"
            ),
            {"account": account, "count": count},
        )
    seed_data.summarize(database)
    publish_data_version(database)
    nobody, busy = open_page("account", login="none"), open_page("account", login="many")
    assert not nobody.exception
    assert not busy.exception
    assert "All 3,000, most stars first" in page_text(busy)
    assert not open_page("account", login="many", as_of="2026-03-02", vs="2026-02-01").exception


def test_four_hundred_thousand_stars_given_over_fifteen_years(open_page, database):
    cat = seed_data.add_repository(
        database, "octo/cat", {"2026-02-01": 399_000, "2026-03-01": 400_000}, captures=["2026-02-28"], github_id=1,
        created_at=utc("2011-01-01"),
    )  # fmt: skip
    database.execute(
        text(
            "INSERT INTO star_day (repository_id, day, captured_at, stars)"
            " SELECT :id, day, '2026-03-01Z', 72 FROM generate_series(date '2011-01-01', '2026-02-27', '1 day') AS day"
        ),
        {"id": cat},
    )
    publish_data_version(database)
    for page, subject in (("repository", {"name": "octo/cat"}), ("compare", {"with": "octo/cat"})):
        assert not open_page(page, **subject).exception
        assert not open_page(page, **subject, as_of="2026-03-01", vs="2026-02-01").exception
