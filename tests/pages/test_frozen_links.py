"""A link with `as_of` and `vs` shows the same numbers after another year of data."""

import json
from datetime import date

import pytest
from sqlalchemy import insert, text

from core.db import schema
from core.db.data_version import publish_data_version
from core.db.partitions import ensure_partitions
from tests import seed_data
from tests.pages.reader_pages import READER_PAGES
from tests.seed_data import utc

CAT_ID = 1
TIMES = {"as_of": "2025-06-30", "vs": "2025-03-31"}


def add_rollup(database, day, **stars):
    rows = [
        {"day": day, "language": name, "repositories": 1, "stars": count, "forks": count // 10, "source_id": 1}
        for name, count in stars.items()
    ]
    database.execute(insert(schema.language_day), rows)


@pytest.fixture(scope="module")
def filled_engine(filled):
    with filled(add_rows) as engine:
        yield engine


@pytest.fixture
def stored(filled_engine):
    """Return the id of octo/cat."""
    return CAT_ID


def add_rows(database):
    captures = [f"2025-{month:02}-{day:02}" for month in range(1, 7) for day in range(1, 29)]
    ensure_partitions(database, date(2025, 1, 1), date(2026, 12, 1))
    cat = seed_data.add_repository(
        database, "octo/cat", {"2025-01-01": 100, "2025-03-30": 120, "2025-06-28": 150}, captures=captures,
        github_id=CAT_ID, primary_language="C", forks=3,
    )  # fmt: skip
    seed_data.add_repository(
        database,
        "octo/dog",
        {"2025-01-01": 70, "2025-06-20": 60},
        captures=captures,
        github_id=2,
        primary_language="Go",
    )
    octo = seed_data.add_account(database, "octo")
    for at, stars in (("2025-01-01", 170), ("2025-03-30", 190), ("2025-06-28", 210)):
        add_account_snapshot(database, octo, at, stars)
    for day in captures:
        add_rollup(database, date.fromisoformat(day), C=120 if day < "2025-06" else 150, Go=70)
    seed_data.add_change(database, cat, "relicensed", "2025-05-01", before="MIT", after="GPL-3.0")


def add_account_snapshot(database, account, at, stars):
    database.execute(
        insert(schema.account_snapshot).values(
            account_id=account, captured_at=utc(at), followers=5, stars=stars, forks=3, repositories=2
        )
    )


def add_a_year(database, cat):
    """Everything changes: counts, the name, the language, the licence, rollups."""
    octo = seed_data.add_account(database, "octo")
    for month in range(1, 13):
        at = f"2026-{month:02}-01"
        values = {"repository_id": cat, "captured_at": utc(at), "stars": 1_000 * month, "forks": 99, "source_id": 1}
        database.execute(insert(schema.repository_snapshot_open).values(**values))
        database.execute(insert(schema.capture_open).values(account_id=octo, captured_at=utc(at)))
        add_account_snapshot(database, octo, at, 1_000 * month + 60)
        add_rollup(database, date.fromisoformat(at), C=1_000 * month, Go=60)
    database.execute(text("UPDATE repository_current SET stars = 12000, forks = 99, captured_at = '2026-12-01Z'"
                          " WHERE repository_id = :id"), {"id": cat})  # fmt: skip
    database.execute(text("UPDATE account SET checked_at = '2026-12-01Z'"))
    seed_data.add_version(database, cat, "2026-02-01")
    database.execute(
        text("UPDATE repository SET full_name = 'octo/lion', primary_language = 'Rust' WHERE id = :id"), {"id": cat}
    )
    seed_data.add_change(database, cat, "renamed", "2026-02-01", before="octo/cat", after="octo/lion")
    seed_data.add_repository(database, "octo/new", {"2026-05-01": 5}, github_id=3, created_at=utc("2026-04-01"))
    publish_data_version(database)


def numbers(shown):
    """Return all cards, tables and charts of a page, but those of its present state."""
    assert not shown.exception
    cards = [(card.label, card.value, card.delta) for card in shown.metric]
    of_then = [table for table in shown.dataframe if "overdue" not in table.proto.alt]
    tables = [table.value.astype(str).to_numpy().tolist() for table in of_then]
    charts = [chart.proto.spec for chart in shown.get("plotly_chart") if "freshness" not in chart.proto.id]
    # A city's camera follows the width of the browser's page; its rows are in the cell's table.
    return cards, tables, charts, [text.value for text in shown.markdown]


@pytest.mark.parametrize("page", READER_PAGES)
def test_a_link_shows_the_same_numbers_a_year_later(open_page, stored, database, page):
    before = numbers(open_page(page, **READER_PAGES[page], **TIMES))
    assert any(before)
    add_a_year(database, stored)
    assert numbers(open_page(page, **READER_PAGES[page], **TIMES)) == before


class TestCommittedRows:
    """As on a real server: other tests read on the one connection whose rows nobody else sees, Arrow by another way."""

    @pytest.fixture
    def database(self, committing_database):
        with committing_database.begin() as connection:
            add_rows(connection)
        return committing_database

    @pytest.mark.parametrize("page", READER_PAGES)
    def test_pages_of_two_times_are_read_without_an_error(self, open_page, page):
        shown = numbers(open_page(page, **READER_PAGES[page], **TIMES))
        assert any(shown)


@pytest.mark.parametrize("page", READER_PAGES)
def test_columns_of_links_hold_urls(open_page, stored, page):
    """What is a name instead would lead to a page of ours that does not exist."""
    for table in open_page(page, **READER_PAGES[page], **TIMES).dataframe:
        configured = json.loads(table.proto.columns)
        links = [
            name for name, shown in configured.items() if shown and shown.get("type_config", {}).get("type") == "link"
        ]
        for name in set(links) & set(table.value):
            assert table.value[name].dropna().str.match(r"/\w+\?|https://").all(), (name, table.value[name].tolist())


def test_value_difference_and_percent_stand_beside_each_other(open_page, stored):
    """150 stars against 120: 30 more, 25 percent; octo/dog lost 10 of 70."""
    shown = open_page("repository", name="octo/cat", **TIMES)
    card = shown.metric[0]
    assert (card.label, card.value, card.delta) == ("Stars", "150", "+30")
    assert card.proto.delta_description == "+25.0\N{NO-BREAK SPACE}%"
    assert "vs 120 on 2025-03-31" in [caption.value for caption in shown.caption]
    table = open_page("repositories", **TIMES).dataframe[0].value
    assert [link.partition("&")[0] for link in table["repository"]] == [
        "/repository?name=octo/cat", "/repository?name=octo/dog",
    ]  # fmt: skip
    assert table["stars_difference"].tolist() == [30, -10]
    assert [round(value, 1) for value in table["stars_percent"]] == [25.0, -14.3]


def test_the_overview_compares_all_four_totals(open_page, stored):
    """Rollups: 150 and 70 stars with 15 and 7 forks; before 120 and 70 with 12 and 7."""
    cards = {card.label: card for card in open_page("", as_of="2025-06-28", vs="2025-03-28").metric}
    assert (cards["Stars"].value, cards["Stars"].delta) == ("220", "+30")
    assert (cards["Forks"].value, cards["Forks"].delta) == ("22", "+3")


def test_movers_compare_the_growth_of_both_times(open_page, stored):
    """octo/cat gained 30 in the 30 days to June 28 and 20 in those to March 30; octo/dog lost 10 and nothing."""
    shown = open_page("movers", **TIMES)
    table = shown.dataframe[-1].value
    assert table[["growth", "growth_vs", "growth_difference"]].to_numpy().tolist() == [[30, 20, 10], [-10, 0, -10]]
    assert ", was +20" in charts_of(shown)


def test_changes_are_those_since_then_with_their_number_before(open_page, stored, database):
    """One of March in the 91 days before, one of May since."""
    seed_data.add_change(database, stored, "relicensed", "2025-02-01", before="", after="MIT")
    seed_data.add_change(database, stored, "archived", "2025-02-02")
    shown = open_page("changes", **TIMES)
    counts, entries = (frame.value for frame in shown.dataframe)
    assert entries["what"].tolist() == ["changed its licence"]
    assert counts.to_numpy()[:, :4].tolist() == [["changed its licence", 1, 1, 0], ["archived", 0, 1, -1]]


def test_compare_sets_both_times_beside_each_other_in_table_and_chart(open_page, stored):
    shown = open_page("compare", **{"with": "octo/cat,octo/dog"}, **TIMES)
    table = next(frame.value for frame in shown.dataframe if "link" in frame.value)
    assert table[["stars", "stars_vs", "stars_difference"]].to_numpy().tolist() == [[150, 120, 30], [60, 70, -10]]
    assert '"dash":"dot"' in charts_of(shown)


def charts_of(shown):
    return " ".join(chart.proto.spec for chart in shown.get("plotly_chart"))


def test_language_charts_draw_the_earlier_shares_too(open_page, stored):
    """The last rollup of March had 120 and 70 stars: 63.2 and 36.8 %."""
    drawn = charts_of(open_page("languages", **TIMES))
    assert '"dash":"dot"' in drawn
    assert "63.2 % on 2025-03-28" in drawn
