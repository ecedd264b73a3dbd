"""An empty frame says the true reason: not collected, no repositories, only forks, or no code."""

import pytest
from sqlalchemy import insert

from core.db import schema
from core.queries import account_repositories, empty_reasons, languages
from core.queries.empty_reasons import NO_CODE, NO_REPOSITORIES, NOT_COLLECTED, ONLY_FORKS, StoredRepositories
from tests import seed_data
from tests.seed_data import utc

CHECKED = utc("2026-03-01")
AS_OF_TIMES = [None, utc("2026-03-02")]


def refreshed_account(database, login: str) -> int:
    account = seed_data.add_account(database, login, github_id=1, checked_at=CHECKED)
    database.execute(insert(schema.capture_open).values(account_id=account, captured_at=CHECKED))
    return account


def add_repository(database, full_name: str, **values: object) -> int:
    return seed_data.add_repository(
        database, full_name, {"2026-03-01": 3}, **{"languages_checked_at": CHECKED, "pushed_at": CHECKED, **values}
    )


def reasons(account: int | None, as_of=None) -> tuple[str, str, str]:
    stored = empty_reasons.stored_repositories(account, as_of)
    return stored.why_no_repositories, stored.why_no_primary_languages, stored.why_no_languages


@pytest.mark.parametrize("as_of", AS_OF_TIMES)
def test_an_account_with_only_forks_says_so(database, as_of):
    account = refreshed_account(database, "octo")
    add_repository(database, "octo/copy", is_fork=True, github_id=5)
    assert languages.account_languages(account, as_of).empty
    assert languages.account_language_history(account, as_of).empty
    assert reasons(account, as_of)[1:] == (ONLY_FORKS, ONLY_FORKS)


@pytest.mark.parametrize("as_of", AS_OF_TIMES)
def test_an_account_with_only_prose_has_no_code(database, as_of):
    account = refreshed_account(database, "octo")
    add_repository(database, "octo/essays", github_id=5)
    add_repository(database, "octo/nothing-yet", github_id=6, languages_checked_at=None, pushed_at=None)
    add_repository(database, "octo/copy", github_id=7, is_fork=True, languages_checked_at=None)
    assert languages.account_languages(account, as_of).empty
    assert reasons(account, as_of)[2] == NO_CODE


@pytest.mark.parametrize("as_of", AS_OF_TIMES)
def test_an_account_without_repositories_says_so(database, as_of):
    account = refreshed_account(database, "octo")
    assert account_repositories.list_repositories(account, as_of).empty
    assert reasons(account, as_of) == (NO_REPOSITORIES,) * 3


def test_an_account_whose_repositories_are_all_deleted_has_none(database):
    account = refreshed_account(database, "octo")
    add_repository(database, "octo/lost", gone_at=CHECKED, github_id=5)
    assert reasons(account)[1:] == (NO_REPOSITORIES,) * 2


def test_an_account_that_was_never_refreshed_is_not_collected_yet(database):
    account = seed_data.add_account(database, "octo")
    assert reasons(account) == (NOT_COLLECTED,) * 3
    assert reasons(None) == (NOT_COLLECTED,) * 3


def test_before_the_first_capture_nothing_was_collected(database):
    account = refreshed_account(database, "octo")
    add_repository(database, "octo/copy", is_fork=True, github_id=5)
    assert reasons(account, utc("2026-02-01")) == (NOT_COLLECTED,) * 3


def test_languages_that_still_wait_are_not_collected_yet(database):
    """One of two repositories was read and has no code; the other one waits."""
    account = refreshed_account(database, "octo")
    add_repository(database, "octo/essays", github_id=5)
    add_repository(database, "octo/cat", github_id=6, languages_checked_at=None)
    assert reasons(account)[2] == NOT_COLLECTED


def test_imported_repositories_have_no_languages_by_bytes_yet(database):
    seed_data.add_imported_repository(database, "octo/cat", {"2026-03-01": 5})
    account = seed_data.add_account(database, "octo")
    stored = empty_reasons.stored_repositories(account, None)
    assert stored == StoredRepositories(is_captured=True, repositories=1, not_forks=1, without_languages=1)
    assert stored.why_no_languages == NOT_COLLECTED


def test_the_whole_installation_has_a_reason_too(database):
    refreshed_account(database, "octo")
    add_repository(database, "octo/copy", is_fork=True, github_id=5)
    assert reasons(None)[1:] == (ONLY_FORKS, ONLY_FORKS)


def test_a_fork_flag_counts_as_it_was_then(database):
    """Detached from its network in April: a fork until then."""
    account = refreshed_account(database, "octo")
    copy = add_repository(database, "octo/copy", github_id=5)
    seed_data.add_version(database, copy, "2026-04-01", is_fork=True)
    assert reasons(account, utc("2026-03-15"))[2] == ONLY_FORKS
    assert reasons(account, utc("2026-04-15"))[2] == NO_CODE
    assert reasons(account)[2] == NO_CODE


def test_repositories_count_for_who_owned_them_then(database):
    """Its only repository moved away in April: as of before, it is not an account without repositories."""
    octo, hooli = refreshed_account(database, "octo"), seed_data.add_account(database, "hooli", github_id=2)
    cat = add_repository(database, "hooli/cat", github_id=5)
    seed_data.add_version(database, cat, "2026-04-01", account_id=octo, full_name="octo/cat")
    counts = {
        (login, as_of): empty_reasons.stored_repositories(account, as_of).repositories
        for login, account in (("octo", octo), ("hooli", hooli))
        for as_of in (utc("2026-03-15"), None)
    }
    assert counts == {
        ("octo", utc("2026-03-15")): 1, ("octo", None): 0, ("hooli", utc("2026-03-15")): 0, ("hooli", None): 1,
    }  # fmt: skip
