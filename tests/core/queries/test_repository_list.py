"""The table of all repositories: filters and orders, now and as of a day."""

import pandas as pd
import pytest
from sqlalchemy import Connection, Engine, insert, select

from core.db import schema
from core.queries import repository_detail, repository_list
from core.queries.repository_list import CONDITIONS, ORDER_BY, Filters
from tests import seed_data


@pytest.fixture(scope="module")
def filled_engine(filled):
    with filled(add_rows) as engine:
        yield engine


@pytest.fixture
def stored(filled_engine: Engine, database: Connection) -> Connection:
    return database


def add_rows(database: Connection) -> None:
    """Add five repositories of three owners, one of them imported only."""
    seed_data.add_repository(
        database,
        "octo/cat",
        {"2026-01-01": 900, "2026-03-01": 1000},
        forks=50,
        growth={7: 10, 30: 100},
        extras={"watchers": 12, "open_issues": 3},
        refreshed_at="2026-03-05",
        primary_language="Python",
        license="MIT",
        description="Herds cats",
        topics=["cats", "git"],
        pushed_at=seed_data.utc("2026-02-20"),
    )
    seed_data.add_repository(
        database, "octo/dog", {"2026-03-01": 500}, growth={7: 50}, primary_language="Go", is_fork=True
    )
    seed_data.add_repository(database, "Hubot/100%_cat", {"2026-03-01": 2000}, primary_language="C++", is_archived=True)
    seed_data.add_repository(database, "hubot/lost", {"2026-03-01": 30}, gone_at=seed_data.utc("2026-03-02"))
    seed_data.add_imported_repository(
        database, "old/times", {"2025-01-06": 70, "2025-01-13": 80}, by="weekly list", growth={7: 10}, license="MIT"
    )


def repository_names(filters: Filters, order: str = "stars") -> list[str]:
    return repository_list.matching_repositories(filters, order)["full_name"].tolist()


def test_without_filters_all_repositories_are_listed_most_stars_first(stored):
    assert repository_names(Filters()) == ["Hubot/100%_cat", "octo/cat", "octo/dog", "old/times", "hubot/lost"]
    assert repository_list.count_repositories(None) == 5


def test_watchers_of_then_are_our_last_ones_else_the_newest_import(stored):
    found = stored.execute(select(schema.repository.c.full_name, schema.repository.c.id))
    ids = {row.full_name: row.id for row in found}
    first, second = (seed_data.add_source(stored, name) for name in ("first list", "second list"))
    rows = [
        ("octo/cat", "2026-01-10", 1, 5), ("octo/cat", "2026-01-20", 1, 6), ("octo/cat", "2026-02-20", 1, 7),
        ("octo/cat", "2026-01-25", first, 50), ("old/times", "2026-01-20", first, 8),
        ("old/times", "2026-01-25", first, 9), ("old/times", "2026-01-25", second, 10),
        ("octo/dog", "2026-03-01", 1, 1),
    ]  # fmt: skip
    stored.execute(insert(schema.repository_extra_snapshot), [
        {"repository_id": ids[name], "captured_at": seed_data.utc(at), "source_id": source, "watchers": count}
        for name, at, source, count in rows
    ])  # fmt: skip
    for as_of, expected in (
        ("2026-01-10", {"octo/cat": 5}),
        ("2026-01-31", {"octo/cat": 6, "old/times": 10}),
        ("2026-03-02", {"octo/cat": 7, "old/times": 10, "octo/dog": 1}),
    ):
        filters = Filters(as_of=seed_data.utc(as_of))
        for table in (
            repository_list.matching_repositories(filters),
            repository_list.matching_page(filters, "stars", 0, 10),
        ):
            watchers = table.set_index("full_name")["watchers"].dropna()
            assert {name: int(count) for name, count in watchers.items()} == expected
        for name, count in expected.items():
            assert repository_detail.by_name(*name.split("/"), filters.as_of)["watchers"].tolist() == [count]


