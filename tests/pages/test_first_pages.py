"""The analysts' pages over real rows: what they show, and the sentences where there is nothing to show."""

from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest
from sqlalchemy import Connection, insert, select, text

from core.db import schema
from core.db.data_version import publish_data_version
from tests import seed_data
from tests.pages.wording import page_text
from tests.seed_data import days_ago, utc


def tracked_account_with_history(database: Connection, login: str, **values: object) -> int:
    """A tracked account with a capture on each of the last sixty days."""
    account = seed_data.add_account(database, login, github_id=abs(hash(login)) % 10**9, **values)
    database.execute(insert(schema.tracked_account).values(account_id=account))
    for ago in range(60, -1, -1):
        at = days_ago(ago)
        database.execute(insert(schema.capture_open).values(account_id=account, captured_at=at))
        if ago % 10 == 0:
            database.execute(
                insert(schema.account_snapshot).values(
                    account_id=account, captured_at=at, stars=1000 - ago, forks=10, repositories=2, followers=70
                )
            )
    return account


def cell_questions(shown) -> list[str]:
    return [element.value for element in (*shown.header, *shown.subheader)]


def test_an_empty_almanac_says_how_to_begin(open_page):
    shown = open_page()
    assert not shown.exception
    assert "python -m ingest track" in shown.code[0].value
    assert not shown.metric


def test_an_empty_list_has_no_most_growing_repositories(open_page):
    text = page_text(open_page("repositories"))
    assert "No matching repository is known to have gained stars" in text
    assert "that gained most" not in text


def test_the_overview_shows_totals_freshness_movers_and_changes(open_page, database):
    tracked_account_with_history(database, "octo")
    cat = seed_data.add_repository(database, "octo/cat", {f"{days_ago(0):%Y-%m-%d}": 1234567}, growth={30: 5})
    seed_data.add_change(database, cat, "archived", f"{days_ago(0):%Y-%m-%d}")
    shown = open_page()
    assert not shown.exception
    assert not shown.error
    assert "1,234,567" in [metric.value for metric in shown.metric]
    assert "**1** account is tracked" in page_text(shown)
    assert len(cell_questions(shown)) == 5


def test_without_tracked_accounts_the_overview_says_that_all_data_are_imported(open_page, database):
    seed_data.add_imported_repository(database, "octo/cat", {"2025-01-05": 70, "2025-02-09": 80}, growth={30: 10})
    text = page_text(open_page())
    assert "No account is tracked" in text
    assert "2025-02-09" in text


@pytest.mark.parametrize(
    ("page", "empty", "filled"),
    [
        (
            "account",
            "Nothing is stored yet. Type a login above to have its account tracked.",
            "Choose an account above",
        ),
        (
            "repository",
            "No repository is stored yet. Type a name like octocat/hello-world above to have it tracked.",
            "Choose a repository above",
        ),
        ("compare", "Nothing is stored yet that could be compared.", "Choose accounts or repositories above"),
    ],
)
def test_a_page_asks_to_choose_where_there_is_something_to_choose(open_page, database, page, empty, filled):
    text = page_text(open_page(page))
    assert empty in text
    assert "Choose" not in text
    seed_data.add_repository(database, "octo/cat", {"2026-01-01": 5})
    publish_data_version(database)
    shown = open_page(page)
    assert not shown.exception
    assert filled in page_text(shown)
    assert "stored yet" not in page_text(shown)


def test_a_tracked_account_has_all_its_cells(open_page, database):
    tracked_account_with_history(database, "octo", kind="user", name="Octavia", bio="Makes :zap: things")
    seed_data.add_repository(
        database, "octo/cat", {"2026-01-01": 990}, primary_language="Python", description=":cat: herder"
    )
    shown = open_page("account", login="OCTO")
    assert not shown.exception
    assert not shown.error
    text = page_text(shown)
    assert "**Octavia** · User" in text
    assert "Makes ⚡ things" in text
    assert {metric.label: metric.value for metric in shown.metric} == {
        "Stars": "1,000",
        "Forks": "10",
        "Followers": "70",
        "Repositories": "2",
    }
    assert len(cell_questions(shown)) == 11
    assert "coverage 100" in text


def test_opening_an_account_is_recorded_without_who_did(open_page, database):
    account = tracked_account_with_history(database, "octo", kind="user")
    open_page("account", login="octo")
    (opened,) = database.execute(select(schema.page_open)).mappings()
    assert (opened["account_id"], opened["repository_id"]) == (account, None)
    assert set(opened) == {"account_id", "repository_id", "opened_at"}
    open_page("account", login="nobody")
    assert len(database.execute(select(schema.page_open)).all()) == 1


