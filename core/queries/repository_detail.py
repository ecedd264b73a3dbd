"""Repositories with all stored columns, now or as of a timestamp: of one account, or one by name."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pandas import DataFrame

from core.db.arrow import read_arrow
from core.db.frames import first_record, read_frame
from core.queries import accounts
from core.queries.as_of import as_of_or_end_of_today
from core.queries.attributes import (
    REPOSITORIES_AS_OF,
    REPOSITORY_AS_OF,
    as_of_values,
    owned_repository_ids,
    repository_attributes,
)
from core.queries.past_counts import OF_ID, OF_IDS
from core.queries.repository_base import ONE_AS_OF_CTES, SELECTED_AS_OF_CTES, selected_as_of_values


@dataclass(frozen=True)
class FoundRepository:
    """The repository that a name leads to.

    repository_id       our id, for other queries only
    account_id          our id of its present owner
    full_name           as it was then
    current_full_name   as it is now
    is_former           the name is neither of these: the repository had it at another time
    """

    repository_id: int
    account_id: int
    full_name: str
    current_full_name: str
    is_former: bool
    created_at: datetime | None


@dataclass(frozen=True)
class RepositoryDetail:
    """One repository, now or as of a time: the columns of `by_account`."""

    id: int | None
    owner: str
    name: str
    full_name: str
    description: str | None
    homepage: str | None
    license: str | None
    topics: Sequence[str] | None
    primary_language: str | None
    languages: str | None
    default_branch: str | None
    is_fork: bool | None
    is_archived: bool | None
    is_template: bool | None
    is_gone: bool
    created_at: datetime | None
    pushed_at: datetime | None
    stars: int | None
    forks: int | None
    watchers: int | None
    open_issues: int | None
    open_change_requests: int | None
    open_issues_and_change_requests: int | None
    size_kb: int | None
    stars_7d: int | None
    stars_30d: int | None
    captured_at: datetime
    checked_at: datetime
    source: str


def _current_sql(condition: str, of_id: str = "") -> str:
    chosen = of_id and f"AND repository_id {of_id} "
    return f"""
        SELECT latest.github_id AS id, latest.owner, repository.name, latest.full_name, latest.description,
               homepage, latest.license, latest.topics, latest.language AS primary_language,
               CASE WHEN languages_checked_at IS NOT NULL OR (latest.github_id IS NOT NULL AND latest.pushed_at IS NULL)
                    THEN coalesce(languages, '{{}}') END::text AS languages,
               default_branch, latest.is_fork, latest.is_archived, is_template, latest.is_gone, latest.created_at,
               latest.pushed_at, latest.stars, latest.forks, latest.watchers, latest.open_issues,
               latest.open_change_requests, latest.open_issues_and_change_requests, latest.size_kb, latest.stars_7d,
               latest.stars_30d, latest.captured_at, latest.checked_at,
               CASE source_id WHEN 1 THEN 'GitHub' ELSE source.name END AS source
          FROM repository
          JOIN repository_latest AS latest ON latest.repository_id = repository.id
          JOIN source ON source.id = source_id
          LEFT JOIN LATERAL (
               SELECT jsonb_object_agg(language, bytes) FILTER (WHERE language <> '') AS languages
                 FROM (SELECT present_language(language) AS language, sum(bytes) AS bytes
                         FROM repository_language
                        WHERE repository_id = repository.id {chosen}AND captured_at = (
                              SELECT max(captured_at) FROM repository_language
                               WHERE repository_id = repository.id {of_id and f"AND repository_id {of_id}"})
                        GROUP BY 1) AS named
          ) AS mix ON true
         WHERE repository.id {condition} {of_id and f"AND latest.repository_id {of_id}"}
    """  # noqa: S608


def _as_of_sql(ctes: str, of_id: str = "") -> str:
    chosen = of_id and f"AND repository_id {of_id} "
    return f"""
        WITH {ctes}
        SELECT github_id AS id, split_part(full_name, '/', 1) AS owner, split_part(full_name, '/', 2) AS name,
               full_name, description, homepage, license, topics,
               present_language(primary_language) AS primary_language,
               mix.languages::text AS languages, default_branch, is_fork, is_archived, is_template, is_gone,
               attributes.created_at, pushed_at, latest.stars, latest.forks, extra.watchers, extra.open_issues,
               extra.open_change_requests, extra.open_issues_and_change_requests, latest.size_kb,
               latest.stars_7d, latest.stars_30d, latest.captured_at, latest.checked_at,
               CASE latest.source_id WHEN 1 THEN 'GitHub' ELSE source.name END AS source
          FROM attributes
          JOIN grown_counts AS latest ON latest.repository_id = attributes.repository_id
          JOIN source ON source.id = latest.source_id
          LEFT JOIN LATERAL (
               SELECT coalesce(jsonb_object_agg(language, bytes) FILTER (WHERE language <> ''), '{{}}') AS languages
                 FROM (SELECT present_language(language) AS language, sum(bytes) AS bytes
                         FROM repository_language
                        WHERE repository_id = attributes.repository_id {chosen}AND captured_at = (
                              SELECT max(captured_at) FROM repository_language
                               WHERE repository_id = attributes.repository_id {chosen}AND captured_at <= :as_of)
                        GROUP BY 1) AS named
               HAVING count(*) > 0) AS mix ON true
          LEFT JOIN LATERAL (
               SELECT * FROM repository_extra_snapshot
                WHERE repository_id = attributes.repository_id {chosen}AND captured_at <= :as_of
                ORDER BY source_id = 1 DESC, captured_at DESC, -source_id LIMIT 1) AS extra ON true
    """  # noqa: S608


CURRENT_SQL, CURRENT_OF_ONE_SQL = _current_sql(OF_IDS), _current_sql(OF_ID, OF_ID)
AS_OF_SQL = _as_of_sql(f"{REPOSITORIES_AS_OF}, {SELECTED_AS_OF_CTES}")
AS_OF_OF_ONE_SQL = _as_of_sql(f"{REPOSITORY_AS_OF}, {ONE_AS_OF_CTES}", OF_ID)


def by_account(account_id: int, as_of: datetime | None) -> DataFrame:
    """Read the repositories that the account owned and that were stored by then, in Arrow columns.

    id                                        GitHub's; null for an imported repository without one
    owner, name, full_name, description, homepage, license, primary_language, default_branch   text
    topics                                    list of text; null until collected
    languages                                 JSON text, bytes by language; null until collected
    is_fork, is_archived, is_template         boolean; null where unknown at that time
    is_gone                                   boolean
    created_at, pushed_at                     timestamps
    stars, forks, watchers, open_issues, open_change_requests, open_issues_and_change_requests, size_kb
                                              as GitHub counts them, null where not reported;
                                              open_issues without change requests
    stars_7d, stars_30d                       growth up to checked_at; null where unknown
    captured_at, checked_at, source           last change of the counts, last capture, name of the source
    """
    return _read_by_ids(owned_repository_ids(account_id, as_of), as_of)


def by_id(repository_id: int, as_of: datetime | None) -> DataFrame:
    """Read one repository: one row as in `by_account`, or none before its first capture."""
    return _read_by_ids([repository_id], as_of)


def detail(repository_id: int, as_of: datetime | None) -> RepositoryDetail | None:
    """Read one repository as a record; None before its first capture."""
    return first_record(by_id(repository_id, as_of), RepositoryDetail)


def suggestions(limit: int = 1_000) -> DataFrame:
    """List names of repositories to choose from, most stars first: full_name."""
    sql = """
        SELECT full_name
          FROM repository_summary
         WHERE NOT is_gone
         ORDER BY stars DESC NULLS LAST, lower(full_name)
         LIMIT :limit
    """
    return read_frame(sql, limit=limit)


def by_name(owner: str, name: str, as_of: datetime | None) -> DataFrame:
    """Read the repository that `find` finds: one row as in `by_account`, or none."""
    found = find(owner, name, as_of)
    return _read_by_ids([found.repository_id] if found else [], as_of)


def _read_by_ids(ids: list[int], as_of: datetime | None) -> DataFrame:
    is_one = len(ids) == 1
    chosen: dict[str, Any] = {"id": ids[0]} if is_one else {"ids": ids}
    if as_of is None:
        return read_arrow(CURRENT_OF_ONE_SQL if is_one else CURRENT_SQL, **chosen)
    sql = AS_OF_OF_ONE_SQL if is_one else AS_OF_SQL
    return read_arrow(sql, only_until=as_of, **chosen, **selected_as_of_values(as_of))


def find(owner: str, name: str, as_of: datetime | None) -> FoundRepository | None:
    """Find the repository that had this name then, else the one that has it now, else the last one that ever had it.

    A former login of the owner leads to its repositories too. The repository may be younger than *as_of*.
    """
    found = _find_by_full_name(f"{owner}/{name}", as_of)
    if found is None and (account := accounts.find(owner, as_of)) and account.current_login.lower() != owner.lower():
        found = _find_by_full_name(f"{account.current_login}/{name}", as_of)
        found = found and replace(found, is_former=found.full_name.lower() != f"{owner}/{name}".lower())
    return found


def _find_by_full_name(full_name: str, as_of: datetime | None) -> FoundRepository | None:
    sql = f"""
        WITH {repository_attributes(as_of)}
        SELECT present.id AS repository_id, present.account_id, past.full_name,
               present.full_name AS current_full_name, present.created_at,
               lower(:full_name) NOT IN (lower(past.full_name), lower(present.full_name)) AS is_former
          FROM attributes AS past
          JOIN repository AS present ON present.id = past.repository_id
         WHERE present.id IN (SELECT id FROM repository WHERE lower(full_name) = lower(:full_name)
                               UNION SELECT repository_id FROM repository_version
                                      WHERE lower(full_name) = lower(:full_name))
         ORDER BY lower(past.full_name) = lower(:full_name) AND coalesce(present.created_at <= :until, true) DESC,
                  lower(present.full_name) = lower(:full_name) DESC, past.is_gone, present.github_id IS NULL,
                  (SELECT max(until) FROM repository_version
                    WHERE repository_id = present.id AND lower(full_name) = lower(:full_name)) DESC NULLS LAST,
                  present.id DESC
         LIMIT 1
    """  # noqa: S608
    values = {"full_name": full_name, "until": as_of_or_end_of_today(as_of), **as_of_values(as_of)}
    return first_record(read_frame(sql, **values), FoundRepository)
