"""The account page in depth: languages by measure, shape, key people, contributions, peers, changes."""

from datetime import date, timedelta

import pytest
from sqlalchemy import insert

from core.db import schema
from core.db.data_version import publish_data_version
from tests import seed_data
from tests.pages.wording import page_text
from tests.seed_data import utc


@pytest.fixture
def octo(database) -> int:
    account = seed_data.add_account(
        database, "octo", github_id=1, kind="user", created_at=utc("2015-01-01"), checked_at=utc("2026-01-05")
    )
    database.execute(
        insert(schema.account_snapshot).values(
            account_id=account, captured_at=utc("2026-01-01"), stars=8, forks=0, repositories=4, followers=1
        )
    )
    for number, (name, stars, language) in enumerate((("a", 1, "C"), ("b", 1, "C"), ("c", 2, "Go"), ("d", 4, "Go"))):
        stored = seed_data.add_repository(
            database, f"octo/{name}", {"2026-01-01": stars}, github_id=number, primary_language=language, is_fork=False
        )
        database.execute(
            insert(schema.contributor_snapshot).values(
                repository_id=stored, captured_at=utc("2026-01-05"), contributors=3, bots=0, commits=9,
                absence_factor=1 if number else 2, is_complete=True,
            )
        )  # fmt: skip
        values = {"kind": "contributors", "captured_at": utc("2026-01-05"), "due_at": utc("2100-01-01")}
        database.execute(insert(schema.enrichment).values(repository_id=stored, state="stored", **values))
        row = {"github_id": 1, "login": "a*d*a", "is_bot": False, "commits": 6}
        database.execute(insert(schema.repository_contributor).values(repository_id=stored, **row))
    seed_data.add_change(database, stored, "relicensed", "2026-01-03", "MIT", "Apache-2.0")
    for number in range(400):
        row = {"day": date(2025, 1, 1) + timedelta(days=number), "contributions": number % 3}
        database.execute(
            insert(schema.contribution_day).values(account_id=account, captured_at=utc("2026-03-01"), **row)
        )
    publish_data_version(database)
    return account


def test_the_portfolio_is_described_in_figures(open_page, octo):
    text = page_text(open_page("account", login="octo", by="Stars"))
    assert "h-index 2, Gini coefficient 0.31" in text
    # Shares 6/8 and 2/8: exp(−(¾ ln ¾ + ¼ ln ¼)) = 1.75
    assert "As diverse as 1.8 of equal share, out of 2 languages (Shannon 0.56)" in text
    assert "3 of 4 repositories with known contributors" in text
    assert "They have 88\N{NO-BREAK SPACE}% of the stars. In 3 of them it is a\\*d\\*a." in text  # 7 of 8


def test_a_year_without_contributions_has_no_best_day(open_page, octo, database):
    database.execute(schema.contribution_day.update().values(contributions=0))
    text = page_text(open_page("account", login="octo"))
    assert "No public contribution since 2025-01-01." in text
    assert "with 0." not in text


def test_what_an_organization_cannot_have_is_not_waited_for(open_page, octo, database):
    database.execute(schema.account.update().values(kind="organization"))
    database.execute(schema.contribution_day.delete())
    shown = open_page("account", login="octo")
    icons = {one.value: one.icon for one in shown.info}
    assert icons["GitHub counts contributions of users, not of organizations."] == ":material/check_circle:"


def test_the_calendar_the_peers_and_the_changes_are_shown(open_page, octo):
    shown = open_page("account", login="octo")
    assert not shown.exception
    assert not shown.error
    text = page_text(shown)
    assert "public contributions since 2025-01-01" in text.replace("\\", "")
    assert "0 other accounts with most stars in Go, 10 years and older" in text
    changes = shown.dataframe[-1].value
    assert changes[["subject", "what", "before", "after"]].to_numpy().tolist() == [
        ["/repository?name=octo/d", "changed its licence", "MIT", "Apache-2.0"]
    ]


def test_as_of_a_day_before_nothing_of_it_is_shown_as_zero(open_page, octo):
    text = page_text(open_page("account", login="octo", as_of="2026-01-02"))
    assert "Contributors of its repositories have not been collected" in text
    assert "Contributions have not been collected by that day" in text