def test_unknown_values_are_null(stored):
    table = repository_list.matching_repositories(Filters()).set_index("full_name")
    cat, old = table.loc["octo/cat"], table.loc["old/times"]
    assert cat[["stars", "stars_7d", "stars_30d", "forks", "watchers", "open_issues"]].tolist() == [
        *[1000, 10, 100],
        *[50, 12, 3],
    ]
    assert list(cat["topics"]) == ["cats", "git"]
    assert cat["checked_at"] == seed_data.utc("2026-03-05")
    assert cat["source"] == "github"
    assert old["source"] == "weekly list"
    assert old["checked_at"] == seed_data.utc("2025-01-13")
    assert pd.isna(old[["forks", "watchers", "open_issues", "size_kb", "stars_30d", "topics"]]).all()


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(search="CAT"), {"octo/cat", "Hubot/100%_cat"}),
        (Filters(search="cat octo"), {"octo/cat"}),
        (Filters(search="herds"), {"octo/cat"}),
        (Filters(search="git"), {"octo/cat"}),
        (Filters(search="100%_"), {"Hubot/100%_cat"}),
        (Filters(search="%"), {"Hubot/100%_cat"}),
        (Filters(owner="HUBOT"), {"Hubot/100%_cat", "hubot/lost"}),
        (Filters(owner="hub"), set()),
        (Filters(languages=("Go", "C++")), {"octo/dog", "Hubot/100%_cat"}),
        (Filters(license="MIT"), {"octo/cat", "old/times"}),
        (Filters(min_stars=1000), {"octo/cat", "Hubot/100%_cat"}),
        (Filters(min_stars=10**12), set()),
        (Filters(hidden=frozenset({"forks"})), {"octo/cat", "Hubot/100%_cat", "hubot/lost", "old/times"}),
        (Filters(hidden=frozenset({"archived", "deleted"})), {"octo/cat", "octo/dog", "old/times"}),
        (Filters(search="'; DROP TABLE repository; --"), set()),
    ],
)
def test_each_filter_matches_what_it_names(stored, filters, expected):
    assert set(repository_names(filters)) == expected


@pytest.mark.parametrize("order", ORDER_BY)
def test_every_order_has_all_rows_and_nulls_last(stored, order):
    table = repository_list.matching_repositories(Filters(), order)
    assert len(table) == 5
    if order != "checked_at":
        known = table[order].notna().tolist()
        assert known == sorted(known, reverse=True)


def test_each_order_has_its_extreme_first(stored):
    assert repository_names(Filters(), "stars_7d")[0] == "octo/dog"
    assert repository_names(Filters(), "full_name")[0] == "Hubot/100%_cat"
    assert repository_names(Filters(), "checked_at")[0] == "old/times"
    assert repository_names(Filters(), "pushed_at")[0] == "octo/cat"


def test_as_of_a_day_counts_are_of_the_last_capture_by_then(stored):
    day = seed_data.utc("2026-02-01")
    table = repository_list.matching_repositories(Filters(as_of=day)).set_index("full_name")
    assert table["stars"].to_dict() == {"octo/cat": 900, "old/times": 80}
    assert repository_list.count_repositories(day) == 2


def test_as_of_a_day_growth_ends_at_the_last_capture_before_it(database):
    seed_data.add_repository(
        database,
        "octo/cat",
        {"2026-01-01": 100, "2026-01-20": 150, "2026-02-01": 180, "2026-02-08": 181, "2026-05-01": 900},
        refreshed_at="2026-05-01",
        captures=["2026-01-08"],
    )
    row = repository_list.matching_repositories(Filters(as_of=seed_data.utc("2026-02-10"))).iloc[0]
    assert (row["stars"], row["stars_7d"], row["stars_30d"]) == (181, 1, 81)


def test_growth_without_an_earlier_snapshot_is_null(database):
    seed_data.add_repository(database, "octo/cat", {"2026-02-01": 100, "2026-02-12": 120}, captures=["2026-02-04"])
    row = repository_list.matching_repositories(Filters(as_of=seed_data.utc("2026-02-12"))).iloc[0]
    assert row["stars_7d"] == 20
    assert pd.isna(row["stars_30d"])


