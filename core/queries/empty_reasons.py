"""Why an account, or the whole installation, has no repositories or no languages to show: the true reason."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from core.db.frames import read_frame, single_record
from core.queries.as_of import as_of_or_end_of_today
from core.queries.attributes import as_of_values, owned_repository_ids, repository_attributes
from core.queries.captures import FIRST_CAPTURE_AT

EmptyReason = Literal[
    "not collected yet", "no repositories", "only forks, which are left out", "no code that GitHub counts"
]
NOT_COLLECTED: EmptyReason = "not collected yet"
NO_REPOSITORIES: EmptyReason = "no repositories"
ONLY_FORKS: EmptyReason = "only forks, which are left out"
NO_CODE: EmptyReason = "no code that GitHub counts"


@dataclass(frozen=True)
class StoredRepositories:
    """Counts of the stored repositories of an account, or of all accounts, by a time.

    is_captured         whether anything was captured: the account itself, or a repository by an import
    repositories        stored ones that are neither deleted nor private
    not_forks           those of them that are not forks
    without_languages   those of *not_forks* whose languages were not collected
    """

    is_captured: bool
    repositories: int
    not_forks: int
    without_languages: int

    @property
    def why_no_repositories(self) -> EmptyReason:
        """Return why a list of the repositories is empty."""
        return NO_REPOSITORIES if self.is_captured else NOT_COLLECTED

    @property
    def why_no_primary_languages(self) -> EmptyReason:
        """Return why totals by primary language, forks left out, are empty."""
        if not self.repositories:
            return self.why_no_repositories
        return NOT_COLLECTED if self.not_forks else ONLY_FORKS

    @property
    def why_no_languages(self) -> EmptyReason:
        """Return why bytes by language, forks left out, are empty."""
        if not self.not_forks:
            return self.why_no_primary_languages
        return NOT_COLLECTED if self.without_languages else NO_CODE


def stored_repositories(account_id: int | None, as_of: datetime | None) -> StoredRepositories:
    """Count what is stored by *as_of* of one account, or of all (None). For frames that turned out empty."""
    of_account = "" if account_id is None else "AND repository.id = ANY(CAST(:ids AS bigint[]))"
    sql = f"""
        WITH {repository_attributes(as_of)}, counted AS (
            -- A flag that is unknown then does not make a fork.
            SELECT coalesce(past.is_fork, false) AS is_fork,
                   -- GraphQL reports no push of a repository without a commit; nobody asks for its languages.
                   coalesce(repository.github_id IS NOT NULL AND past.is_fork IS NOT NULL AND past.pushed_at IS NULL,
                            false)
                   OR EXISTS (SELECT 1 FROM repository_language
                               WHERE repository_id = repository.id AND captured_at <= :until)
                   -- Without a row GitHub has reported no language each time.
                   OR languages_checked_at IS NOT NULL AND NOT EXISTS (
                      SELECT 1 FROM repository_language WHERE repository_id = repository.id) AS has_languages
              FROM attributes AS past
              JOIN repository ON repository.id = past.repository_id
             WHERE NOT past.is_gone {of_account}
               AND EXISTS (SELECT 1 FROM repository_snapshot
                            WHERE repository_id = repository.id AND captured_at <= :until)
        )
        SELECT count(*) > 0 OR EXISTS (
                   SELECT 1 FROM account
                    WHERE {FIRST_CAPTURE_AT} <= :until
                      AND (CAST(:account_id AS bigint) IS NULL OR account.id = :account_id)) AS is_captured,
               count(*) AS repositories, count(*) FILTER (WHERE NOT is_fork) AS not_forks,
               count(*) FILTER (WHERE NOT is_fork AND NOT has_languages) AS without_languages
          FROM counted
    """  # noqa: S608
    values = {"account_id": account_id, "until": as_of_or_end_of_today(as_of), **as_of_values(as_of)}
    if account_id is not None:
        values["ids"] = owned_repository_ids(account_id, as_of)
    return single_record(read_frame(sql, **values), StoredRepositories)
