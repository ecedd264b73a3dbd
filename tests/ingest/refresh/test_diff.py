"""The diff contains every difference once and nothing unchanged."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ingest.github.api.models import Account, Repository
from ingest.refresh.diff import (
    ChangeEntry,
    RepositoryExtras,
    StoredAccount,
    StoredRepository,
    account_totals,
    counts_of,
    details_of,
    diff_account,
    extras_of,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ACCOUNT = Account(github_id=1, login="octocat", kind="user", followers=5, following=1, public_repositories=2)

counts = st.none() | st.integers(0, 10**6)
names = st.sampled_from(["alpha", "beta", "gamma"])
repositories = st.lists(
    st.builds(
        Repository,
        github_id=st.integers(1, 50),
        full_name=names.map("octocat/{}".format),
        name=names,
        owner_login=st.just("octocat"),
        owner_id=st.just(1),
        stars=st.integers(0, 10**6),
        forks=st.integers(0, 10**6),
        size_kb=st.integers(0, 10**6),
        license=st.sampled_from([None, "MIT", "Apache-2.0"]),
        topics=st.none() | st.lists(st.sampled_from(["data", "web"]), unique=True).map(tuple),
        primary_language=st.sampled_from([None, "Python", "C"]),
        is_archived=st.booleans(),
        watchers=counts,
        open_issues=counts,
        open_issues_and_change_requests=counts,
    ),
    unique_by=lambda repository: repository.github_id,
    max_size=8,
)


def reported_repository(**given):
    reported = {"github_id": 10, "full_name": "octocat/hello", "name": "hello", "owner_login": "octocat", "owner_id": 1}
    return Repository(**(reported | {"stars": 3, "forks": 1, "size_kb": 7} | given))


def stored_account(reported, **given):
    stored = {
        repository.github_id: StoredRepository(
            id=repository.github_id + 1000,
            github_id=repository.github_id,
            account_id=1,
            details=details_of(repository),
            counts=counts_of(repository),
            extras=extras_of(repository),
            captured_at=NOW,
        )
        for repository in reported
    }
    facts = {
        "id": 1,
        "login": "octocat",
        "checked_at": NOW,
        "gone_at": None,
        "counts": account_totals(ACCOUNT, reported),
    }
    return StoredAccount(**(facts | {"repositories": stored} | given))


@given(repositories)
def test_an_identical_response_has_an_empty_diff(reported):
    assert diff_account(stored_account(reported), ACCOUNT, reported).is_empty


@given(repositories, repositories)
def test_applying_a_diff_leaves_an_empty_diff(before, after):
    plan = diff_account(stored_account(before), ACCOUNT, after)
    known = {repository.github_id for repository in before}
    assert {repository.github_id for repository in plan.new} == {r.github_id for r in after} - known
    assert {missing.github_id for missing in plan.missing} == known - {r.github_id for r in after}
    assert diff_account(stored_account(after), ACCOUNT, after).is_empty


@given(repositories)
def test_totals_are_the_sum_over_owned_repositories(reported):
    sums = account_totals(ACCOUNT, reported)
    assert (sums.stars, sums.repositories) == (sum(repository.stars for repository in reported), len(reported))


def test_missing_followers_keep_the_stored_value():
    untold = ACCOUNT.model_copy(update={"followers": None, "following": None})
    assert diff_account(stored_account([reported_repository()]), untold, [reported_repository()]).totals is None


def test_another_star_is_a_count_and_not_a_ledger_entry():
    plan = diff_account(stored_account([reported_repository()]), ACCOUNT, [reported_repository(stars=4)])
    assert plan.counts == [reported_repository(stars=4)]
    assert plan.entries == []
    assert plan.details == []
    assert plan.totals.stars == 4


def test_the_first_refresh_of_an_account_writes_no_ledger_entries():
    plan = diff_account(stored_account([], checked_at=None, counts=None), ACCOUNT, [reported_repository()])
    assert plan.new == [reported_repository()]
    assert plan.entries == []


def test_a_repository_that_appears_later_is_new():
    assert diff_account(stored_account([]), ACCOUNT, [reported_repository()]).entries == [
        ChangeEntry("new", None, "octocat/hello", 10)
    ]


def test_each_change_is_one_entry_with_before_and_after():
    before = reported_repository(license="MIT", primary_language="C", default_branch="master")
    after = reported_repository(full_name="octocat/bye", name="bye", license="Apache-2.0", primary_language="Rust",
                default_branch="main", is_archived=True)  # fmt: skip
    assert set(diff_account(stored_account([before]), ACCOUNT, [after]).entries) == {
        ChangeEntry("renamed", "octocat/hello", "octocat/bye", 10),
        ChangeEntry("archived", None, "octocat/bye", 10),
        ChangeEntry("relicensed", "MIT", "Apache-2.0", 10),
        ChangeEntry("primary_language", "C", "Rust", 10),
        ChangeEntry("default_branch", "master", "main", 10),
    }


def test_a_renamed_account_is_one_entry_not_one_for_each_repository():
    renamed = ACCOUNT.model_copy(update={"login": "hubot"})
    plan = diff_account(
        stored_account([reported_repository()]),
        renamed,
        [reported_repository(full_name="hubot/hello", owner_login="hubot")],
    )
    assert plan.entries == [ChangeEntry("renamed", "octocat", "hubot")]
    assert len(plan.details) == 1


def test_a_repository_stored_under_another_account_is_a_transfer():
    stored = stored_account([reported_repository()], id=2)
    assert diff_account(stored, ACCOUNT, [reported_repository(full_name="octocat/hello")]).entries == [
        ChangeEntry("transferred", "octocat/hello", "octocat/hello", 10)
    ]


def test_missing_fields_keep_their_stored_values():
    stored = reported_repository(watchers=9, topics=("data",))
    assert diff_account(stored_account([stored]), ACCOUNT, [reported_repository()]).is_empty


def test_a_changed_extra_is_written_with_the_other_stored_extras():
    plan = diff_account(
        stored_account([reported_repository(watchers=9, open_issues=2)]), ACCOUNT, [reported_repository(open_issues=3)]
    )
    assert plan.extras == {10: RepositoryExtras(watchers=9, open_issues=3)}


def test_a_language_that_linguist_renamed_is_stored_as_sent_and_is_no_change():
    stored = stored_account([reported_repository(primary_language="Perl 6")])
    found = diff_account(stored, ACCOUNT, [reported_repository(primary_language="Raku")])
    assert [one.primary_language for one in found.details] == ["Raku"]
    assert found.entries == []
    other = diff_account(stored, ACCOUNT, [reported_repository(primary_language="Perl")])
    assert [(entry.before, entry.after) for entry in other.entries] == [("Perl 6", "Perl")]