def test_as_of_a_day_names_licence_language_and_state_are_past_ones(database):
    cat = seed_data.add_repository(
        database,
        "newowner/cat",
        {"2026-01-01": 100},
        license="MIT",
        primary_language="Rust",
        is_archived=True,
        refreshed_at="2026-06-01",
    )
    earlier = {"license": None, "primary_language": "C", "is_archived": False}
    seed_data.add_version(database, cat, "2026-02-01", full_name="old/kitten", **earlier)
    seed_data.add_version(database, cat, "2026-03-01", full_name="old/cat", **earlier)

    def then(day: str) -> list[object]:
        row = repository_list.matching_repositories(Filters(as_of=seed_data.utc(day))).iloc[0]
        licence = None if pd.isna(row["license"]) else row["license"]
        return [row["full_name"], row["owner"], licence, row["language"], bool(row["is_archived"])]

    assert then("2026-01-15") == ["old/kitten", "old", None, "C", False]
    assert then("2026-02-15") == ["old/cat", "old", None, "C", False]
    assert then("2026-03-15") == ["newowner/cat", "newowner", "MIT", "Rust", True]


def test_as_of_a_day_a_repository_restored_later_is_unavailable(database):
    lost = seed_data.add_repository(
        database, "octo/lost", {"2026-01-01": 1}, refreshed_at="2026-06-01", gone_at=seed_data.utc("2026-05-01")
    )
    back = seed_data.add_repository(database, "octo/back", {"2026-01-01": 1}, refreshed_at="2026-06-01")
    seed_data.add_version(database, lost, "2026-05-01")
    seed_data.add_version(database, back, "2026-02-01")
    seed_data.add_version(database, back, "2026-04-01", is_gone=True)

    def gone(day: str) -> set[str]:
        table = repository_list.matching_repositories(Filters(as_of=seed_data.utc(day)))
        return set(table.loc[table["is_gone"], "full_name"])

    assert gone("2026-01-15") == set()
    assert gone("2026-03-01") == {"octo/back"}
    assert gone("2026-05-15") == {"octo/lost"}


def test_own_snapshots_are_preferred_over_imported_ones(database):
    created = seed_data.add_repository(database, "octo/cat", {"2026-03-01": 1000})
    kept_by = seed_data.add_source(database, "elsewhere")
    seed_data._add_snapshots(database, created, {"2026-02-01": 700, "2026-04-01": 5}, None, kept_by)
    by_day = {
        day: repository_list.matching_repositories(Filters(as_of=seed_data.utc(day)))["stars"].tolist()
        for day in ("2026-02-15", "2026-04-15")
    }
    assert by_day == {"2026-02-15": [700], "2026-04-15": [1000]}
    assert repository_names(Filters()) == ["octo/cat"]


def test_matches_without_each_filter_are_counted(stored):
    filters = Filters(owner="octo", languages=("C++",), hidden=frozenset({"deleted"}))
    assert repository_names(filters) == []
    assert repository_list.counts_without_each_filter(filters) == {"languages": 2, "owner": 1, "deleted": 0}
    assert repository_list.counts_without_each_filter(Filters()) == {}


@pytest.mark.parametrize("name", CONDITIONS)
def test_one_filter_can_be_removed(name):
    everything = Filters("a", "b", ("C",), "MIT", 5, frozenset({"forks", "archived", "deleted"}))
    assert everything.active == set(CONDITIONS)
    assert everything.without(name).active == set(CONDITIONS) - {name}


def test_options_are_listed_most_frequent_first(stored):
    assert repository_list.license_counts().to_dict("list") == {"license": ["MIT"], "repositories": [2]}
    assert repository_list.language_counts()["language"].tolist() == ["C++", "Go", "Python"]
    assert repository_list.owners_with_prefix("HU") == ["Hubot"]
    assert repository_list.owners_with_prefix("%") == []


def test_star_bins_count_every_repository_once(database):
    for index, stars in enumerate([0, 1, 2, 3, 9, 10, 21, 22, 99, 100, 999, 1000, 12345]):
        seed_data.add_repository(database, f"octo/r{index}", {"2026-03-01": stars})
    bins = repository_list.star_distribution(Filters())
    assert bins["repositories"].sum() == 13
    assert bins["at_least"].is_monotonic_increasing
    assert dict(zip(bins["at_least"], bins["below"], strict=True)) == {
        **{0: 1, 1: 3, 3: 5, 5: 10, 10: 22, 22: 47, 47: 100},
        **{100: 216, 465: 1000, 1000: 2155, 10000: 21545},
    }
    assert bins["repositories"].tolist() == [1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1]


def test_fastest_growing_have_positive_growth_most_gained_first(stored):
    assert repository_list.fastest_growing(Filters())["full_name"].tolist() == ["octo/cat"]


