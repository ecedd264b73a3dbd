"""Stores releases: the latest list, and a summary of the newest hundred whenever it differs."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from ingest.github.api.fact_types import Release

SELECT_LATEST_SUMMARY = """
    SELECT releases, is_complete, downloads, latest_tag, latest_at FROM release_snapshot
     WHERE repository_id = :id ORDER BY captured_at DESC LIMIT 1
"""
INSERT_SUMMARY = """
    INSERT INTO release_snapshot (repository_id, captured_at, releases, is_complete, downloads, latest_tag, latest_at)
    VALUES (:id, :at, :releases, :is_complete, :downloads, :latest_tag, :latest_at) ON CONFLICT DO NOTHING
"""
UPSERT_RELEASES = """
    INSERT INTO release (repository_id, github_id, tag, name, is_prerelease, created_at, published_at, downloads)
    SELECT :id, github_id, tag, name, is_prerelease, created_at, published_at, downloads
      FROM jsonb_populate_recordset(NULL::release, CAST(:rows AS jsonb))
    ON CONFLICT (repository_id, github_id) DO UPDATE
       SET tag = excluded.tag, name = excluded.name, is_prerelease = excluded.is_prerelease,
           created_at = excluded.created_at, published_at = excluded.published_at, downloads = excluded.downloads,
           gone_at = NULL
     WHERE ROW(release.tag, release.name, release.is_prerelease, release.created_at, release.published_at,
               release.downloads, release.gone_at)
           IS DISTINCT FROM ROW(excluded.tag, excluded.name, excluded.is_prerelease, excluded.created_at,
               excluded.published_at, excluded.downloads, CAST(NULL AS timestamptz))
    RETURNING github_id
"""
# Releases older than the oldest reported one are on a further page, not deleted.
MARK_RELEASES_GONE = """
    UPDATE release SET gone_at = :at
     WHERE repository_id = :id AND gone_at IS NULL AND NOT (github_id = ANY(CAST(:reported AS bigint[])))
       AND (:is_complete OR created_at > :oldest)
"""


def latest_release(releases: Sequence[Release]) -> Release | None:
    """Return the newest release that is no prerelease, by the date of its commit, as GitHub does."""
    return max((one for one in releases if not one.is_prerelease), key=lambda one: one.created_at, default=None)


def release_summary(releases: Sequence[Release]) -> dict[str, Any]:
    newest = latest_release(releases)
    return {
        "releases": len(releases),
        "downloads": sum(one.downloads for one in releases),
        "latest_tag": newest.tag if newest else None,
        "latest_at": newest.published_at if newest else None,
    }


def store(
    connection: Connection, repository_id: int, releases: Sequence[Release], at: datetime, *, is_complete: bool
) -> int:
    """Store what differs; returns the rows written. *is_complete*: *releases* has all pages."""
    unique = list({one.github_id: one for one in releases}.values())
    summary = release_summary(unique) | {"is_complete": is_complete}
    stored = connection.execute(text(SELECT_LATEST_SUMMARY), {"id": repository_id}).one_or_none()
    rows = 0
    if stored is None or dict(stored._mapping) != summary:
        rows += connection.execute(text(INSERT_SUMMARY), summary | {"id": repository_id, "at": at}).rowcount
    values = {"id": repository_id, "rows": json.dumps([asdict(one) for one in unique], default=str)}
    rows += len(connection.scalars(text(UPSERT_RELEASES), values).all())
    values = {
        "id": repository_id,
        "at": at,
        "reported": [one.github_id for one in unique],
        "is_complete": is_complete,
        "oldest": min((one.created_at for one in unique), default=at),
    }
    return rows + connection.execute(text(MARK_RELEASES_GONE), values).rowcount
