"""What is due to be read, and what has to be known of it to ask. Callers own the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from core.queue.enrichment import Kind


@dataclass(frozen=True)
class Due:
    """A repository or user (our id) and the token its account is pinned to."""

    id: int
    token: str | None


@dataclass(frozen=True)
class Target:
    """What is asked for: a repository, or a user when it has no `full_name`."""

    id: int
    github_id: int
    full_name: str | None
    login: str
    node_id: str | None
    token: str | None
    asked_at: datetime
    tries: int = 0
    next_page: int | None = None
    first_day: date | None = None
    created_at: datetime | None = None


# Nothing is ever due later than that: a clock that was wrong wrote it.
LONGEST_WAIT = timedelta(days=32)
# Most stars and most growth first: what most people look at, and where most happens.
WEIGHT = "latest.stars + 10 * abs(coalesce(latest.stars_30d, 0)) DESC NULLS LAST, repository.id"
PUSHED = "repository.pushed_at > reading.read_at"
OWN_WORK = "NOT repository.is_fork AND repository.pushed_at IS NOT NULL"
# One repository of an account is asked whether we may see its traffic; the others follow where we may.
MAY_SEE_TRAFFIC = """
    CASE WHEN seen.was_read THEN true
         WHEN seen.was_refused THEN reading.state = 'refused'
         ELSE repository.id = seen.first_id END
"""
TRAFFIC_SEEN = """
    JOIN (SELECT sister.account_id, min(sister.id) AS first_id, bool_or(other.state = 'read') AS was_read,
                 bool_or(other.state = 'refused') AS was_refused
            FROM repository AS sister LEFT JOIN reading AS other ON other.repository_id = sister.id
             AND other.kind = 'traffic'
           WHERE sister.gone_at IS NULL AND sister.github_id IS NOT NULL GROUP BY sister.account_id
         ) AS seen ON seen.account_id = account.id
"""
# By kind: which are wanted at all, and what tells that something moved since the last reading.
WANTED = {
    "stars": "(latest.stars > 0 OR reading.read_at IS NOT NULL)",
    "star_walk": "star_walk.next_page IS NOT NULL",
    "extras": "repository.node_id IS NOT NULL AND account.token IS NOT NULL",
    "releases": "true",
    "contributors": OWN_WORK,
    "commit_activity": OWN_WORK,
    "traffic": f"account.token IS NOT NULL AND {MAY_SEE_TRAFFIC}",
}
MOVED = {
    "stars": "latest.captured_at > reading.read_at",
    "extras": "latest.captured_at > reading.read_at",
    "releases": PUSHED,
    "contributors": PUSHED,
    "commit_activity": PUSHED,
}
REPOSITORIES = """
    SELECT repository.id, account.token,
           row_number() OVER (PARTITION BY account.token ORDER BY {weight}) AS place
      FROM tracked_account
      JOIN account ON account.id = tracked_account.account_id
      JOIN repository ON repository.account_id = account.id
      JOIN repository_current AS latest ON latest.repository_id = repository.id
      LEFT JOIN reading ON reading.repository_id = repository.id AND reading.kind = :kind
      LEFT JOIN star_walk ON star_walk.repository_id = repository.id
      {joined}
     WHERE NOT paused AND account.gone_at IS NULL AND repository.gone_at IS NULL
       AND repository.github_id IS NOT NULL AND {wanted}
       AND {chosen}
       AND (reading.due_at IS NULL OR reading.due_at > :unlikely
            OR (reading.due_at <= :now AND (reading.state <> 'read' OR {moved} OR reading.due_at <= :quiet)))
"""
USERS = """
    SELECT account.id, account.token,
           row_number() OVER (PARTITION BY account.token ORDER BY priority DESC, account.id) AS place
      FROM tracked_account
      JOIN account ON account.id = tracked_account.account_id
      LEFT JOIN reading ON reading.account_id = account.id AND reading.kind = :kind
     WHERE NOT paused AND account.gone_at IS NULL AND account.node_id IS NOT NULL AND account.kind = 'user'
       AND account.token IS NOT NULL AND {chosen}
       AND (reading.due_at IS NULL OR reading.due_at <= :now OR reading.due_at > :unlikely)