def test_an_imported_account_says_what_it_covers_and_what_is_unknown(open_page, database):
    seed_data.add_imported_repository(database, "octo/cat", {"2025-01-05": 70, "2025-02-02": 80}, by="weekly list")
    shown = open_page("account", login="octo")
    assert not shown.exception
    values = {metric.label: (metric.value, metric.delta) for metric in shown.metric}
    assert values["Stars"] == ("80", "+10")
    assert values["Followers"][0] == "—"
    text = page_text(shown)
    assert "Imported from weekly list: 1 of them by 2025-02-02" in text
    assert "imported history has none" in text
    assert "bytes of code have not been collected" in text


@pytest.mark.parametrize(
    ("login", "sentence"),
    [
        ("nobody", "is not tracked"),
        ("two--hyphens", "is not tracked"),
        ("https://github.com/octo.x", "is not a GitHub login"),
        ("https://github.com/topics/x", "is a page of GitHub"),
        ("<script>", "is not a GitHub login"),
        ("tentacle", "**tentacle** is now called **octo**"),
    ],
)
def test_each_login_without_data_gets_its_own_sentence(open_page, database, login, sentence):
    octo = seed_data.add_account(database, "octo")
    seed_data.add_account_version(database, octo, "2026-01-01", login="tentacle")
    shown = open_page("account", login=login)
    assert not shown.exception
    assert not shown.error
    assert sentence in page_text(shown)


def test_a_tracked_account_before_its_first_refresh_says_so(open_page, database):
    octo = seed_data.add_account(database, "octo")
    database.execute(insert(schema.tracked_account).values(account_id=octo))
    assert "**octo** is tracked and waits for its first refresh." in page_text(open_page("account", login="octo"))


def test_a_deleted_account_keeps_its_data(open_page, database):
    tracked_account_with_history(database, "octo", gone_at=utc("2026-03-01"), gone_reason="404")
    shown = open_page("account", login="octo")
    assert "was deleted or made private by 2026-03-01 (404)" in page_text(shown)
    assert shown.metric


def test_as_of_a_day_the_page_shows_that_day(open_page, database):
    seed_data.add_imported_repository(database, "octo/cat", {"2025-01-05": 70, "2025-02-02": 80})
    shown = open_page("account", login="octo", as_of="2025-01-10")
    assert shown.metric[0].value == "70"


def test_as_of_a_day_the_profile_is_that_of_the_day(open_page, database):
    octo = tracked_account_with_history(
        database, "octo", bio="now", created_at=utc("2021-05-04"), first_captured_at=utc("2026-01-01")
    )
    seed_data.add_account_version(database, octo, "2026-02-01", login="tentacle", bio="then")
    text = page_text(open_page("account", login="octo", as_of="2026-01-31"))
    assert "**octo** was called **tentacle** on 2026-01-31." in text
    assert "then" in text
    assert "\nnow\n" not in text
    text = page_text(open_page("account", login="octo", as_of="2025-12-31"))
    assert "Its profile of that time is not known: it was first refreshed later." in text


@pytest.mark.parametrize("page", ["account", "repositories"])
def test_attributes_before_the_first_capture_are_left_out_and_the_page_says_so(open_page, database, page):
    seed_data.add_imported_repository(
        database,
        "octo/cat",
        {"2025-01-05": 70, "2025-02-02": 80},
        github_id=7,
        description="of today",
        is_fork=True,
        pushed_at=utc("2026-03-01"),
        first_captured_at=utc("2026-01-01"),
    )
    shown = open_page(page, as_of="2025-01-10", **({"login": "octo"} if page == "account" else {}))
    assert not shown.exception
    assert "1 repository had not been refreshed by then" in page_text(shown)
    if page == "account":
        (row,) = next(table.value for table in shown.dataframe if "pushed_at" in table.value).to_dict("records")
        assert row["stars"] == 70
        assert pd.isna(row["pushed_at"])


def test_as_of_a_day_before_the_first_capture_says_so(open_page, database):
    seed_data.add_imported_repository(database, "octo/cat", {"2025-01-05": 70})
    assert "nothing had been collected by then" in page_text(open_page(as_of="2024-12-31"))
    assert "nothing had been collected by then" not in page_text(open_page(as_of="2025-01-05"))


def test_an_account_does_not_exist_before_its_creation(open_page, database):
    tracked_account_with_history(database, "octo", created_at=utc("2021-05-04"))
    text = page_text(open_page("account", login="octo", as_of="2010-06-01"))
    assert "**octo** did not exist on 2010-06-01: it was created on 2021-05-04." in text