def test_the_frame_has_its_query(stored):
    frame = repository_list.matching_repositories(Filters(owner="octo"))
    assert frame.attrs["values"]["owner"] == "octo"
    assert frame.attrs["sql"].startswith("WITH")


@pytest.mark.parametrize("word", ["ΟΔΟΣ", "İSTANBUL", "STRASSE", "ǅ", "ÄÖÜ"])
def test_a_search_finds_the_word_as_it_is_written(database, word):
    """Python writes the last letter of ΟΔΟΣ as ς in lower case and İ as two letters; Postgres does neither."""
    seed_data.add_repository(database, "octo/cat", {"2026-03-01": 1}, description=f"On {word} street")
    assert repository_names(Filters(search=word)) == ["octo/cat"]


@pytest.mark.parametrize("as_of", [None, seed_data.utc("2026-03-06"), seed_data.utc("2026-01-15")])
@pytest.mark.parametrize("sort", ["", *repository_list.SORT_BY])
def test_pages_together_are_the_whole_list_in_the_order_asked_for(stored, sort, as_of):
    filters = Filters(hidden=frozenset({"deleted"}), as_of=as_of)
    whole = repository_list.matching_repositories(filters, "forks")
    assert repository_list.count_matching(filters) == len(whole)
    assert repository_list.count_unknown(filters) == whole["is_fork"].isna().sum()
    for descending in (False, True):
        pages = [
            repository_list.matching_page(filters, "forks", offset, 2, sort=sort, descending=descending)
            for offset in range(0, len(whole), 2)
        ]
        names = [name for page in pages for name in page["full_name"]]
        rows = [row for page in pages for row in page.to_dict("records")]
        by_name = {row["full_name"]: str(row) for row in whole.to_dict("records")}
        assert {row["full_name"]: str(row) for row in rows} == by_name
        assert sorted(names) == sorted(whole["full_name"])
        if not sort:
            assert names == whole["full_name"].tolist()
        if sort in ("stars", "forks", "size_kb"):
            values = [value for page in pages for value in page[sort]]
            known = [value for value in values if value is not pd.NA]
            assert known == sorted(known, reverse=descending)
            assert values[: len(known)] == known  # what is unknown comes last in both directions


@pytest.mark.parametrize("order", repository_list.ORDER_BY)
@pytest.mark.parametrize("as_of", [None, seed_data.utc("2026-03-06")])
def test_pages_beside_another_time_together_are_the_whole_list_in_its_order(stored, order, as_of):
    filters, vs = Filters(hidden=frozenset({"deleted"}), as_of=as_of), seed_data.utc("2026-02-28")
    whole = repository_list.compared_repositories(filters, order, vs)
    pages = [repository_list.compared_page(filters, order, vs, offset, 2) for offset in range(0, len(whole), 2)]
    rows = [row for page in pages for row in page.to_dict("records")]
    assert list(map(str, rows)) == list(map(str, whole.to_dict("records")))
    assert whole["stars_difference"].dropna().nunique() > 1


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", [*repository_list.SORT_BY, "stars_vs", "stars_difference", "forks_percent"])
def test_pages_beside_another_time_are_sorted_by_any_column(stored, sort, descending):
    filters, vs = Filters(), seed_data.utc("2026-02-28")
    whole = repository_list.compared_repositories(filters, "stars", vs)
    pages = [
        repository_list.compared_page(filters, "stars", vs, offset, 2, sort=sort, descending=descending)
        for offset in range(0, len(whole), 2)
    ]
    rows = [row for page in pages for row in page.to_dict("records")]
    assert {row["full_name"]: str(row) for row in rows} == {
        row["full_name"]: str(row) for row in whole.to_dict("records")
    }
    assert len(rows) == len(whole)
    if sort in ("stars", "stars_vs", "stars_difference", "forks_percent"):
        values = [row[sort] for row in rows]
        known = [value for value in values if not pd.isna(value)]
        assert known == sorted(known, reverse=descending)
        assert values[: len(known)] == known  # what is unknown comes last in both directions


def test_a_page_beside_another_time_may_be_empty(stored):
    vs = seed_data.utc("2026-02-28")
    assert repository_list.compared_page(Filters(owner="nobody"), "stars", vs, 0, 2).empty
    assert repository_list.compared_page(Filters(), "stars", vs, 1_000, 2).empty