"""
KNOWN_REPOSITORY = """
    SELECT repository.id, repository.github_id, full_name, account.login, repository.node_id, account.token,
           coalesce(tries, 0) AS tries, next_page, reading.first_day, repository.created_at
      FROM repository JOIN account ON account.id = repository.account_id
      LEFT JOIN reading ON reading.repository_id = repository.id AND reading.kind = :kind
      LEFT JOIN star_walk ON star_walk.repository_id = repository.id
     WHERE repository.id = :id
"""
KNOWN_USER = """
    SELECT account.id, github_id, CAST(NULL AS text) AS full_name, login, node_id, token, coalesce(tries, 0) AS tries,
           CAST(NULL AS int) AS next_page, reading.first_day, created_at
      FROM account LEFT JOIN reading ON reading.account_id = account.id AND reading.kind = :kind
     WHERE account.id = :id
"""


def due(
    connection: Connection, kind: Kind, now: datetime, limit: int, tokens: Sequence[str | None] | None = None
) -> list[Due]:
    """What is due, at most *limit* of each token, most wanted first; of all *tokens* where none are named."""
    if tokens is None:
        return _due(connection, kind, now, limit, "true", {})
    named = [token or "" for token in tokens]
    return _due(connection, kind, now, limit, "coalesce(account.token, '') = ANY(:tokens)", {"tokens": named})


def still_due(connection: Connection, kind: Kind, now: datetime, ids: Sequence[int]) -> list[int]:
    """Leave out of *ids* what was read since the job was queued."""
    subject = "account.id" if kind.of_users else "repository.id"
    found = _due(connection, kind, now, len(ids), f"{subject} = ANY(CAST(:ids AS bigint[]))", {"ids": list(ids)})
    return [one.id for one in found]


def target(connection: Connection, kind: Kind, subject_id: int, now: datetime) -> Target | None:
    """What is known of one subject at this moment; None when it is gone from here."""
    row = connection.execute(
        text(KNOWN_USER if kind.of_users else KNOWN_REPOSITORY), {"kind": kind.name, "id": subject_id}
    ).one_or_none()
    return None if row is None or row.github_id is None else Target(**row._mapping, asked_at=now)


def is_missing(connection: Connection, kind: str, api_root: str, now: datetime) -> bool:
    """Whether this server is known not to tell this kind of anything."""
    found: bool | None = connection.scalar(
        text("SELECT ask_again_at > :now FROM missing_endpoint WHERE kind = :kind AND api_root = :root"),
        {"kind": endpoint_of(kind), "root": api_root, "now": now},
    )
    return bool(found)


def endpoint_of(kind: str) -> str:
    """The walk asks what the first page asks."""
    return "stars" if kind == "star_walk" else kind


def _due(
    connection: Connection, kind: Kind, now: datetime, limit: int, chosen: str, values: dict[str, Any]
) -> list[Due]:
    # What is put into the text are the constants above, never a value.
    inner = (
        USERS.format(chosen=chosen)
        if kind.of_users
        else REPOSITORIES.format(
            weight=WEIGHT,
            joined=TRAFFIC_SEEN if kind.name == "traffic" else "",
            wanted=WANTED[kind.name],
            moved=MOVED.get(kind.name, "true"),
            chosen=chosen,
        )
    )
    moments = {"now": now, "quiet": now - (kind.quiet_every - kind.every), "unlikely": now + LONGEST_WAIT}
    rows = connection.execute(
        text(f"SELECT id, token FROM ({inner}) AS ranked WHERE place <= :limit ORDER BY place"),  # noqa: S608
        values | moments | {"kind": kind.name, "limit": limit},
    )
    return [Due(row.id, row.token) for row in rows]


def tokens(connection: Connection) -> list[str | None]:
    """The tokens that tracked accounts are pinned to; None stands for those that are pinned to none."""
    return list(
        connection.scalars(
            text("SELECT DISTINCT token FROM account JOIN tracked_account ON account_id = id WHERE NOT paused")
        )
    )
