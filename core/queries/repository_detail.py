"""Repositories with all stored columns, now or as of a timestamp: of one account, or one by name."""

from datetime import datetime

from pandas import DataFrame

from core.db.arrow import read_arrow
from core.db.frames import first_value, read_frame
from core.queries.repository_base import PAST_ATTRIBUTES_CTES

CURRENT_SQL = """
        SELECT github_id AS id, split_part(full_name, '/', 1) AS owner, repository.name, full_name, description,
               homepage, license, topics, present_language(primary_language) AS primary_language,
               CASE WHEN languages_checked_at IS NOT NULL OR (github_id IS NOT NULL AND pushed_at IS NULL)
                    THEN coalesce(languages, '{}') END::text AS languages,
               default_branch, is_fork, is_archived, is_template, gone_at IS NOT NULL AS is_gone, created_at, pushed_at,
               latest.stars, latest.forks, latest.watchers, latest.open_issues, latest.open_change_requests,
               latest.open_issues_and_change_requests, latest.size_kb, latest.stars_7d, latest.stars_30d,
               latest.captured_at, latest.checked_at, CASE source_id WHEN 1 THEN 'GitHub' ELSE source.name END AS source
          FROM repository
          JOIN repository_latest AS latest ON latest.repository_id = repository.id
          JOIN source ON source.id = source_id
          LEFT JOIN LATERAL (
               SELECT jsonb_object_agg(language, bytes) FILTER (WHERE language <> '') AS languages
                 FROM (SELECT present_language(language) AS language, sum(bytes) AS bytes
                         FROM repository_language
                        WHERE repository_id = repository.id AND captured_at = (
                              SELECT max(captured_at) FROM repository_language WHERE repository_id = repository.id)
                        GROUP BY 1) AS named
          ) AS mix ON true
         WHERE repository.id = ANY(CAST(:ids AS bigint[]))
    """

# Own snapshots come before imported ones, as in `stored`; growth is computed within one source.
AS_OF_SQL = f"""
        WITH {PAST_ATTRIBUTES_CTES}, latest AS (
            SELECT repository.id AS repository_id, newest.source_id, newest.captured_at, newest.stars, newest.forks,
                   newest.size_kb, greatest(newest.captured_at, CASE newest.source_id WHEN 1 THEN (
                       SELECT max(captured_at) FROM capture
                        WHERE capture.account_id = repository.account_id AND source_id = 1
                          AND captured_at <= :as_of) END) AS checked_at
              FROM repository
             CROSS JOIN LATERAL (
                   (SELECT * FROM repository_snapshot
                     WHERE repository_id = repository.id AND source_id = 1 AND captured_at <= :as_of
                     ORDER BY captured_at DESC LIMIT 1)
                    UNION ALL
                   (SELECT * FROM repository_snapshot
                     WHERE repository_id = repository.id AND source_id <> 1 AND captured_at <= :as_of
                     ORDER BY captured_at DESC LIMIT 1)
                    ORDER BY source_id LIMIT 1) AS newest
             WHERE repository.id = ANY(CAST(:ids AS bigint[]))
        )
        SELECT github_id AS id, split_part(coalesce(past.full_name, repository.full_name), '/', 1) AS owner,
               split_part(coalesce(past.full_name, repository.full_name), '/', 2) AS name,
               coalesce(past.full_name, repository.full_name) AS full_name, description, homepage,
               CASE WHEN past.relicensed THEN past.license ELSE repository.license END AS license, topics,
               present_language(
                   CASE WHEN past.language_changed THEN past.language ELSE primary_language END) AS primary_language,
               mix.languages::text AS languages, default_branch, is_fork,
               coalesce(past.is_archived, repository.is_archived) AS is_archived, is_template,
               coalesce(past.is_gone, coalesce(gone_at <= :as_of, false)) AS is_gone, created_at, pushed_at,
               latest.stars, latest.forks, extra.watchers, extra.open_issues, extra.open_change_requests,
               extra.open_issues_and_change_requests, latest.size_kb, latest.stars - week.stars AS stars_7d,
               latest.stars - month.stars AS stars_30d, latest.captured_at, latest.checked_at,
               CASE latest.source_id WHEN 1 THEN 'GitHub' ELSE source.name END AS source
          FROM latest
          JOIN repository ON repository.id = latest.repository_id
          JOIN source ON source.id = latest.source_id
          LEFT JOIN past ON past.repository_id = latest.repository_id
          LEFT JOIN LATERAL (
               SELECT coalesce(jsonb_object_agg(language, bytes) FILTER (WHERE language <> ''), '{{}}') AS languages
                 FROM (SELECT present_language(language) AS language, sum(bytes) AS bytes
                         FROM repository_language
                        WHERE repository_id = repository.id AND captured_at = (
                              SELECT max(captured_at) FROM repository_language
                               WHERE repository_id = repository.id AND captured_at <= :as_of)
                        GROUP BY 1) AS named
               HAVING count(*) > 0) AS mix ON true
          LEFT JOIN LATERAL (
               SELECT * FROM repository_extra_snapshot
                WHERE repository_id = repository.id AND captured_at <= :as_of
                ORDER BY source_id = 1 DESC, captured_at DESC LIMIT 1) AS extra ON true
          LEFT JOIN LATERAL (
               SELECT stars FROM repository_snapshot
                WHERE repository_id = repository.id AND source_id = latest.source_id
                  AND captured_at <= latest.checked_at - interval '7 days'
                ORDER BY captured_at DESC LIMIT 1) AS week ON true
          LEFT JOIN LATERAL (
               SELECT stars FROM repository_snapshot
                WHERE repository_id = repository.id AND source_id = latest.source_id
                  AND captured_at <= latest.checked_at - interval '30 days'
                ORDER BY captured_at DESC LIMIT 1) AS month ON true
    """  # noqa: S608


