"""Due facts in the database, and the data that a request for them needs. Callers own the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from core.queue.enrichment import FactKind


@dataclass(frozen=True)
class DueSubject:
    """A repository or user (our id) and the token its account is pinned to."""

    id: int
    token_fingerprint: str | None


@dataclass(frozen=True)
class Target:
    """The repository to fetch a fact of, or the user when it has no `full_name`."""

    id: int
    github_id: int
    full_name: str | None
    login: str
    node_id: str | None
    token_fingerprint: str | None
    requested_at: datetime
    failed_attempts: int = 0
    next_page: int | None = None
    first_day: date | None = None
    created_at: datetime | None = None


# Due times further ahead were written by a wrong clock.
MAX_DUE_AHEAD = timedelta(days=32)
# Most stars and most growth first.
IMPORTANCE_ORDER = "latest.stars + 10 * abs(coalesce(latest.stars_30d, 0)) DESC NULLS LAST, repository.id"
PUSHED_SINCE_STORED = "repository.pushed_at > enrichment.captured_at"
HAS_OWN_COMMITS = "NOT repository.is_fork AND repository.pushed_at IS NOT NULL"
# Access to traffic is tried with one repository per account; the others follow if it is permitted.
HAS_TRAFFIC_ACCESS = """
    CASE WHEN seen.was_read THEN true
         WHEN seen.was_refused THEN enrichment.state = 'refused'
         ELSE repository.id = seen.first_id END
"""
JOIN_TRAFFIC_ACCESS = """
    JOIN (SELECT sister.account_id, min(sister.id) AS first_id, bool_or(other.state = 'stored') AS was_read,
                 bool_or(other.state = 'refused') AS was_refused
            FROM repository AS sister LEFT JOIN enrichment AS other ON other.repository_id = sister.id
             AND other.kind = 'traffic'
           WHERE sister.gone_at IS NULL AND sister.github_id IS NOT NULL GROUP BY sister.account_id
         ) AS seen ON seen.account_id = account.id
"""
# By kind: which subjects it applies to, and the condition that something changed since it was stored.
APPLIES_BY_KIND = {
    "star_history": "(latest.stars > 0 OR enrichment.captured_at IS NOT NULL)",
    "star_backfill": "star_backfill.next_page IS NOT NULL",
    "extras": "repository.node_id IS NOT NULL AND account.token_fingerprint IS NOT NULL",
    "fork_languages": "repository.is_fork AND repository.pushed_at IS NOT NULL AND repository.node_id IS NOT NULL"
    " AND account.token_fingerprint IS NOT NULL",
    "releases": "true",
    "contributors": HAS_OWN_COMMITS,
    "commit_activity": HAS_OWN_COMMITS,
    "traffic": f"account.token_fingerprint IS NOT NULL AND {HAS_TRAFFIC_ACCESS}",
}
CHANGED_BY_KIND = {
    "star_history": "latest.captured_at > enrichment.captured_at",
    "extras": "latest.captured_at > enrichment.captured_at",
    "fork_languages": PUSHED_SINCE_STORED,
    "releases": PUSHED_SINCE_STORED,
    "contributors": PUSHED_SINCE_STORED,
    "commit_activity": PUSHED_SINCE_STORED,
}
REPOSITORIES = """
      FROM tracked_account
      JOIN account ON account.id = tracked_account.account_id
      JOIN repository ON repository.account_id = account.id
      JOIN repository_summary AS latest ON latest.repository_id = repository.id AND latest.source_id = 1
      LEFT JOIN enrichment ON enrichment.repository_id = repository.id AND enrichment.kind = :kind
      LEFT JOIN star_backfill ON star_backfill.repository_id = repository.id
      {joined}
     WHERE NOT paused AND account.gone_at IS NULL AND repository.gone_at IS NULL
       AND repository.github_id IS NOT NULL AND {applies}
"""
REPOSITORY_IS_DUE = """
           (enrichment.due_at IS NULL OR enrichment.due_at > :implausible
            OR (enrichment.due_at <= :now
                AND (enrichment.state <> 'stored' OR {changed} OR enrichment.due_at <= :quiet)))
"""
USERS = """
      FROM tracked_account
      JOIN account ON account.id = tracked_account.account_id
      LEFT JOIN enrichment ON enrichment.account_id = account.id AND enrichment.kind = :kind
     WHERE NOT paused AND account.gone_at IS NULL AND account.node_id IS NOT NULL AND account.kind = 'user'
       AND account.token_fingerprint IS NOT NULL
"""
USER_IS_DUE = "(enrichment.due_at IS NULL OR enrichment.due_at <= :now OR enrichment.due_at > :implausible)"
USER_ORDER = "priority DESC, account.id"
SELECT_DUE = """
    SELECT id, token_fingerprint
      FROM (SELECT {subject}.id, account.token_fingerprint,
                   row_number() OVER (PARTITION BY account.token_fingerprint ORDER BY {order}) AS place
                   {subjects} AND {is_due} AND {chosen}) AS due
     WHERE place <= :limit ORDER BY place
