"""Detected changes: renames, transfers, licence changes and the like, newest first."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pandas import DataFrame

from core.analysis.difference import with_differences
from core.as_of import EARLIEST
from core.db.arrow import read_arrow
from core.db.frames import derived, first_value, read_frame
from core.queries.as_of import as_of_or_end_of_today
from core.queries.attributes import account_attributes, as_of_values, repository_attributes

LABELS = {
    "new": "appeared",
    "gone": "deleted or made private",
    "back": "available again",
    "archived": "archived",
    "restored": "unarchived",
    "renamed": "renamed",
    "transferred": "moved to another owner",
    "relicensed": "changed its licence",
    "primary_language": "changed its primary language",
    "default_branch": "changed its default branch",
}
"""What happened, by kind: follows the name of the account or repository."""
OPTIONAL_ATTRIBUTES = {"relicensed", "primary_language", "default_branch"}
"""Kinds of which *before* or *after* is null where a repository has none."""
MAX_ID = 2**62
MAX_OF_ONE = 1_000
"""The most changes of one account or repository that lists, marks on charts and bursts take into account."""
# Languages have their present names; a language that Linguist only renamed is no change.
SHOWN_CHANGES = """shown_change AS (
            SELECT id, account_id, repository_id, detected_at, kind,
                   CASE WHEN kind = 'primary_language' THEN present_language(before) ELSE before END AS before,
                   CASE WHEN kind = 'primary_language' THEN present_language(after) ELSE after END AS after
              FROM change
             WHERE kind <> 'primary_language' OR present_language(before) IS DISTINCT FROM present_language(after))"""

IS_CHOSEN = """(CAST(:kinds AS text[]) = '{}' OR change.kind = ANY(CAST(:kinds AS text[])))
           AND (CAST(:repository_id AS bigint) IS NULL OR change.repository_id = :repository_id)
           AND (:login = '' OR change.account_id IN (SELECT id FROM account WHERE lower(login) = lower(:login)))"""


def list_changes(
    as_of: datetime | None,
    *,
    kinds: Sequence[str] = (),
    login: str = "",
    repository_id: int | None = None,
    since: datetime = EARLIEST,
    before: tuple[datetime, int] | None = None,
    limit: int,
) -> DataFrame:
    """List changes: one row each, newest first.

    entry                         our own id: with detected_at it makes the cursor, never shown
    detected_at                   timestamp
    kind                          a key of LABELS
    account, account_id           the account's login at that time; GitHub's id
    repository, repository_id     the repository's name at that time, null for the account itself; GitHub's id
    before, after                 text; null where the kind needs none; languages by their present names

    *repository_id*, our id, keeps the entries of one repository. *before* is the (detected_at, entry) of the last row
    of the previous page.
    """
    sql = f"""
        WITH {repository_attributes(as_of)}, {account_attributes(as_of)}, {SHOWN_CHANGES}
        SELECT change.id AS entry, detected_at, change.kind, login AS account, account.github_id AS account_id,
               full_name AS repository, repository.github_id AS repository_id, before, after
          FROM shown_change AS change
          JOIN account_attributes AS account ON account.account_id = change.account_id
          LEFT JOIN attributes AS repository ON repository.repository_id = change.repository_id
         WHERE detected_at <= :until AND (detected_at, change.id) < (:cursor_at, :cursor_id)
           AND detected_at >= :since
           AND {IS_CHOSEN}
         ORDER BY detected_at DESC, change.id DESC
         LIMIT :limit
    """  # noqa: S608
    until = as_of_or_end_of_today(as_of)
    cursor_at, cursor_id = before or (until, MAX_ID)
    return read_arrow(
        sql,
        until=until,
        cursor_at=cursor_at,
        cursor_id=cursor_id,
        since=since,
        kinds=list(kinds),
        login=login,
        repository_id=repository_id,
        limit=limit,
        **as_of_values(as_of),
    )


def first_detected_at(since: datetime) -> datetime | None:
    """Return when the first entry at or after *since* was detected; None without any."""
    sql = "SELECT min(detected_at) AS at FROM change WHERE detected_at >= :since"
    at: datetime | None = first_value(read_frame(sql, since=since, fresh=True))
    return at


def counts_by_kind(
    as_of: datetime | None,
    vs: datetime,
    *,
    kinds: Sequence[str] = (),
    login: str = "",
    repository_id: int | None = None,
) -> DataFrame:
    """Count the rows of `list_changes` after *vs*, and in as long a time before it: one row per kind, most first.

    kind                                               a key of LABELS
    changes                                            int, detected after *vs*
    changes_vs, changes_difference, changes_percent    those before it, see `core.analysis.difference`
    """
    sql = f"""
        WITH {SHOWN_CHANGES}
        SELECT change.kind, count(*) FILTER (WHERE detected_at > :vs) AS changes,
               count(*) FILTER (WHERE detected_at <= :vs) AS changes_vs
          FROM shown_change AS change
         WHERE detected_at <= :until AND detected_at > :since AND {IS_CHOSEN}
         GROUP BY 1
         ORDER BY 2 DESC, 3 DESC, 1
    """  # noqa: S608
    until = as_of_or_end_of_today(as_of)
    chosen: dict[str, Any] = {"kinds": list(kinds), "login": login, "repository_id": repository_id}
    counted = read_frame(sql, until=until, vs=vs, since=vs - (until - vs), **chosen)
    now, then = counted[["kind", "changes"]], counted[["kind", "changes_vs"]].set_axis(["kind", "changes"], axis=1)
    return derived(with_differences(now, then, "kind", ("changes",), changed_first=False), counted)


def before_and_after(kind: str, before: str | None, after: str | None) -> str:
    """Return `MIT → Apache-2.0`, or the one that is known; empty without any.

    Of what a repository need not have, the missing one is none: `none → MIT`.
    """
    if kind in OPTIONAL_ATTRIBUTES and (before or after):
        before, after = before or "none", after or "none"
    return f"{before} → {after}" if before and after else before or after or ""