def test_an_invalid_as_of_shows_a_warning_and_current_data(open_page):
    shown = open_page(as_of="yesterday")
    assert "is not a date or timestamp; write a date like 2026-10-31" in page_text(shown)
    assert not shown.exception


def test_languages_show_shares_and_say_what_was_not_collected(open_page, database):
    database.execute(
        insert(schema.language_day),
        [
            {"day": date(2026, month, 1), "source_id": 1, "language": name, "repositories": 2, "stars": 10 * month}
            for month in (1, 2)
            for name in ("C", "Go")
        ],
    )
    shown = open_page("languages")
    assert not shown.exception
    assert len(cell_questions(shown)) == 6
    text = page_text(open_page("languages", by="bytes"))
    assert "bytes" in text.lower()
    assert "GitHub does not report them" in text


def test_an_unknown_choice_in_the_url_shows_the_options(open_page, database):
    database.execute(insert(schema.language_day).values(day=date(2026, 1, 1), language="C", repositories=1, stars=1))
    assert "choose one of Stars, Repositories, Bytes" in page_text(open_page("languages", by="lines"))


def test_before_the_first_rollup_the_languages_page_says_so(open_page):
    assert "No language totals yet" in page_text(open_page("languages"))


def test_an_unexpected_error_is_logged_with_its_traceback(open_page, monkeypatch):
    import structlog

    from pages.components import error_display

    with structlog.testing.capture_logs() as logged:
        assert error_display.show_error(RuntimeError("secret detail"))
    assert logged[0]["event"] == "page failed"
    assert logged[0]["exc_info"].args == ("secret detail",)


def test_while_the_database_is_unavailable_the_page_says_so(open_page, monkeypatch):
    from psycopg import OperationalError

    from core.db import data_version as data_version_module

    def unavailable() -> int:
        raise OperationalError("connection refused")

    monkeypatch.setattr(data_version_module, "data_version", unavailable)
    shown = open_page()
    assert not shown.exception
    assert "The database is unavailable" in page_text(shown)


def test_before_the_first_refresh_each_cell_of_the_overview_says_that_it_is_empty(open_page, database):
    octo = seed_data.add_account(database, "octo")
    database.execute(insert(schema.tracked_account).values(account_id=octo))
    shown = open_page()
    assert not shown.exception
    assert not shown.error
    assert page_text(shown).count("Nothing has been collected yet.") == 2  # movers, milestones


def test_a_single_month_of_languages_shows_no_trend(open_page, database):
    database.execute(insert(schema.language_day).values(day=date(2026, 1, 1), language="C", repositories=1, stars=1))
    shown = open_page("languages")
    assert not shown.exception
    assert "One month so far; layers need two." in page_text(shown)


def test_the_first_totals_of_the_overview_are_those_of_a_day(open_page, database):
    """They add up many captures of many accounts, so that they are not "one capture"."""
    octo, today = account_captured_once(database, "octo"), days_ago(0)
    seed_data.add_repository(database, "octo/cat", {f"{today:%Y-%m-%d}": 3}, github_id=octo + 5)
    database.execute(insert(schema.language_day).values(day=today.date(), language="C", repositories=1, stars=3))
    text = page_text(open_page())
    assert text.count("Totals of one day so far; a line needs those of two.") == 2
    assert "One capture" not in text


def test_text_from_github_is_shown_literally(open_page, database):
    tracked_account_with_history(
        database, "octo", kind="user", name="**Octavia**", bio="[a link](https://evil.example)"
    )
    text = page_text(open_page("account", login="octo"))
    assert r"\*\*Octavia\*\*" in text
    assert "](https" not in text.replace("](https://github.com", "")


def account_captured_once(database: Connection, login: str) -> int:
    """Add a tracked account that was refreshed today and has no repositories."""
    account = seed_data.add_account(database, login, github_id=abs(hash(login)) % 10**9, checked_at=days_ago(0))
    database.execute(insert(schema.tracked_account).values(account_id=account))
    database.execute(insert(schema.capture_open).values(account_id=account, captured_at=days_ago(0)))
    database.execute(
        insert(schema.account_snapshot).values(
            account_id=account, captured_at=days_ago(0), stars=0, forks=0, repositories=0, followers=5
        )
    )
    return account