"""
COUNT_DUE = "SELECT count(*) AS subjects, count(*) FILTER (WHERE {is_due}) AS waiting {subjects}"
SELECT_REPOSITORY_TARGET = """
    SELECT repository.id, repository.github_id, full_name, account.login, repository.node_id, account.token_fingerprint,
           coalesce(failed_attempts, 0) AS failed_attempts, next_page, enrichment.first_day, repository.created_at
      FROM repository JOIN account ON account.id = repository.account_id
      LEFT JOIN enrichment ON enrichment.repository_id = repository.id AND enrichment.kind = :kind
      LEFT JOIN star_backfill ON star_backfill.repository_id = repository.id
     WHERE repository.id = :id
"""
SELECT_USER_TARGET = """
    SELECT account.id, github_id, CAST(NULL AS text) AS full_name, login, node_id, token_fingerprint,
           coalesce(failed_attempts, 0) AS failed_attempts, CAST(NULL AS int) AS next_page, enrichment.first_day,
           created_at
      FROM account LEFT JOIN enrichment ON enrichment.account_id = account.id AND enrichment.kind = :kind
     WHERE account.id = :id
"""


def due_subjects(
    connection: Connection,
    kind: FactKind,
    now: datetime,
    limit: int,
    tokens: Sequence[str | None] | None = None,
    ids: Sequence[int] | None = None,
) -> list[DueSubject]:
    """Select due subjects, at most *limit* per token, most important first.

    Only those of *tokens* and among *ids*; None means all.
    """
    chosen, values = ["true"], dict[str, Any]()
    if tokens is not None:
        chosen.append("coalesce(account.token_fingerprint, '') = ANY(:tokens)")
        values["tokens"] = [token or "" for token in tokens]
    if ids is not None:
        chosen.append(f"{_subject(kind)}.id = ANY(CAST(:ids AS bigint[]))")
        values["ids"] = list(ids)
    return _select_due(connection, kind, now, limit, " AND ".join(chosen), values)


def count_due(connection: Connection, kind: FactKind, now: datetime) -> tuple[int, int]:
    """Return to how many subjects this kind applies, and how many of them are due."""
    row = connection.execute(text(COUNT_DUE.format(**_due_sql(kind))), _due_values(kind, now)).one()
    return row.subjects, row.waiting


def still_due_ids(connection: Connection, kind: FactKind, now: datetime, ids: Sequence[int]) -> list[int]:
    """Leave out of *ids* the subjects that were stored since the job was queued."""
    return [one.id for one in due_subjects(connection, kind, now, len(ids), ids=ids)]


def load_target(connection: Connection, kind: FactKind, subject_id: int, now: datetime) -> Target | None:
    """Load one subject; None if it is no longer stored or has no GitHub id."""
    row = connection.execute(
        text(SELECT_USER_TARGET if kind.is_per_user else SELECT_REPOSITORY_TARGET),
        {"kind": kind.name, "id": subject_id},
    ).one_or_none()
    return None if row is None or row.github_id is None else Target(**row._mapping, requested_at=now)


def is_endpoint_missing(connection: Connection, kind: str, api_root: str, now: datetime) -> bool:
    """Return whether this server is known to lack the endpoint of this kind."""
    found: bool | None = connection.scalar(
        text("SELECT retry_at > :now FROM missing_endpoint WHERE kind = :kind AND api_root = :root"),
        {"kind": endpoint_kind(kind), "root": api_root, "now": now},
    )
    return bool(found)


def endpoint_kind(kind: str) -> str:
    """Return the kind under which an endpoint is recorded: star history and its backfill use the same one."""
    return "star_history" if kind == "star_backfill" else kind


def _subject(kind: FactKind) -> str:
    return "account" if kind.is_per_user else "repository"


def _select_due(
    connection: Connection, kind: FactKind, now: datetime, limit: int, chosen: str, values: dict[str, Any]
) -> list[DueSubject]:
    rows = connection.execute(
        text(SELECT_DUE.format(chosen=chosen, **_due_sql(kind))), values | _due_values(kind, now) | {"limit": limit}
    )
    return [DueSubject(row.id, row.token_fingerprint) for row in rows]


def _due_sql(kind: FactKind) -> dict[str, str]:
    """Return the parts of SELECT_DUE and COUNT_DUE: only the constants above, never a value."""
    if kind.is_per_user:
        return {"subject": _subject(kind), "subjects": USERS, "is_due": USER_IS_DUE, "order": USER_ORDER}
    return {
        "subject": _subject(kind),
        "subjects": REPOSITORIES.format(
            joined=JOIN_TRAFFIC_ACCESS if kind.name == "traffic" else "", applies=APPLIES_BY_KIND[kind.name]
        ),
        "is_due": REPOSITORY_IS_DUE.format(changed=CHANGED_BY_KIND.get(kind.name, "true")),
        "order": IMPORTANCE_ORDER,
    }


def _due_values(kind: FactKind, now: datetime) -> dict[str, Any]:
    quiet = now - (kind.quiet_interval - kind.interval)
    return {"kind": kind.name, "now": now, "quiet": quiet, "implausible": now + MAX_DUE_AHEAD}


def tracked_tokens(connection: Connection) -> list[str | None]:
    """Select the tokens that tracked accounts are pinned to; None stands for accounts without one."""
    return list(
        connection.scalars(
            text(
                "SELECT DISTINCT token_fingerprint FROM account JOIN tracked_account ON account_id = id"
                " WHERE NOT paused"
            )
        )
    )