@pytest.mark.parametrize(
    "choice", [{"by": "Repositories"}, {"forks": "With forks"}, {"by": "nonsense", "forks": "<b>"}]
)
def test_each_choice_shows_the_page(open_page, octo, choice):
    shown = open_page("account", login="octo", **choice)
    assert not shown.exception
    assert bool(shown.warning) == ("nonsense" in choice.values())


def test_an_organization_has_no_calendar_and_an_empty_account_no_curve(open_page, database):
    account = seed_data.add_account(
        database,
        "pallets",
        github_id=2,
        kind="organization",
        checked_at=utc("2026-01-05"),
        created_at=utc("2015-01-01"),
    )
    row = {"account_id": account, "captured_at": utc("2026-01-05")}
    database.execute(insert(schema.capture_open).values(**row))
    counts = {"stars": 0, "forks": 0, "repositories": 0, "followers": 0}
    database.execute(insert(schema.account_snapshot).values(**row, **counts))
    publish_data_version(database)
    shown = open_page("account", login="pallets")
    assert not shown.exception
    text = page_text(shown)
    assert "of users, not of organizations" in text
    assert "pallets has no repositories." in text


def test_with_another_time_portfolio_contributions_and_peers_compare_with_it(open_page, database):
    """Stars were 1, 1 and 2, and are 3, 1 and 2; each of the first 368 days had one contribution, the other 32 two."""
    account = seed_data.add_account(
        database, "octo", github_id=1, kind="user", created_at=utc("2015-01-01"), checked_at=utc("2026-02-01")
    )
    for day, stars in (("2026-01-01", 4), ("2026-02-01", 6)):
        database.execute(
            insert(schema.account_snapshot).values(
                account_id=account, captured_at=utc(day), stars=stars, forks=0, repositories=3, followers=1
            )
        )
    for number, (name, stars) in enumerate((("a", 3), ("b", 1), ("c", 2)), 1):
        seed_data.add_repository(
            database, f"octo/{name}", {"2026-01-01": min(stars, number), "2026-02-01": stars}, github_id=number,
            primary_language="Go", captures=["2026-01-01", "2026-02-01"], is_fork=False,
        )  # fmt: skip
    for number in range(400):
        captured = utc("2026-01-04") if number < 368 else utc("2026-02-05")
        row = {"day": date(2025, 1, 1) + timedelta(days=number), "contributions": 1 if number < 368 else 2}
        database.execute(insert(schema.contribution_day).values(account_id=account, captured_at=captured, **row))
    publish_data_version(database)
    shown = open_page("account", login="octo", vs="2026-01-05", as_of="2026-02-10")
    assert not shown.exception
    text = page_text(shown).replace("\N{NO-BREAK SPACE}", " ")
    # Of 3, 2 and 1 two have at least two; of 2, 1 and 1 only one. Gini: 28/18 - 4/3 = 0.22 and 18/12 - 4/3 = 0.17.
    assert "3 repositories (0, vs 3 on 2026-01-05), forks left out" in text
    assert "h-index 2 (+1, +100.0 %, vs 1 on 2026-01-05), Gini coefficient 0.22 (vs 0.17)" in text
    assert "In the last 365 days 397 (+32, +8.8 %, vs 365 on 2026-01-05)" in text
    assert "On 2026-01-05 it had no rank." in text
    assert "Contributors had not been collected by 2026-01-05." in text
    unknown = page_text(open_page("account", login="octo", vs="2020-06-01", as_of="2026-02-10"))
    then = "(vs — on 2020-06-01)"
    assert f"3 repositories {then}, forks left out: h-index 2 {then}, Gini coefficient 0.22 (vs —)." in unknown
    assert "Dashed" not in unknown
    assert "Contributors had not been collected by 2020-06-01." in unknown
    (peers,) = (table.value for table in shown.dataframe if "is_self" in table.value)
    assert peers[["stars", "stars_vs", "stars_difference", "stars_percent"]].to_numpy().tolist() == [[6, 4, 2, 50.0]]