@pytest.mark.parametrize(
    ("repository", "sentence", "cells"),
    [
        (None, "octo has no repositories.", 5),
        ({"is_fork": True}, "octo has only forks, which are left out.", 4),
        ({"languages_checked_at": utc("2026-11-01")}, "octo has no code that GitHub counts.", 1),
    ],
)
def test_an_account_without_languages_says_the_true_reason(open_page, database, repository, sentence, cells):
    account_captured_once(database, "octo")
    if repository is not None:
        seed_data.add_repository(
            database, "octo/cat", {f"{days_ago(0):%Y-%m-%d}": 3}, github_id=5, pushed_at=days_ago(0), **repository
        )
    shown = open_page("account", login="octo")
    assert not shown.exception
    text = page_text(shown)
    assert text.count(sentence) == cells
    assert "Nothing has been collected" not in text
    others = text.replace("Contributors of its repositories have not been collected yet", "")
    assert "have not been collected" not in others.replace("Contributions have not been collected yet", "")


def test_with_only_forks_the_languages_page_says_so(open_page, database):
    account_captured_once(database, "octo")
    seed_data.add_repository(database, "octo/copy", {f"{days_ago(0):%Y-%m-%d}": 3}, github_id=5, is_fork=True)
    assert "All accounts together have only forks, which are left out." in page_text(open_page("languages"))


def test_without_code_the_languages_page_does_not_blame_github(open_page, database):
    now = days_ago(0)
    account_captured_once(database, "octo")
    seed_data.add_repository(
        database, "octo/essays", {f"{now:%Y-%m-%d}": 3}, github_id=5, languages_checked_at=now, pushed_at=now
    )
    database.execute(insert(schema.language_day).values(day=now.date(), language="", repositories=1, stars=3))
    text = page_text(open_page("languages", by="bytes"))
    assert "All accounts together have no code that GitHub counts." in text
    assert "0 languages, and repositories without one." in text
    assert "does not report them" not in text


@pytest.mark.parametrize("is_refreshed", [True, False])
def test_the_overview_says_that_nothing_changed_only_of_a_day_after_the_first_refresh(
    open_page, database, is_refreshed
):
    account_captured_once(database, "octo")
    day = days_ago(0) if is_refreshed else days_ago(9)
    shown = open_page(as_of=f"{day:%Y-%m-%d}")
    icons = {element.value: element.icon for element in shown.info}
    nothing_changed = "No name, licence or state has changed since the first refresh."
    if is_refreshed:
        assert icons[nothing_changed] == ":material/check_circle:"
    else:
        assert nothing_changed not in icons
        (icon,) = [icon for text, icon in icons.items() if text.startswith("Nothing was refreshed by that day")]
        assert icon == ":material/hourglass_empty:"


def test_before_the_first_refresh_the_overview_does_not_say_that_nothing_changed(open_page, database):
    database.execute(insert(schema.tracked_account).values(account_id=seed_data.add_account(database, "octo")))
    assert "Nothing was refreshed yet" in page_text(open_page())


def test_a_language_leads_to_its_accounts_repositories_and_companions(open_page, database):
    from core.db import schema as tables

    database.execute(
        insert(tables.language_day), [{"day": days_ago(0), "language": "C#", "repositories": 1, "stars": 5}]
    )
    seed_data.add_repository(database, "octo/cat", {"2026-01-01": 5}, primary_language="C#")
    shown = open_page("languages", language="c#")
    assert not shown.exception
    assert "## C\\#" in page_text(shown)
    assert shown.dataframe[0].value["account"].tolist() == ["/account?login=octo"]
    assert shown.dataframe[1].value["repository"].tolist() == ["/repository?name=octo/cat"]
    everything = open_page("languages")
    assert not everything.exception
    assert "/languages?language=C%23" in everything.dataframe[-1].value["language"].tolist()


def test_the_overview_says_what_happened_since_the_last_visit(open_page, reader, database):
    first = datetime.now(UTC) - timedelta(days=2)
    cat = seed_data.add_repository(database, "octo/cat", {"2026-01-01": 5})
    assert "This is your first visit" in page_text(open_page())
    database.execute(text("UPDATE person SET page_opened_at = :at WHERE id = :id"), {"at": first, "id": reader.id})
    seed_data.add_change(database, cat, "archived", f"{first - timedelta(days=1):%Y-%m-%d %H:%M}")
    seed_data.add_change(database, cat, "relicensed", f"{first + timedelta(days=1):%Y-%m-%d %H:%M}", after="MIT")
    rule = seed_data.insert_row(database, schema.alert_rule, kind="star_gain")
    alert = {"rule_id": rule, "kind": "star_gain", "subject": "octo/cat", "message": "*9* stars"}
    database.execute(insert(schema.alert).values(**alert, raised_at=datetime.now(UTC)))
    shown = open_page()
    assert not shown.exception
    written = page_text(shown)
    assert "Your last visit ended 2 days ago" in written
    assert r"\*9\* stars" in written
    changes = next(each.value for each in shown.dataframe if "what" in each.value and len(each.value) == 1)
    assert changes["what"].tolist() == ["changed its licence"]