def by_account(account_id: int, as_of: datetime | None) -> DataFrame:
    """Read the account's repositories that were stored by then, in Arrow columns.

    id                                        GitHub's; null for an imported repository without one
    owner, name, full_name, description, homepage, license, primary_language, default_branch   text
    topics                                    list of text; null until collected
    languages                                 JSON text, bytes by language; null until collected
    is_fork, is_archived, is_template, is_gone   boolean
    created_at, pushed_at                     timestamps
    stars, forks, watchers, open_issues, open_change_requests, open_issues_and_change_requests, size_kb
                                              as GitHub counts them, null where not reported;
                                              open_issues without change requests
    stars_7d, stars_30d                       growth up to checked_at; null without a snapshot then
    captured_at, checked_at, source           last change of the counts, last capture, name of the source
    """
    sql = "SELECT id FROM repository WHERE account_id = :account_id ORDER BY id"
    return _read_by_ids([int(value) for value in read_frame(sql, account_id=account_id)["id"]], as_of)


def by_name(owner: str, name: str, as_of: datetime | None) -> DataFrame:
    """Read the repository that has this name now: one row as in `by_account`, or none."""
    repository_id = find_repository_id(owner, name)
    return _read_by_ids([repository_id] if repository_id else [], as_of)


def _read_by_ids(ids: list[int], as_of: datetime | None) -> DataFrame:
    return read_arrow(CURRENT_SQL, ids=ids) if as_of is None else read_arrow(AS_OF_SQL, ids=ids, as_of=as_of)


def find_repository_id(owner: str, name: str) -> int | None:
    """Return our id of the repository that has this name now; of several, an available one."""
    sql = """
        SELECT id FROM repository WHERE lower(full_name) = lower(:full_name)
         ORDER BY gone_at IS NOT NULL, github_id IS NULL, id DESC LIMIT 1
    """
    found: int | None = first_value(read_frame(sql, full_name=f"{owner}/{name}"))
    return found


def current_full_name(owner: str, name: str) -> str | None:
    """Return the current name of the repository that was renamed or transferred from this name; None without one."""
    sql = """
        SELECT repository.full_name
          FROM change
          JOIN repository ON repository.id = change.repository_id
         WHERE change.kind IN ('renamed', 'transferred') AND lower(before) = lower(:full_name)
           AND lower(repository.full_name) <> lower(:full_name)
         ORDER BY detected_at DESC LIMIT 1
    """
    found: str | None = first_value(read_frame(sql, full_name=f"{owner}/{name}"))
    return found
