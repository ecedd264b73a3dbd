"""Search by name: what matches, in which order, and that an index serves it."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from core.queries import search
from tests import seed_data
from tests.seed_data import utc

NAMES = ("octo/cat", "octo/cat-food", "octo/concat", "cat/dog", "zed/Grüße_100%", "go/go", "a-b/mango")


@pytest.fixture
def stored(database):
    """Repositories of NAMES: the later in the list the more stars."""
    for stars, name in enumerate(NAMES):
        seed_data.add_repository(database, name, {"2026-01-01": stars}, github_id=100 + stars, primary_language="Rust")
    return database


def repositories(query, as_of=None, limit=20):
    return search.repositories(query, as_of, limit)["full_name"].tolist()


def accounts(query, as_of=None, limit=20):
    return search.accounts(query, as_of, limit)["login"].tolist()


def test_the_same_name_comes_first_then_names_that_begin_with_it_then_others_by_stars(stored):
    assert repositories("CAT") == ["octo/cat", "octo/cat-food", "octo/concat", "cat/dog"]
    assert repositories("octo/ca") == ["octo/cat-food", "octo/cat"]  # both begin with it; three letters rank 1 star
    assert repositories("cat", limit=1) == ["octo/cat"]


def test_all_words_have_to_match_in_any_order(stored):
    assert repositories("food octo") == ["octo/cat-food"]
    assert repositories("food zed") == []


def test_one_or_two_letters_begin_a_name(stored):
    assert repositories("go") == ["go/go"]
    assert repositories("c") == ["octo/concat", "octo/cat-food", "octo/cat", "cat/dog"]


def test_wildcards_are_letters_and_any_alphabet_is_found(stored):
    assert repositories("%") == repositories("_") == repositories("\\") == []
    assert repositories("GRÜSSE_100%") == []
    assert repositories("grüße_100%") == ["zed/Grüße_100%"]
    assert repositories("   ") == accounts("") == []


def test_a_url_finds_what_it_names(stored):
    assert repositories("https://github.com/Octo/Cat/issues")[0] == "octo/cat"
    assert accounts("https://github.com/zed") == ["zed"]


def test_former_names_lead_to_the_repository_and_to_the_account(stored):
    cat = stored.execute(text("SELECT id, account_id FROM repository WHERE full_name = 'octo/cat'")).one()
    seed_data.add_version(stored, cat.id, "2026-01-02", full_name="octo/kitten")
    seed_data.add_account_version(stored, cat.account_id, "2026-01-02", login="octopus")
    assert repositories("kitten") == ["octo/cat"]
    assert repositories("kitten", utc("2026-01-01")) == ["octo/kitten"]
    assert accounts("octopus") == ["octo"]
    assert accounts("octopus", utc("2026-01-01")) == ["octopus"]


def test_accounts_are_found_by_their_name_too_and_tracked_ones_first(stored):
    seed_data.add_account(stored, "ann", github_id=1, name="Ann Catley", kind="user")
    seed_data.add_account(stored, "catalog", github_id=2)
    tracked = seed_data.add_account(stored, "cat-tree", github_id=3)
    stored.execute(text("INSERT INTO tracked_account (account_id, stars) VALUES (:id, 5)"), {"id": tracked})
    assert accounts("cat") == ["cat", "cat-tree", "catalog", "ann"]
    assert accounts("catley ann") == ["ann"]


def test_what_did_not_exist_then_is_not_found(stored):
    stored.execute(text("UPDATE repository SET created_at = '2026-03-01Z' WHERE full_name = 'octo/cat'"))
    assert "octo/cat" not in repositories("cat", utc("2026-02-01"))


def test_languages_are_found_by_name_former_name_and_alias(stored):
    assert search.languages("rust", 5) == search.languages("RS", 5) == ["Rust"]
    assert search.languages("python", 5) == search.languages("", 5) == []


LETTERS = st.text(alphabet="acgot-/ ", min_size=1, max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LETTERS)
def test_matches_are_those_of_a_plain_search(stored, query):
    def matches(name):
        return all(
            word in name if len(word) > 2 else any(part.startswith(word) for part in (name, name.partition("/")[2]))
            for word in query.split()
        )

    expected = {name for name in NAMES if query.split() and matches(name.lower())}
    assert set(repositories(query)) == expected


@pytest.mark.one_postgres("the coordinator plans no scans")
@pytest.mark.parametrize("query", ["cat", "go", "octo/cat", "deep learning"])
def test_an_index_serves_every_query(stored, query):
    # Few rows are read at less cost without: what counts is that the condition is one that the index answers.
    for scan in ("seqscan", "indexscan", "indexonlyscan"):
        stored.execute(text(f"SET LOCAL enable_{scan} = off"))
    found = search.repositories(query, None, 5)
    plan = "\n".join(stored.scalars(text(f"EXPLAIN {found.attrs['sql']}"), found.attrs["values"]))
    assert "Bitmap Index Scan on repository_full_name_search_idx" in plan
    assert "Bitmap Index Scan on repository_version_full_name_search_idx" in plan
